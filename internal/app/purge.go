package app

import (
	"context"
	"fmt"

	"steward/internal/jobs"
)

// purge is the work of purging a deleted project: its data, then its people. Killed or stopped
// anywhere, it goes on there when it runs again.
func (a *App) purge(ctx context.Context, run *jobs.Run) error {
	project, err := a.Tenancy.BeginPurge(ctx, run)
	if err != nil {
		return err
	}
	removed, err := a.Storage.PurgeProject(ctx, run, project)
	if err != nil {
		return err
	}
	return a.Tenancy.EndPurge(ctx, run, project, map[string]any{"tables": removed.Tables, "files": removed.Files, "bytes": removed.Bytes},
		fmt.Sprintf("%s and %s went, %s.", counted(removed.Tables, "table", "tables"), counted(removed.Files, "file", "files"), counted(removed.Bytes, "byte", "bytes")))
}

// counted writes a number of things: "1 table", "2 tables".
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
