-- +goose Up

-- Each page of an organization says who is in it for a time.
CREATE INDEX organization_members_visitors ON organization_members (organization_id, expires_at) WHERE expires_at IS NOT NULL;
