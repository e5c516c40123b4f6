-- +goose Up

ALTER TABLE files DROP CONSTRAINT files_compression_check;
ALTER TABLE files ADD CONSTRAINT files_compression_check CHECK (compression IN ('', 'gzip', 'zstd'));
