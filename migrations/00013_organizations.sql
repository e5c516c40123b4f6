-- +goose Up

ALTER TABLE organizations ADD COLUMN name_search TEXT NOT NULL DEFAULT ''; -- name in lower case
UPDATE organizations SET name_search = lower(name);
ALTER TABLE organizations ADD COLUMN mfa_required BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE organizations ADD COLUMN deleted_at BIGINT; -- it stays as the name of what happened in it
CREATE INDEX organizations_name ON organizations (maintainer_id, name_search, id) WHERE deleted_at IS NULL;

ALTER TABLE maintainers ADD COLUMN name_search TEXT NOT NULL DEFAULT '';
UPDATE maintainers SET name_search = lower(name);
CREATE INDEX maintainers_name ON maintainers (name_search, id);

-- Those of organizations and maintainers are listed by address, like the members of projects.
ALTER TABLE organization_members ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE organization_members ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE organization_members ADD COLUMN invitor_id BIGINT REFERENCES users (id);
UPDATE organization_members SET email = (SELECT u.email FROM users u WHERE u.id = user_id);
-- By which right somebody let themselves in; '' = none. It ends with that right.
ALTER TABLE organization_members ADD COLUMN through TEXT NOT NULL DEFAULT '' CHECK (through IN ('', 'maintainer', 'support'));
CREATE INDEX organization_members_email ON organization_members (organization_id, email);
ALTER TABLE maintainer_members ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE maintainer_members ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE maintainer_members ADD COLUMN invitor_id BIGINT REFERENCES users (id);
UPDATE maintainer_members SET email = (SELECT u.email FROM users u WHERE u.id = user_id);
CREATE INDEX maintainer_members_email ON maintainer_members (maintainer_id, email);
CREATE INDEX invitations_organization_email ON invitations (organization_id, email, id) WHERE state = 'pending' AND organization_id IS NOT NULL;
CREATE INDEX invitations_maintainer_email ON invitations (maintainer_id, email, id) WHERE state = 'pending' AND maintainer_id IS NOT NULL;

-- What an organization is billed by, as it was after each change; the newest counts.
CREATE TABLE billing_details (
  id                  BIGINT PRIMARY KEY,
  organization_id     BIGINT NOT NULL REFERENCES organizations (id),
  company             TEXT NOT NULL,
  address             TEXT NOT NULL,
  registration_number TEXT NOT NULL,
  vat_number          TEXT NOT NULL,
  email               TEXT NOT NULL,
  phone               TEXT NOT NULL,
  order_number        TEXT NOT NULL,
  note                TEXT NOT NULL,
  changed_at          BIGINT NOT NULL,
  changed_by          BIGINT NOT NULL REFERENCES users (id)
);
CREATE INDEX billing_details_organization ON billing_details (organization_id, id);

ALTER TABLE users ADD COLUMN is_support BOOLEAN NOT NULL DEFAULT FALSE;

-- By which right somebody let themselves in, or asked to be let in: '' = none of these, they
-- were invited or came with the project.
ALTER TABLE memberships ADD COLUMN through TEXT NOT NULL DEFAULT '' CHECK (through IN ('', 'organization', 'maintainer', 'support'));
CREATE INDEX memberships_visitors ON memberships (project_id, expires_at) WHERE through IN ('maintainer', 'support');

-- Where people of the maintainer and of support do not come in by themselves, they ask.
CREATE TABLE join_requests (
  id         BIGINT PRIMARY KEY,
  project_id BIGINT NOT NULL REFERENCES projects (id),
  user_id    BIGINT NOT NULL REFERENCES users (id),
  email      TEXT NOT NULL,
  through    TEXT NOT NULL CHECK (through IN ('maintainer', 'support')),
  reason     TEXT NOT NULL,
  hours      BIGINT NOT NULL,            -- for which the membership will last
  state      TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'cancelled', 'expired')),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,            -- it counts until then
  ended_at   BIGINT,
  decided_by BIGINT REFERENCES users (id)
);
CREATE UNIQUE INDEX join_requests_one ON join_requests (project_id, user_id) WHERE state = 'pending';
CREATE INDEX join_requests_email ON join_requests (project_id, email, id) WHERE state = 'pending';
CREATE INDEX join_requests_created ON join_requests (project_id, created_at, id) WHERE state = 'pending';
CREATE INDEX join_requests_user ON join_requests (user_id, id) WHERE state = 'pending';
CREATE INDEX join_requests_expiry ON join_requests (expires_at) WHERE state = 'pending';

-- What new projects are made from.
CREATE TABLE project_templates (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  description TEXT NOT NULL,
  days        BIGINT,                    -- after which its projects expire; NULL = never
  position    BIGINT NOT NULL UNIQUE    -- in the list of them
);
INSERT INTO project_templates (id, name, description, days, position) VALUES
  ('production', 'Production', 'For work that stays. It never expires.', NULL, 1),
  ('poc15Days', 'Proof of concept, 15 days', 'To find out whether something works.', 15, 2),
  ('poc30Days', 'Proof of concept, 30 days', 'The same with more time.', 30, 3),
  ('poc45Days', 'Proof of concept, 45 days', 'The same with even more time.', 45, 4),
  ('demo', 'Demo, 2 days', 'To look around, or to show something.', 2, 5);
ALTER TABLE projects ADD COLUMN template TEXT NOT NULL DEFAULT ''; -- id of the one it was made from; '' = none
