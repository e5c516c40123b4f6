-- +goose Up

-- Letters to people. What a letter says may hold a link with a secret code: it is sealed,
-- and erased once nobody needs it any more.
CREATE TABLE mails (
  id             BIGINT PRIMARY KEY,
  message_id     TEXT NOT NULL UNIQUE,      -- the same for every attempt
  kind           TEXT NOT NULL,
  recipient      TEXT NOT NULL,
  recipient_name TEXT NOT NULL,
  user_id        BIGINT REFERENCES users (id),
  content        TEXT NOT NULL,             -- sealed; '' = erased
  state          TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead', 'expired')),
  reason         TEXT NOT NULL,             -- why the last attempt did not succeed
  attempts       BIGINT NOT NULL,           -- of the latest delivery
  job_id         BIGINT NOT NULL,           -- of the latest delivery
  created_at     BIGINT NOT NULL,
  queued_at      BIGINT NOT NULL,           -- when the latest delivery began
  until          BIGINT,                    -- not sent after
  erase_at       BIGINT,                    -- when the content of one that is over goes
  sent_at        BIGINT,
  changed_at     BIGINT NOT NULL
);
CREATE INDEX mails_time ON mails (created_at, id);
CREATE INDEX mails_state ON mails (state, created_at, id);
CREATE INDEX mails_recipient ON mails (recipient, created_at, id);
CREATE INDEX mails_queued ON mails (queued_at) WHERE state = 'waiting';
CREATE INDEX mails_until ON mails (until) WHERE state = 'waiting' AND until IS NOT NULL;
CREATE INDEX mails_erase ON mails (erase_at) WHERE erase_at IS NOT NULL;
