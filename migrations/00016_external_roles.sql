-- +goose Up

-- Roles of a project come from single sign-on, and are not changed here.
ALTER TABLE projects ADD COLUMN external_roles BOOLEAN NOT NULL DEFAULT FALSE;
