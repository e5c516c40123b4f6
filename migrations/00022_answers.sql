-- +goose Up

-- Why somebody was not let in who asked; '' = nobody said.
ALTER TABLE join_requests ADD COLUMN answer TEXT NOT NULL DEFAULT '';
