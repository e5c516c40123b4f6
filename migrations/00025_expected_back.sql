-- +goose Up

-- The last moment of the day on which a disabled project is expected back; NULL = nobody said.
ALTER TABLE projects ADD COLUMN expected_at BIGINT;
