-- +goose Up

-- Why an invitation ended that nobody answered or cancelled; '' = none of these.
ALTER TABLE invitations ADD COLUMN cause TEXT NOT NULL DEFAULT '' CHECK (cause IN ('', 'joined', 'added', 'deleted', 'moved'));
CREATE INDEX invitations_project_past ON invitations (project_id, ended_at, id) WHERE state <> 'pending' AND project_id IS NOT NULL;
CREATE INDEX invitations_organization_past ON invitations (organization_id, ended_at, id) WHERE state <> 'pending' AND organization_id IS NOT NULL;
CREATE INDEX invitations_maintainer_past ON invitations (maintainer_id, ended_at, id) WHERE state <> 'pending' AND maintainer_id IS NOT NULL;

-- The same of requests to join. Of those before this nobody kept whether their person took them back.
ALTER TABLE join_requests ADD COLUMN cause TEXT NOT NULL DEFAULT '' CHECK (cause IN ('', 'joined', 'invited', 'added', 'deleted', 'moved', 'right', 'untold'));
UPDATE join_requests SET cause = 'untold' WHERE state = 'cancelled';
CREATE INDEX join_requests_past ON join_requests (user_id, ended_at, id) WHERE state <> 'pending';
