-- +goose Up

-- What a place was called when somebody was invited to it: who is not in it reads no later name.
ALTER TABLE invitations ADD COLUMN place_name TEXT NOT NULL DEFAULT '';
UPDATE invitations SET place_name = COALESCE((SELECT p.name FROM projects p WHERE p.id = project_id), (SELECT o.name FROM organizations o WHERE o.id = organization_id), (SELECT m.name FROM maintainers m WHERE m.id = maintainer_id), '');
