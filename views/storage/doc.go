// Package storage holds the screens of buckets, tables, loads and storage jobs.
package storage
