-- +goose Up

-- The password has less characters than one needs that stands alone: it counts together
-- with a second factor only.
ALTER TABLE users ADD COLUMN password_short BOOLEAN NOT NULL DEFAULT FALSE;

-- Links that were given out, to activate an account, to set a new password or to take away
-- a second factor that was lost: of each purpose only the newest counts, and it counts once.
CREATE TABLE links (
  id          BIGINT PRIMARY KEY,
  code_hash   TEXT NOT NULL UNIQUE,
  user_id     BIGINT NOT NULL REFERENCES users (id),
  purpose     TEXT NOT NULL CHECK (purpose IN ('activate', 'reset', 'factor')),
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  reminded_at BIGINT,                       -- when its person was told that it ends soon
  ended_at    BIGINT
);
INSERT INTO links (id, code_hash, user_id, purpose, created_at, expires_at, ended_at)
  SELECT id, code_hash, user_id, purpose, created_at, expires_at, ended_at FROM account_links;
DROP TABLE account_links;
ALTER TABLE links RENAME TO account_links;
CREATE UNIQUE INDEX account_links_open ON account_links (user_id, purpose) WHERE ended_at IS NULL;
CREATE INDEX account_links_expiry ON account_links (expires_at);
