-- +goose Up

-- The next free id of each kind of row; processes reserve ids in blocks.
CREATE TABLE sequences (
  kind TEXT PRIMARY KEY,
  next BIGINT NOT NULL
);

-- Facts about the installation, such as the digest of the first-run code.
CREATE TABLE installation (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- People and how they sign in ------------------------------------------------

CREATE TABLE users (
  id             BIGINT PRIMARY KEY,
  email          TEXT NOT NULL UNIQUE,      -- normalized; it is the identity and never changes
  name           TEXT NOT NULL,
  password_hash  TEXT NOT NULL,             -- '' = none set
  pepper_key     TEXT NOT NULL,
  state          TEXT NOT NULL CHECK (state IN ('invited', 'active', 'disabled')),
  is_super_admin BOOLEAN NOT NULL,
  session_epoch  BIGINT NOT NULL,           -- raising it ends every session
  theme          TEXT NOT NULL,
  created_at     BIGINT NOT NULL,
  last_login_at  BIGINT
);

CREATE TABLE sessions (
  id           BIGINT PRIMARY KEY,
  token_hash   TEXT NOT NULL UNIQUE,
  user_id      BIGINT NOT NULL REFERENCES users (id),
  epoch        BIGINT NOT NULL,
  data         TEXT NOT NULL,
  method       TEXT NOT NULL,
  address      TEXT NOT NULL,
  user_agent   TEXT NOT NULL,
  created_at   BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  revoked_at   BIGINT
);
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE throttles (
  key           TEXT PRIMARY KEY,           -- such as account:<id> or address/min:<address>
  count         BIGINT NOT NULL,
  window_end    BIGINT NOT NULL,
  blocked_until BIGINT
);
CREATE INDEX throttles_window ON throttles (window_end);

-- One row for each form or API call that was sent with a key: sent twice is done once.
CREATE TABLE idempotency (
  key        TEXT NOT NULL,                 -- digest
  actor      TEXT NOT NULL,
  route      TEXT NOT NULL,
  content    TEXT NOT NULL,                 -- digest of what was sent
  status     BIGINT NOT NULL,               -- 0 until the answer is known
  location   TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (key, actor)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- Who owns what --------------------------------------------------------------

CREATE TABLE maintainers (
  id         BIGINT PRIMARY KEY,
  name       TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE maintainer_members (
  maintainer_id BIGINT NOT NULL REFERENCES maintainers (id),
  user_id       BIGINT NOT NULL REFERENCES users (id),
  joined_at     BIGINT NOT NULL,
  PRIMARY KEY (maintainer_id, user_id)
);
CREATE INDEX maintainer_members_user ON maintainer_members (user_id);

CREATE TABLE organizations (
  id              BIGINT PRIMARY KEY,
  maintainer_id   BIGINT NOT NULL REFERENCES maintainers (id),
  name            TEXT NOT NULL,
  allow_auto_join BOOLEAN NOT NULL,
  created_at      BIGINT NOT NULL
);
CREATE INDEX organizations_maintainer ON organizations (maintainer_id, id);

CREATE TABLE organization_members (
  organization_id BIGINT NOT NULL REFERENCES organizations (id),
  user_id         BIGINT NOT NULL REFERENCES users (id),
  joined_at       BIGINT NOT NULL,
  PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_members_user ON organization_members (user_id);

CREATE TABLE projects (
  id              BIGINT PRIMARY KEY,
  organization_id BIGINT NOT NULL REFERENCES organizations (id),
  name            TEXT NOT NULL,
  name_search     TEXT NOT NULL,            -- name in lower case
  description     TEXT NOT NULL,
  governed        BOOLEAN NOT NULL,         -- governed change management
  state           TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'deleted', 'purged')),
  expires_at      BIGINT,
  created_at      BIGINT NOT NULL,
  created_by      BIGINT NOT NULL REFERENCES users (id),
  changed_at      BIGINT NOT NULL           -- last change of its data
);
CREATE INDEX projects_organization ON projects (organization_id, name_search, id);

CREATE TABLE branches (
  id         BIGINT PRIMARY KEY,
  project_id BIGINT NOT NULL REFERENCES projects (id),
  name       TEXT NOT NULL,
  is_default BOOLEAN NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (project_id, name)
);
CREATE UNIQUE INDEX branches_default ON branches (project_id) WHERE is_default;

CREATE TABLE memberships (
  id          BIGINT PRIMARY KEY,
  project_id  BIGINT NOT NULL REFERENCES projects (id),
  user_id     BIGINT NOT NULL REFERENCES users (id),
  role        TEXT NOT NULL CHECK (role IN ('share', 'admin', 'guest', 'readOnly', 'developer', 'reviewer', 'productionManager')),
  joined_at   BIGINT NOT NULL,
  expires_at  BIGINT,
  reason      TEXT NOT NULL,
  invitor_id  BIGINT REFERENCES users (id),
  approver_id BIGINT REFERENCES users (id),
  UNIQUE (project_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id, project_id);

CREATE TABLE tokens (
  id          BIGINT PRIMARY KEY,
  project_id  BIGINT NOT NULL REFERENCES projects (id),
  user_id     BIGINT REFERENCES users (id), -- of a master token
  description TEXT NOT NULL,
  is_master   BOOLEAN NOT NULL,
  created_at  BIGINT NOT NULL,
  deleted_at  BIGINT
);
CREATE UNIQUE INDEX tokens_master ON tokens (project_id, user_id) WHERE is_master AND deleted_at IS NULL;

-- Jobs: the row is the queue entry and the record that people read -----------

CREATE TABLE jobs (
  id               BIGINT PRIMARY KEY,
  xid              BIGINT NOT NULL DEFAULT 0, -- transaction that made it, see 00002
  class            TEXT NOT NULL CHECK (class IN ('storage', 'component', 'system')),
  operation        TEXT NOT NULL,
  state            TEXT NOT NULL CHECK (state IN ('created', 'waiting', 'processing', 'success', 'warning', 'error', 'terminating', 'terminated', 'cancelled')),
  project_id       BIGINT REFERENCES projects (id),
  branch_id        BIGINT REFERENCES branches (id),
  priority         BIGINT NOT NULL,
  serial_key       TEXT NOT NULL,           -- jobs with the same one run in the order they were made; '' = none
  held             BOOLEAN NOT NULL,        -- an older unfinished job has the same serial key
  params           TEXT NOT NULL,
  results          TEXT NOT NULL,
  error_code       TEXT NOT NULL,
  error_message    TEXT NOT NULL,
  table_name       TEXT NOT NULL,           -- text id of the table it is mainly about
  file_id          BIGINT,
  run_id           TEXT NOT NULL,
  user_id          BIGINT,
  token_id         BIGINT,
  actor_name       TEXT NOT NULL,
  created_at       BIGINT NOT NULL,
  available_at     BIGINT NOT NULL,
  started_at       BIGINT,
  finished_at      BIGINT,
  attempt          BIGINT NOT NULL,
  max_attempts     BIGINT NOT NULL,
  owner            TEXT NOT NULL,
  fence            BIGINT NOT NULL,         -- raised by each claim; a commit names the one it holds
  lease_until      BIGINT,
  cancel_requested BOOLEAN NOT NULL,
  rows_done        BIGINT NOT NULL,
  bytes_done       BIGINT NOT NULL,
  bytes_total      BIGINT NOT NULL,
  in_bytes         BIGINT NOT NULL,
  out_bytes        BIGINT NOT NULL
);
CREATE INDEX jobs_waiting ON jobs (class, priority DESC, created_at, id) WHERE state = 'waiting' AND NOT held;
CREATE INDEX jobs_turn ON jobs (serial_key, created_at, id) WHERE state IN ('waiting', 'processing') AND serial_key <> '';
CREATE INDEX jobs_unfinished ON jobs (state, created_at) WHERE state IN ('waiting', 'processing');
CREATE INDEX jobs_processing ON jobs (project_id, class) WHERE state = 'processing';
CREATE UNIQUE INDEX jobs_serial ON jobs (serial_key) WHERE state = 'processing' AND serial_key <> '';
CREATE INDEX jobs_list ON jobs (project_id, branch_id, class, created_at DESC, id DESC);
CREATE INDEX jobs_state ON jobs (project_id, branch_id, class, state, created_at DESC, id DESC);
CREATE INDEX jobs_cancelled ON jobs (project_id, branch_id, class, created_at DESC, id DESC) WHERE error_code = 'storage.jobs.cancelled';
CREATE INDEX jobs_operation ON jobs (project_id, branch_id, class, operation, created_at DESC, id DESC);
CREATE INDEX jobs_table ON jobs (project_id, branch_id, class, table_name, created_at DESC, id DESC);
CREATE INDEX jobs_user ON jobs (project_id, branch_id, class, user_id, created_at DESC, id DESC);

-- The tables a job read or wrote, with the versions before and after.
CREATE TABLE job_tables (
  job_id         BIGINT NOT NULL REFERENCES jobs (id),
  table_id       BIGINT NOT NULL,
  direction      TEXT NOT NULL CHECK (direction IN ('read', 'write')),
  version_before BIGINT NOT NULL,           -- 0 = the table did not exist
  version_after  BIGINT NOT NULL,
  PRIMARY KEY (job_id, table_id, direction)
);
CREATE INDEX job_tables_table ON job_tables (table_id, job_id);

CREATE TABLE job_log (
  job_id     BIGINT NOT NULL REFERENCES jobs (id),
  seq        BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  level      TEXT NOT NULL CHECK (level IN ('info', 'success', 'warn', 'error')),
  message    TEXT NOT NULL,
  PRIMARY KEY (job_id, seq)
);

-- Events: every operation on every object; rows are never changed ------------

CREATE TABLE events (
  id              BIGINT PRIMARY KEY,
  xid             BIGINT NOT NULL DEFAULT 0,
  created_at      BIGINT NOT NULL,
  type            TEXT NOT NULL CHECK (type IN ('info', 'success', 'warn', 'error')),
  name            TEXT NOT NULL,
  object_type     TEXT NOT NULL,
  object_id       TEXT NOT NULL,
  object_name     TEXT NOT NULL,
  organization_id BIGINT,
  project_id      BIGINT,
  branch_id       BIGINT,
  user_id         BIGINT,
  token_id        BIGINT,
  actor_name      TEXT NOT NULL,
  job_id          BIGINT,
  request_id      TEXT NOT NULL,
  address         TEXT NOT NULL,
  user_agent      TEXT NOT NULL,
  message         TEXT NOT NULL,
  params          TEXT NOT NULL,
  results         TEXT NOT NULL
);
CREATE INDEX events_project ON events (project_id, branch_id, created_at DESC, id DESC);
CREATE INDEX events_object ON events (project_id, branch_id, object_type, object_id, created_at DESC, id DESC);
CREATE INDEX events_user ON events (user_id, created_at DESC, id DESC);
CREATE INDEX events_created ON events (created_at DESC, id DESC);

-- Storage --------------------------------------------------------------------

CREATE TABLE buckets (
  id                BIGINT PRIMARY KEY,
  project_id        BIGINT NOT NULL REFERENCES projects (id),
  branch_id         BIGINT NOT NULL REFERENCES branches (id),
  stage             TEXT NOT NULL CHECK (stage IN ('in', 'out')),
  name              TEXT NOT NULL,           -- with its c- prefix
  text_id           TEXT NOT NULL,           -- stage.name
  search            TEXT NOT NULL,           -- text_id and display name in lower case
  display_name      TEXT NOT NULL,
  description       TEXT NOT NULL,
  source_project_id BIGINT,                  -- of a linked bucket
  source_bucket_id  BIGINT,
  tables_count      BIGINT NOT NULL,
  rows_count        BIGINT NOT NULL,
  size_bytes        BIGINT NOT NULL,
  created_at        BIGINT NOT NULL,
  created_by        BIGINT NOT NULL REFERENCES users (id),
  changed_at        BIGINT NOT NULL,
  UNIQUE (project_id, branch_id, text_id)
);

CREATE TABLE tables (
  id             BIGINT PRIMARY KEY,
  project_id     BIGINT NOT NULL REFERENCES projects (id),
  branch_id      BIGINT NOT NULL REFERENCES branches (id),
  bucket_id      BIGINT NOT NULL REFERENCES buckets (id),
  name           TEXT NOT NULL,
  text_id        TEXT NOT NULL,              -- bucket's text id and the name
  search         TEXT NOT NULL,              -- name in lower case
  description    TEXT NOT NULL,
  folder         TEXT NOT NULL,              -- where its files are in the blob store
  location       TEXT NOT NULL,              -- the current Iceberg metadata: moving it is the commit
  version        BIGINT NOT NULL,
  rows_count     BIGINT NOT NULL,
  size_bytes     BIGINT NOT NULL,
  files_count    BIGINT NOT NULL,
  created_at     BIGINT NOT NULL,
  created_by     BIGINT REFERENCES users (id),
  changed_at     BIGINT NOT NULL,
  changed_by     TEXT NOT NULL,
  changed_job_id BIGINT NOT NULL,
  UNIQUE (bucket_id, name)
);
CREATE UNIQUE INDEX tables_text ON tables (project_id, branch_id, text_id);

CREATE TABLE table_columns (
  table_id BIGINT NOT NULL REFERENCES tables (id),
  position BIGINT NOT NULL,
  field_id BIGINT NOT NULL,                  -- the column's id in the Iceberg schema
  name     TEXT NOT NULL,
  PRIMARY KEY (table_id, position),
  UNIQUE (table_id, name)
);

CREATE TABLE versions (
  table_id      BIGINT NOT NULL REFERENCES tables (id),
  number        BIGINT NOT NULL,
  snapshot_id   BIGINT NOT NULL,
  schema_id     BIGINT NOT NULL,
  location      TEXT NOT NULL,
  operation     TEXT NOT NULL,
  job_id        BIGINT NOT NULL,
  user_id       BIGINT,
  token_id      BIGINT,
  actor_name    TEXT NOT NULL,
  rows_added    BIGINT NOT NULL,
  rows_removed  BIGINT NOT NULL,
  rows_count    BIGINT NOT NULL,
  size_bytes    BIGINT NOT NULL,
  columns       TEXT NOT NULL,               -- JSON array of names
  created_at    BIGINT NOT NULL,
  PRIMARY KEY (table_id, number)
);

CREATE TABLE files (
  id          BIGINT PRIMARY KEY,
  project_id  BIGINT NOT NULL REFERENCES projects (id),
  branch_id   BIGINT NOT NULL REFERENCES branches (id),
  name        TEXT NOT NULL,
  size_bytes  BIGINT NOT NULL,
  sha256      TEXT NOT NULL,
  compression TEXT NOT NULL CHECK (compression IN ('', 'gzip')),
  blob_key    TEXT NOT NULL UNIQUE,
  user_id     BIGINT,
  token_id    BIGINT,
  actor_name  TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT
);
CREATE INDEX files_list ON files (project_id, branch_id, created_at DESC, id DESC);
CREATE INDEX files_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;
