-- +goose Up

-- The life of a project. A deleted one is kept until purge_at, and then purged by a job; from
-- purge_begun_at on it cannot be brought back.
ALTER TABLE projects ADD COLUMN deleted_at BIGINT;
ALTER TABLE projects ADD COLUMN deleted_by TEXT NOT NULL DEFAULT '';       -- a person's name, or Steward
ALTER TABLE projects ADD COLUMN purge_at BIGINT;
ALTER TABLE projects ADD COLUMN purge_job BIGINT;                          -- the last job that was to purge it
ALTER TABLE projects ADD COLUMN purge_begun_at BIGINT;
ALTER TABLE projects ADD COLUMN purged_at BIGINT;
ALTER TABLE projects ADD COLUMN disabled_at BIGINT;
ALTER TABLE projects ADD COLUMN disabled_reason TEXT NOT NULL DEFAULT '';  -- told to whoever opens it
ALTER TABLE projects ADD COLUMN warned_at BIGINT;                          -- when its members were told that it expires soon
ALTER TABLE projects ADD COLUMN resumed_at BIGINT NOT NULL DEFAULT 0;      -- when it was last brought back or enabled
ALTER TABLE projects ADD COLUMN rested BIGINT NOT NULL DEFAULT 0;          -- for how long it had rested then: its past is kept so much longer
CREATE INDEX projects_name ON projects (name_search, id);
CREATE INDEX projects_state ON projects (state, name_search, id);
CREATE INDEX projects_expiry ON projects (state, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX projects_purge ON projects (state, purge_at) WHERE purge_at IS NOT NULL;

ALTER TABLE jobs ADD COLUMN cancel_reason TEXT NOT NULL DEFAULT '';        -- a sentence; '' when a person cancelled the one job

-- Folders of tables that are purged and whose files may still be there.
CREATE TABLE purged_folders (
  folder     TEXT PRIMARY KEY,
  project_id BIGINT NOT NULL REFERENCES projects (id)
);
CREATE INDEX purged_folders_project ON purged_folders (project_id, folder);

-- A purge finds what belongs to a project. An account stays as certain as it was when the
-- invitation goes that activated it.
CREATE INDEX tokens_project ON tokens (project_id, id);
CREATE INDEX invitations_all ON invitations (project_id, id);
ALTER TABLE users ADD COLUMN activated_shown BOOLEAN NOT NULL DEFAULT FALSE; -- by a link that was shown to others than its mailbox
UPDATE users SET activated_shown = TRUE WHERE activated_by IS NOT NULL;
CREATE INDEX users_activated ON users (activated_by) WHERE activated_by IS NOT NULL;
