-- +goose Up

-- Somebody who may move projects into any organization finds it by name.
CREATE INDEX organizations_named ON organizations (name_search, id) WHERE deleted_at IS NULL;
-- Whose place in a project hangs on a right above it.
CREATE INDEX memberships_through ON memberships (project_id, email, id) WHERE through <> '';

-- Templates are changed by super admins. One that is withdrawn stays as the name of what its
-- projects are.
ALTER TABLE project_templates ADD COLUMN retention_days BIGINT NOT NULL DEFAULT 30; -- for which new projects keep versions
ALTER TABLE project_templates ADD COLUMN offered BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE project_templates ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;        -- how often it was written
CREATE INDEX projects_template ON projects (template, id);
