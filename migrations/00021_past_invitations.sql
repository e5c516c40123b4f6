-- +goose Up

-- What became of the invitations of a person, the last first.
CREATE INDEX invitations_past ON invitations (user_id, ended_at, id) WHERE state <> 'pending';
