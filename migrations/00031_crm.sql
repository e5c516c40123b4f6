-- +goose Up

-- What the maintainer calls an organization in its own books. Its members do not see it.
ALTER TABLE organizations ADD COLUMN crm_id TEXT NOT NULL DEFAULT '';
