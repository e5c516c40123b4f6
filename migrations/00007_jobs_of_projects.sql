-- +goose Up

-- Which job of a project is next, however many others wait before it.
CREATE INDEX jobs_waiting_project ON jobs (class, project_id, priority DESC, created_at, id) WHERE state = 'waiting' AND NOT held;
