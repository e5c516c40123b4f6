-- +goose Up

-- A maintainer that is deleted stays, as deleted organizations are of it.
ALTER TABLE maintainers ADD COLUMN deleted_at BIGINT; -- NULL = there
