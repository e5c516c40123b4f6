-- +goose Up

-- Who cancelled an invitation; NULL = nobody did, or that was not kept.
ALTER TABLE invitations ADD COLUMN ended_by BIGINT REFERENCES users (id);

-- What a purge leaves of invitations and requests for their people to read has no address.
CREATE INDEX invitations_purged ON invitations (ended_at) WHERE email = '';
CREATE INDEX join_requests_purged ON join_requests (ended_at) WHERE email = '';
