package app

import (
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/mail"
	"steward/internal/storage"
	"steward/internal/tenancy"
)

// handlers is the map of jobs: which kind is run by what.
func (a *App) handlers() map[string]jobs.Handler {
	st, post, people := a.Storage, a.Mail, a.Accounts
	return map[string]jobs.Handler{
		// What people ask for
		storage.TableCreate:           st.RunLoad,
		storage.TableImport:           st.RunLoad,
		storage.FileCheck:             st.RunCheck,
		storage.TableExport:           st.RunExport,
		storage.TableDefinitionCreate: st.RunDefinition,
		storage.TableColumnAdd:        st.RunAlter,
		storage.TableColumnDelete:     st.RunAlter,
		storage.TableColumnRename:     st.RunAlter,
		storage.TableKeyAdd:           st.RunKey,
		storage.TableKeyDelete:        st.RunKey,
		storage.TableRowsDelete:       st.RunDeleteRows,
		storage.TableRevert:           st.RunRevert,
		storage.TableCopy:             st.RunCopy,
		storage.SnapshotCreate:        st.RunSnapshot,
		storage.SnapshotDelete:        st.RunSnapshot,
		storage.TableDrop:             st.RunDrop,
		storage.BucketDelete:          st.RunDeleteBucket,

		// What people are told
		mail.Deliver: post.Run,

		// What people get
		accounts.ResetRequest: people.RunReset,

		// What becomes of projects
		tenancy.TellMembers:  a.Tenancy.RunTell,
		tenancy.ProjectPurge: a.purge,

		// What keeps the house in order
		storage.TableCompact: st.RunCompact,
		storage.TableTrim:    st.RunTrim,
		storage.FilesPurge:   st.RunPurge,
		storage.Maintain:     st.RunMaintain,
		storage.Sweep:        st.RunSweep,
		housekeeping:         a.housekeep,
		eventsSeal:           a.seal,
	}
}

// schedules are the jobs that the system gives itself.
func schedules() []jobs.Schedule {
	return []jobs.Schedule{
		{Name: "housekeeping", Operation: housekeeping, Class: jobs.System, Spec: "*/10 * * * *", Zone: "UTC"},
		{Name: "events.seal", Operation: eventsSeal, Class: jobs.System, Spec: "* * * * *", Zone: "UTC"},
		{Name: "storage.maintain", Operation: storage.Maintain, Class: jobs.System, Spec: "20 * * * *", Zone: "UTC"},
		{Name: "storage.sweep", Operation: storage.Sweep, Class: jobs.System, Spec: "40 3 * * *", Zone: "UTC"},
	}
}

// guard decides whether a job may still run.
func (a *App) guard(tx *db.Tx, j jobs.Job) error {
	if j.Class == jobs.System {
		return nil
	}
	return a.Storage.Guard(tx, j)
}
