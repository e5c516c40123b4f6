-- +goose Up

-- Who joins an organization by a right from above it is in it for a time. Whoever was without an
-- end, or with a later one, is for a week more; and what they joined as its members is a visit like
-- any other, by the right itself.
UPDATE memberships SET through = (SELECT o.through FROM organization_members o JOIN projects p ON p.organization_id = o.organization_id WHERE p.id = project_id AND o.user_id = memberships.user_id),
    expires_at = LEAST(expires_at, CAST(floor(EXTRACT(EPOCH FROM now())) AS BIGINT) * 1000000 + 7 * 86400000000)
  WHERE through = 'organization' AND EXISTS (SELECT 1 FROM organization_members o JOIN projects p ON p.organization_id = o.organization_id WHERE p.id = project_id AND o.user_id = memberships.user_id AND o.through <> '');
UPDATE organization_members SET expires_at = LEAST(expires_at, CAST(floor(EXTRACT(EPOCH FROM now())) AS BIGINT) * 1000000 + 7 * 86400000000) WHERE through <> '';
CREATE INDEX organization_members_end ON organization_members (expires_at) WHERE expires_at IS NOT NULL;
