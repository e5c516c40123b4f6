-- +goose Up

-- SQLite cannot change a check: the table is built anew. No other table refers to it.
CREATE TABLE files_new (
  id          BIGINT PRIMARY KEY,
  project_id  BIGINT NOT NULL REFERENCES projects (id),
  branch_id   BIGINT NOT NULL REFERENCES branches (id),
  name        TEXT NOT NULL,
  size_bytes  BIGINT NOT NULL,
  sha256      TEXT NOT NULL,
  compression TEXT NOT NULL CHECK (compression IN ('', 'gzip', 'zstd')),
  blob_key    TEXT NOT NULL UNIQUE,
  user_id     BIGINT,
  token_id    BIGINT,
  actor_name  TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT
);
INSERT INTO files_new (id, project_id, branch_id, name, size_bytes, sha256, compression, blob_key, user_id, token_id, actor_name, created_at, expires_at)
  SELECT id, project_id, branch_id, name, size_bytes, sha256, compression, blob_key, user_id, token_id, actor_name, created_at, expires_at FROM files;
DROP TABLE files;
ALTER TABLE files_new RENAME TO files;
CREATE INDEX files_list ON files (project_id, branch_id, created_at DESC, id DESC);
CREATE INDEX files_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;
