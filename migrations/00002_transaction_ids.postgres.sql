-- +goose Up

-- Whoever follows a stream reads only below pg_snapshot_xmin, and so misses nothing.
ALTER TABLE jobs ALTER COLUMN xid SET DEFAULT (pg_current_xact_id()::text::bigint);
ALTER TABLE events ALTER COLUMN xid SET DEFAULT (pg_current_xact_id()::text::bigint);
