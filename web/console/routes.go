package console

import (
	"steward/internal/access"
	"steward/web/gate"
)

// routes is the site map: every address of the console with what it demands.
func (c *Console) routes() []gate.Route {
	const project, storage = "/projects/:project", "/projects/:project/storage"
	return []gate.Route{
		// Signing in
		{Method: "GET", Path: "/login", Rule: gate.Public(c.login)},
		{Method: "POST", Path: "/login", Rule: gate.Public(c.loginSubmit)},
		{Method: "POST", Path: "/logout", Rule: gate.SignedIn(access.AccountOwn, c.logout)},
		{Method: "GET", Path: "/setup", Rule: gate.Public(c.setup)},
		{Method: "POST", Path: "/setup", Rule: gate.Public(c.setupSubmit)},

		// One's own account
		{Method: "POST", Path: "/account/theme", Rule: gate.SignedIn(access.AccountOwn, c.themeUpdate)},

		// Projects
		{Method: "GET", Path: "/", Rule: gate.SignedIn(access.AccountOwn, c.projects)},
		{Method: "GET", Path: project, Rule: gate.InProject(access.ProjectRead, c.overview)},
		{Method: "GET", Path: project + "/live", Rule: gate.InProject(access.ProjectRead, c.live)},

		// Storage: buckets
		{Method: "GET", Path: storage, Rule: gate.InProject(access.StorageRead, c.buckets)},
		{Method: "GET", Path: storage + "/buckets/new", Rule: gate.InProject(access.BucketsWrite, c.bucketNew)},
		{Method: "POST", Path: storage + "/buckets", Rule: gate.InProject(access.BucketsWrite, c.bucketCreate)},
		{Method: "GET", Path: storage + "/buckets/:bucket", Rule: gate.InProject(access.StorageRead, c.bucket)},
		{Method: "GET", Path: storage + "/buckets/:bucket/edit", Rule: gate.InProject(access.BucketsWrite, c.bucketEdit)},
		{Method: "POST", Path: storage + "/buckets/:bucket", Rule: gate.InProject(access.BucketsWrite, c.bucketUpdate)},

		// Storage: tables
		{Method: "GET", Path: storage + "/tables/:table", Rule: gate.InProject(access.StorageRead, c.table)},
		{Method: "GET", Path: storage + "/tables/:table/preview", Rule: gate.InProject(access.StorageRead, c.tablePreview)},
		{Method: "GET", Path: storage + "/tables/:table/events", Rule: gate.InProject(access.StorageJobsRead, c.tableEvents)},

		// Storage: a table's past
		{Method: "GET", Path: storage + "/tables/:table/versions", Rule: gate.InProject(access.StorageRead, c.versions)},
		{Method: "GET", Path: storage + "/tables/:table/versions/compare", Rule: gate.InProject(access.StorageRead, c.versionCompare)},
		{Method: "GET", Path: storage + "/tables/:table/versions/:version/revert", Rule: gate.InProject(access.SnapshotsWrite, c.versionRevert)},
		{Method: "POST", Path: storage + "/tables/:table/versions/:version/revert", Rule: gate.InProject(access.SnapshotsWrite, c.versionRevertSubmit)},
		{Method: "GET", Path: storage + "/tables/:table/versions/:version/copy", Rule: gate.InProject(access.SnapshotsWrite, c.versionCopy)},
		{Method: "POST", Path: storage + "/tables/:table/versions/:version/copy", Rule: gate.InProject(access.SnapshotsWrite, c.versionCopySubmit)},
		{Method: "GET", Path: storage + "/tables/:table/snapshots", Rule: gate.InProject(access.StorageRead, c.snapshots)},
		{Method: "POST", Path: storage + "/tables/:table/snapshots", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotCreate)},
		{Method: "GET", Path: storage + "/tables/:table/snapshots/:snapshot/restore", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotRestore)},
		{Method: "POST", Path: storage + "/tables/:table/snapshots/:snapshot/restore", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotRestoreSubmit)},
		{Method: "GET", Path: storage + "/tables/:table/snapshots/:snapshot/copy", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotCopy)},
		{Method: "POST", Path: storage + "/tables/:table/snapshots/:snapshot/copy", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotCopySubmit)},
		{Method: "POST", Path: storage + "/tables/:table/snapshots/:snapshot/delete", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotDelete)},

		// Storage: loading a file
		{Method: "GET", Path: storage + "/load", Rule: gate.InProject(access.TablesWrite, c.load)},
		{Method: "POST", Path: storage + "/load", Rule: gate.InProject(access.TablesWrite, c.loadUpload)},
		{Method: "GET", Path: storage + "/load/:file", Rule: gate.InProject(access.TablesWrite, c.loadCheck)},
		{Method: "POST", Path: storage + "/load/:file", Rule: gate.InProject(access.TablesWrite, c.loadStart)},
		{Method: "POST", Path: storage + "/load/:file/check", Rule: gate.InProject(access.TablesWrite, c.fileCheck)},

		// Storage: files
		{Method: "GET", Path: storage + "/files/:file/download", Rule: gate.InProject(access.StorageRead, c.fileDownload)},

		// Storage: jobs
		{Method: "GET", Path: storage + "/jobs", Rule: gate.InProject(access.StorageJobsRead, c.storageJobs)},
		{Method: "GET", Path: storage + "/jobs/:job", Rule: gate.InProject(access.StorageJobsRead, c.storageJob)},
		{Method: "POST", Path: storage + "/jobs/:job/undo", Rule: gate.InProject(access.SnapshotsWrite, c.storageJobUndo)},
		{Method: "POST", Path: storage + "/jobs/:job/cancel", Rule: gate.InProject(access.StorageJobsCancel, c.storageJobCancel)},
	}
}
