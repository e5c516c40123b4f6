-- +goose Up

-- The orders of a project's people; who stays without an end comes last, as in tenancy.endOf.
CREATE INDEX memberships_role ON memberships (project_id, role, email, id);
CREATE INDEX memberships_end ON memberships (project_id, COALESCE(expires_at, 253370764800000000), id);
CREATE INDEX invitations_role ON invitations (project_id, role, email, id) WHERE state = 'pending';
CREATE INDEX invitations_end ON invitations (project_id, COALESCE(member_until, 253370764800000000), id) WHERE state = 'pending';
