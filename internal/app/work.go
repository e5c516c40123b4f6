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
		housekeeping:        a.housekeep,
		eventsSeal:          a.seal,
	}
}

// schedules are the jobs that the system gives itself.
func schedules() []jobs.Schedule {
	return []jobs.Schedule{
		{Name: "housekeeping", Operation: housekeeping, Class: jobs.System, Spec: "*/10 * * * *", Zone: "UTC"},
		{Name: "events.seal", Operation: eventsSeal, Class: jobs.System, Spec: "* * * * *", Zone: "UTC"},
	}
}

// guard decides whether a job may still run.
func (a *App) guard(tx *db.Tx, j jobs.Job) error {
	if j.Class == jobs.System {
		return nil
	}
	return a.Storage.Guard(tx, j)
}
