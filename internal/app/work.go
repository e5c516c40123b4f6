package app

import (
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
)

// handlers is the map of jobs: which kind is run by what.
func (a *App) handlers() map[string]jobs.Handler {
	return map[string]jobs.Handler{
		storage.TableCreate: a.Storage.RunLoad,
		storage.TableImport: a.Storage.RunLoad,
		storage.FileCheck:   a.Storage.RunCheck,
	}
}

// guard decides whether a job may still run.
func (a *App) guard(tx *db.Tx, j jobs.Job) error {
	if j.Class == jobs.System {
		return nil
	}
	return a.Storage.Guard(tx, j)
}
