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
		fmt.Sprintf("%d tables and %d files went, %d bytes.", removed.Tables, removed.Files, removed.Bytes))
}
