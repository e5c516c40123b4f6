-- +goose Up

-- One writer at a time: ids follow the order of commits, so 0 stands for every row.
SELECT 1;
