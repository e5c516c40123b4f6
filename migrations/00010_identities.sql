-- +goose Up

-- Who a person is at a provider that they may sign in by. Only issuer and subject tell;
-- the address and the name are what the provider last said, to be shown.
CREATE TABLE identities (
  issuer       TEXT NOT NULL,
  subject      TEXT NOT NULL,
  user_id      BIGINT NOT NULL REFERENCES users (id),
  email        TEXT NOT NULL,
  name         TEXT NOT NULL,
  created_at   BIGINT NOT NULL,
  last_used_at BIGINT,
  PRIMARY KEY (issuer, subject)
);
CREATE UNIQUE INDEX identities_user ON identities (user_id, issuer);

-- Ways through the provider that have begun, each for one browser and one return.
CREATE TABLE oidc_flows (
  state_hash   TEXT PRIMARY KEY,
  browser_hash TEXT NOT NULL,
  nonce        TEXT NOT NULL,               -- sealed
  verifier     TEXT NOT NULL,               -- sealed
  purpose      TEXT NOT NULL CHECK (purpose IN ('signIn', 'link', 'prove')),
  user_id      BIGINT REFERENCES users (id), -- who is signed in; NULL to sign in
  next         TEXT NOT NULL,
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  used_at      BIGINT
);
CREATE INDEX oidc_flows_expiry ON oidc_flows (expires_at);

-- Identities that are linked once the person of the account says so: in the browser that
-- came from the provider, after signing in there, or by a link that was mailed to them.
CREATE TABLE identity_offers (
  id         BIGINT PRIMARY KEY,
  code_hash  TEXT NOT NULL UNIQUE,
  via        TEXT NOT NULL CHECK (via IN ('browser', 'mail')),
  user_id    BIGINT NOT NULL REFERENCES users (id),
  epoch      BIGINT NOT NULL,
  issuer     TEXT NOT NULL,
  subject    TEXT NOT NULL,
  email      TEXT NOT NULL,
  name       TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at   BIGINT
);
CREATE INDEX identity_offers_user ON identity_offers (user_id);
CREATE INDEX identity_offers_expiry ON identity_offers (expires_at);
