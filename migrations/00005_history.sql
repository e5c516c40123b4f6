-- +goose Up

-- What was dropped keeps its rows here under a name that nobody can type, so that its
-- own name is free; the trash has it as it was.
ALTER TABLE tables ADD COLUMN deleted_at BIGINT;
ALTER TABLE buckets ADD COLUMN deleted_at BIGINT;

-- Rows that stand in a table's files without being in it, which compaction takes out.
ALTER TABLE tables ADD COLUMN deleted_rows BIGINT NOT NULL DEFAULT 0;

-- A column's place in the primary key, from 1; 0 = it is no part of it.
ALTER TABLE table_columns ADD COLUMN key_order BIGINT NOT NULL DEFAULT 0;

ALTER TABLE versions ADD COLUMN rows_changed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE versions ADD COLUMN primary_key TEXT NOT NULL DEFAULT '[]'; -- JSON array of names
ALTER TABLE versions ADD COLUMN source BIGINT NOT NULL DEFAULT 0;       -- the version that a revert brought back
ALTER TABLE versions ADD COLUMN expired_at BIGINT;                      -- then its rows were let go
CREATE INDEX versions_age ON versions (created_at) WHERE expired_at IS NULL;

-- How long versions and dropped tables are kept.
ALTER TABLE projects ADD COLUMN retention_days BIGINT NOT NULL DEFAULT 30;

CREATE TABLE snapshots (
  id          BIGINT PRIMARY KEY,
  table_id    BIGINT NOT NULL REFERENCES tables (id),
  description TEXT NOT NULL,
  version     BIGINT NOT NULL,
  snapshot_id BIGINT NOT NULL,            -- of Iceberg, pinned by the tag snapshot-ID
  schema_id   BIGINT NOT NULL,
  rows_count  BIGINT NOT NULL,
  size_bytes  BIGINT NOT NULL,
  columns     TEXT NOT NULL,              -- JSON array of names
  primary_key TEXT NOT NULL,              -- JSON array of names
  job_id      BIGINT NOT NULL,
  user_id     BIGINT,
  token_id    BIGINT,
  actor_name  TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  deleted_at  BIGINT,                     -- its rows are kept as long as the trash keeps things
  purged_at   BIGINT
);
CREATE INDEX snapshots_table ON snapshots (table_id, created_at DESC, id DESC);
CREATE INDEX snapshots_deleted ON snapshots (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;

CREATE TABLE trash (
  id           BIGINT PRIMARY KEY,
  project_id   BIGINT NOT NULL REFERENCES projects (id),
  branch_id    BIGINT NOT NULL REFERENCES branches (id),
  kind         TEXT NOT NULL CHECK (kind IN ('table', 'bucket')),
  object_id    BIGINT NOT NULL,
  text_id      TEXT NOT NULL,             -- as it was
  with_bucket  BIGINT NOT NULL,           -- the trash row of the bucket that a table went with, or 0
  tables_count BIGINT NOT NULL,
  rows_count   BIGINT NOT NULL,
  size_bytes   BIGINT NOT NULL,
  job_id       BIGINT NOT NULL,
  user_id      BIGINT,
  actor_name   TEXT NOT NULL,
  deleted_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('held', 'restored', 'purged')),
  ended_at     BIGINT
);
CREATE INDEX trash_list ON trash (project_id, branch_id, with_bucket, state, deleted_at DESC, id DESC);
CREATE INDEX trash_with ON trash (with_bucket, state, id) WHERE with_bucket <> 0;
CREATE INDEX trash_expiry ON trash (expires_at) WHERE state = 'held';
CREATE INDEX trash_object ON trash (kind, object_id) WHERE state = 'held';

-- Keys and values that people and programs note on a bucket, a table or a column.
CREATE TABLE metadata (
  object_type TEXT NOT NULL CHECK (object_type IN ('bucket', 'table', 'column')),
  object_id   BIGINT NOT NULL,            -- of the bucket or table
  field_id    BIGINT NOT NULL,            -- of the column, or 0
  provider    TEXT NOT NULL,
  key         TEXT NOT NULL,
  value       TEXT NOT NULL,
  changed_at  BIGINT NOT NULL,
  changed_by  TEXT NOT NULL,
  PRIMARY KEY (object_type, object_id, field_id, provider, key)
);
