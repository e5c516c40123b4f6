-- +goose Up

-- Invitations to a project, an organization or a maintainer, each to one person, who may
-- have no more than an address yet. One that waits counts until expires_at, whether or not
-- anything has come by to close it.
CREATE TABLE invitations (
  id              BIGINT PRIMARY KEY,
  project_id      BIGINT REFERENCES projects (id),
  organization_id BIGINT REFERENCES organizations (id),
  maintainer_id   BIGINT REFERENCES maintainers (id),
  user_id         BIGINT NOT NULL REFERENCES users (id),
  email           TEXT NOT NULL,            -- the person's, which never changes: lists are ordered by it
  role            TEXT NOT NULL,            -- in a project; '' above
  reason          TEXT NOT NULL,
  member_until    BIGINT,                   -- when the membership ends; NULL = never
  days            BIGINT NOT NULL,          -- for which it counts each time it is sent
  newcomer        BOOLEAN NOT NULL,         -- it made the person's account
  state           TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'declined', 'cancelled', 'expired')),
  created_at      BIGINT NOT NULL,
  created_by      BIGINT NOT NULL REFERENCES users (id),
  expires_at      BIGINT NOT NULL,
  ended_at        BIGINT,
  CHECK ((CASE WHEN project_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN organization_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN maintainer_id IS NULL THEN 0 ELSE 1 END) = 1)
);
CREATE UNIQUE INDEX invitations_project ON invitations (project_id, user_id) WHERE state = 'pending' AND project_id IS NOT NULL;
CREATE UNIQUE INDEX invitations_organization ON invitations (organization_id, user_id) WHERE state = 'pending' AND organization_id IS NOT NULL;
CREATE UNIQUE INDEX invitations_maintainer ON invitations (maintainer_id, user_id) WHERE state = 'pending' AND maintainer_id IS NOT NULL;
CREATE INDEX invitations_email ON invitations (project_id, email, id) WHERE state = 'pending';
CREATE INDEX invitations_created ON invitations (project_id, created_at, id) WHERE state = 'pending';
CREATE INDEX invitations_user ON invitations (user_id, id) WHERE state = 'pending';
CREATE INDEX invitations_expiry ON invitations (expires_at) WHERE state = 'pending';

-- Of the links that activate an account each invitation has one: whoever invites somebody
-- else's newcomer does not take the link away that lies in their mail.
ALTER TABLE account_links ADD COLUMN invitation_id BIGINT REFERENCES invitations (id);
DROP INDEX account_links_open;
CREATE INDEX account_links_invitation ON account_links (invitation_id) WHERE invitation_id IS NOT NULL;
CREATE UNIQUE INDEX account_links_open ON account_links (user_id, purpose, (COALESCE(invitation_id, 0))) WHERE ended_at IS NULL;

ALTER TABLE memberships ADD COLUMN email TEXT NOT NULL DEFAULT ''; -- as in invitations
UPDATE memberships SET email = (SELECT u.email FROM users u WHERE u.id = user_id);
CREATE INDEX memberships_email ON memberships (project_id, email, id);
CREATE INDEX memberships_joined ON memberships (project_id, joined_at, id);
CREATE INDEX memberships_expiry ON memberships (expires_at) WHERE expires_at IS NOT NULL;

-- Where no mail is sent, the link of an invitation is shown to who invites, who could use it
-- too. An account that was activated by such a link is as certain as they are: what others
-- had offered to that address before, they have to offer again.
ALTER TABLE account_links ADD COLUMN shown BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN activated_by BIGINT REFERENCES invitations (id);
ALTER TABLE users ADD COLUMN activated_at BIGINT;
