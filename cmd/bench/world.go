package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/tenancy"
)

// The person and the places of every data folder that is made here.
const (
	email    = "ada@example.org"
	password = "correct horse battery"
	bucket   = "in.c-shop"
	table    = bucket + ".orders"
)

// How much stands on the pages of the world.
const (
	worldProjects = 12
	worldBuckets  = 30
	worldJobs     = 60 // more than the list of jobs shows at once
)

// world is a data folder that somebody has worked in for a while.
type world struct {
	data    string
	project int64
}

// open opens a data folder in this process, beside or instead of a server's.
func (b *bench) open(ctx context.Context, data string) (*app.App, error) {
	return app.Open(ctx, config.Config{Addr: "127.0.0.1:0", Data: data, LogLevel: "error"}, slog.New(slog.DiscardHandler), app.Options{})
}

// makeFolder makes a data folder with a person, their projects and a bucket, and lets
// more be put into the first project.
func (b *bench) makeFolder(ctx context.Context, name string, projects int, fill func(*app.App, access.Project) error) (w world, err error) {
	w.data = filepath.Join(b.dir, name)
	a, err := b.open(ctx, w.data)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	hash, err := a.Accounts.Hash(ctx, password)
	if err != nil {
		return w, err
	}
	var scope access.Project
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		ada, err := a.Accounts.Create(tx, access.Actor{}, accounts.NewUser{Email: email, Name: "Ada Lindqvist"}, hash)
		if err != nil {
			return err
		}
		m, err := tenancy.CreateMaintainer(tx, ada.Actor(), "Steward Services")
		if err != nil {
			return err
		}
		o, err := tenancy.CreateOrganization(tx, ada.Actor(), m.ID, "Northwind Foods", ada)
		if err != nil {
			return err
		}
		for i := range projects {
			p, err := tenancy.CreateProject(tx, ada.Actor(), tenancy.NewProject{Organization: o.ID, Name: projectName(i), Member: ada})
			if err != nil {
				return err
			}
			if i == 0 {
				w.project = p.ID
			}
		}
		if scope, err = tenancy.Enter(tx, ada.Actor(), w.project, access.ProjectRead); err != nil {
			return err
		}
		_, err = a.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "shop"})
		return err
	})
	if err != nil || fill == nil {
		return w, err
	}
	return w, fill(a, scope)
}

func projectName(i int) string { return fmt.Sprintf("Shop analytics %02d", i+1) }

func bucketName(i int) string { return fmt.Sprintf("source-%02d", i+1) }

// makeWorld makes the folder whose pages are measured: the large table, and small ones
// in many buckets.
func (b *bench) makeWorld(ctx context.Context) (world, error) {
	name, err := b.orders()
	if err != nil {
		return world{}, err
	}
	b.say("making a data folder")
	return b.makeFolder(ctx, "world", worldProjects, func(a *app.App, s access.Project) error {
		for i := range worldBuckets - 1 {
			err := a.DB.Update(ctx, func(tx *db.Tx) error {
				_, err := a.Storage.CreateBucket(tx, s, storage.NewBucket{Stage: storage.In, Name: bucketName(i)})
				return err
			})
			if err != nil {
				return err
			}
		}
		for i := range worldJobs {
			in := "in.c-" + bucketName(i%(worldBuckets-1))
			if err := loadInto(ctx, a, s, bytes.NewReader(tiny(3)), in, fmt.Sprintf("prices_%02d", i), false); err != nil {
				return err
			}
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return loadInto(ctx, a, s, f, bucket, "orders", false)
	})
}

// loadInto loads a CSV file into a table, which it makes when there is none, in place of
// its rows or adding to them. The job runs here.
func loadInto(ctx context.Context, a *app.App, s access.Project, content io.Reader, bucket, table string, adding bool) error {
	if err := startLoad(ctx, a, s, content, bucket, table, adding); err != nil {
		return err
	}
	return a.Jobs.Drain(ctx, jobs.Storage)
}

// startLoad lets the job of such a load wait.
func startLoad(ctx context.Context, a *app.App, s access.Project, content io.Reader, bucket, table string, adding bool) error {
	f, err := a.Storage.Upload(ctx, s, table+".csv", content)
	if err != nil {
		return err
	}
	return a.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := a.Storage.StartLoad(tx, s, storage.Load{File: f.ID, Bucket: bucket, Table: table, Append: adding, Dialect: csv.DefaultDialect()})
		return err
	})
}

// tiny is a CSV file of some rows.
func tiny(rows int) []byte {
	out := []byte("sku,price,currency\n")
	for i := range rows {
		out = fmt.Appendf(out, "SKU-%03d,%d.90,EUR\n", i+1, 10+i)
	}
	return out
}
