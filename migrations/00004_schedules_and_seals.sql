-- +goose Up

-- Jobs that come again and again. Moving next_at from what was read to what comes next
-- is the right to enqueue the job: whoever moves it does, and nobody else.
CREATE TABLE schedules (
  name        TEXT PRIMARY KEY,
  operation   TEXT NOT NULL,
  class       TEXT NOT NULL CHECK (class IN ('storage', 'component', 'system')),
  spec        TEXT NOT NULL,                -- five fields of cron
  zone        TEXT NOT NULL,                -- such as Europe/Prague
  params      TEXT NOT NULL,
  next_at     BIGINT NOT NULL,
  last_at     BIGINT,
  last_job_id BIGINT
);
CREATE INDEX schedules_next ON schedules (next_at);

-- Seals over the events, each over the one before. They are never changed.
CREATE TABLE seals (
  number       BIGINT PRIMARY KEY,
  encoding     BIGINT NOT NULL,             -- how digests are computed
  events_count BIGINT NOT NULL,
  first_at     BIGINT NOT NULL,             -- time of the first event
  last_at      BIGINT NOT NULL,
  horizon      BIGINT NOT NULL,             -- all events before this time are sealed by now
  digest       TEXT NOT NULL,
  previous     TEXT NOT NULL,               -- digest of the seal before, '' for the first
  created_at   BIGINT NOT NULL
);

-- What a seal was made from. It stays when the event itself is pruned.
CREATE TABLE event_digests (
  seal       BIGINT NOT NULL REFERENCES seals (number),
  position   BIGINT NOT NULL,
  event_id   BIGINT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,               -- the event's
  reading    BOOLEAN NOT NULL,              -- the event's
  digest     TEXT NOT NULL,
  PRIMARY KEY (seal, position)
);

ALTER TABLE events ADD COLUMN reading BOOLEAN NOT NULL DEFAULT FALSE; -- of a read or a listing: pruned after six months
ALTER TABLE events ADD COLUMN seal BIGINT;                            -- no part of the event's content
UPDATE events SET reading = TRUE WHERE name = 'storage.tablePreviewed';
CREATE INDEX events_unsealed ON events (created_at, id) WHERE seal IS NULL;
CREATE INDEX events_readings ON events (created_at) WHERE reading AND seal IS NOT NULL;

-- A file whose time is over stays as a record: first it says so, then its bytes go.
ALTER TABLE files ADD COLUMN removed_at BIGINT;                       -- nobody reads it from here on
ALTER TABLE files ADD COLUMN swept BOOLEAN NOT NULL DEFAULT FALSE;    -- its bytes are gone, too
DROP INDEX files_expiry;
CREATE INDEX files_expiry ON files (expires_at) WHERE expires_at IS NOT NULL AND NOT swept;
