-- +goose Up

ALTER TABLE users ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE users ADD COLUMN search TEXT NOT NULL DEFAULT '';  -- address and name in lower case
ALTER TABLE users ADD COLUMN password_changed_at BIGINT;
UPDATE users SET search = lower(email || ' ' || name), password_changed_at = created_at;
CREATE INDEX users_list ON users (created_at DESC, id DESC);
CREATE INDEX users_state ON users (state, created_at DESC, id DESC);

ALTER TABLE sessions ADD COLUMN kept BOOLEAN NOT NULL DEFAULT FALSE;  -- the person asked to stay signed in
ALTER TABLE sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;  -- last proof of who it is

-- Sign-ins whose first factor is proved and whose second one is awaited. They give no right.
CREATE TABLE pending_sign_ins (
  id         BIGINT PRIMARY KEY,
  code_hash  TEXT NOT NULL UNIQUE,
  user_id    BIGINT NOT NULL REFERENCES users (id),
  epoch      BIGINT NOT NULL,
  method     TEXT NOT NULL,
  tries      BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at   BIGINT
);
CREATE INDEX pending_sign_ins_expiry ON pending_sign_ins (expires_at);

-- Links that were given out, to activate an account or to set a new password: of each
-- purpose only the newest counts, and it counts once.
CREATE TABLE account_links (
  id         BIGINT PRIMARY KEY,
  code_hash  TEXT NOT NULL UNIQUE,
  user_id    BIGINT NOT NULL REFERENCES users (id),
  purpose    TEXT NOT NULL CHECK (purpose IN ('activate', 'reset')),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at   BIGINT
);
CREATE UNIQUE INDEX account_links_open ON account_links (user_id, purpose) WHERE ended_at IS NULL;

-- A person's second factor: time-based one-time passwords.
CREATE TABLE factors (
  user_id      BIGINT PRIMARY KEY REFERENCES users (id),
  secret       TEXT NOT NULL,               -- sealed
  last_step    BIGINT NOT NULL,             -- of the last code taken; it and older ones are refused
  failures     BIGINT NOT NULL,             -- wrong codes in a row
  locked_at    BIGINT,
  codes_sealed TEXT NOT NULL,               -- new recovery codes, until they are stored or ten minutes old
  codes_at     BIGINT NOT NULL,
  created_at   BIGINT NOT NULL
);

-- A second factor that is being set up.
CREATE TABLE factor_enrolments (
  user_id    BIGINT PRIMARY KEY REFERENCES users (id),
  secret     TEXT NOT NULL,                 -- sealed
  created_at BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
  user_id BIGINT NOT NULL REFERENCES users (id),
  mac     TEXT NOT NULL,
  mac_key TEXT NOT NULL,
  used_at BIGINT,
  PRIMARY KEY (user_id, mac)
);

-- What a person did with their own account, and what was done to it.
CREATE INDEX events_account ON events (user_id, created_at DESC, id DESC) WHERE object_type IN ('user', 'session');
CREATE INDEX events_person ON events (object_id, created_at DESC, id DESC) WHERE object_type = 'user';

-- The same of everybody, for super admins.
CREATE INDEX events_security ON events (created_at DESC, id DESC) WHERE object_type IN ('user', 'session', 'installation');

-- Browsers that a person has signed in with.
CREATE TABLE devices (
  user_id      BIGINT NOT NULL REFERENCES users (id),
  token_hash   TEXT NOT NULL,
  created_at   BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, token_hash)
);
