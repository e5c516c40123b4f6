-- +goose Up

-- Who may come into projects by a right above them, by address.
CREATE INDEX users_support ON users (is_support, email) WHERE is_support = TRUE;
CREATE INDEX users_super_admin ON users (is_super_admin, email) WHERE is_super_admin = TRUE;

-- The organizations and maintainers of a person, in order.
DROP INDEX organization_members_user;
CREATE INDEX organization_members_user ON organization_members (user_id, organization_id);
DROP INDEX maintainer_members_user;
CREATE INDEX maintainer_members_user ON maintainer_members (user_id, maintainer_id);
