-- +goose Up

-- Being of support always ends: until when somebody is, or was when nobody has cleared it
-- yet; NULL = they are not. Whoever was without an end is for 90 days more, the last of them
-- whole.
ALTER TABLE users ADD COLUMN support_until BIGINT;
UPDATE users SET support_until = (CAST(strftime('%s', 'now', 'start of day') AS BIGINT) + 91 * 86400 - 1) * 1000000 WHERE is_support;
DROP INDEX users_support;
ALTER TABLE users DROP COLUMN is_support;
CREATE INDEX users_support ON users (email) WHERE support_until IS NOT NULL;

-- What people of support join ends with it: the membership of an organization, and what they
-- joined as its members. Super admins keep what they joined by the same right.
ALTER TABLE organization_members ADD COLUMN expires_at BIGINT; -- NULL = never
UPDATE organization_members SET expires_at = (SELECT u.support_until FROM users u WHERE u.id = user_id AND u.is_super_admin = FALSE) WHERE through = 'support';
UPDATE memberships SET expires_at = (SELECT o.expires_at FROM organization_members o JOIN projects p ON p.organization_id = o.organization_id WHERE p.id = project_id AND o.user_id = memberships.user_id)
  WHERE through = 'organization' AND expires_at IS NULL;
