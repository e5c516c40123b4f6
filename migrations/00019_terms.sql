-- +goose Up

-- What super admins agree for a project, and what those begin with that are made from a
-- template. NULL: no limit; of jobs, as many as usual.
ALTER TABLE projects ADD COLUMN limit_users BIGINT;
ALTER TABLE projects ADD COLUMN limit_storage BIGINT; -- bytes
ALTER TABLE projects ADD COLUMN limit_jobs BIGINT;    -- of a class that run at once
ALTER TABLE project_templates ADD COLUMN limit_users BIGINT;
ALTER TABLE project_templates ADD COLUMN limit_storage BIGINT;
ALTER TABLE project_templates ADD COLUMN limit_jobs BIGINT;
ALTER TABLE project_templates ADD COLUMN external_roles BOOLEAN NOT NULL DEFAULT FALSE;
