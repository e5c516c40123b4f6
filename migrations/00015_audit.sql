-- +goose Up

-- The audit log: the events of a project whatever their branch, and what each filter finds,
-- newest first. A filter within a project walks along either.
CREATE INDEX events_audit ON events (project_id, created_at DESC, id DESC);
-- Those of an organization: what was done to it, to its projects as such, and to their people.
CREATE INDEX events_organization ON events (organization_id, created_at DESC, id DESC) WHERE object_type IN ('organization', 'project', 'user');
CREATE INDEX events_kind ON events (object_type, created_at DESC, id DESC);
CREATE INDEX events_thing ON events (object_id, created_at DESC, id DESC);
CREATE INDEX events_name ON events (name, created_at DESC, id DESC);
CREATE INDEX events_address ON events (address, created_at DESC, id DESC);
CREATE INDEX events_trouble ON events (type, created_at DESC, id DESC) WHERE type IN ('warn', 'error');

-- The events of all. Its condition is true of each, and keeps planners from walking along it
-- for the events of something: they guess how rare those are.
CREATE INDEX events_all ON events (created_at DESC, id DESC) WHERE id > 0;
DROP INDEX events_created;

-- These served lists that the ones above serve, too.
DROP INDEX events_security;
DROP INDEX events_person;
