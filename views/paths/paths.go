// Package paths builds the addresses of the console. Nothing else spells one out.
//
// Projects, files and jobs stand in an address by number, buckets and tables by their text ids ("in.c-crm.customers").
package paths

import (
	"net/url"
	"strconv"
)

// Account

// Login is the sign-in form. A non-empty next is where to go afterwards.
func Login(next string) string { return With("/login", "next", next) }

// Logout ends the session (POST).
func Logout() string { return "/logout" }

// Setup is the first-run form, opened with a one-use code.
func Setup(code string) string { return With("/setup", "code", code) }

// Theme keeps the choice of light, dark or system colours (POST).
func Theme() string { return "/account/theme" }

// Projects

// Projects is the list of projects, the front page.
func Projects() string { return "/" }

// Project is the overview of a project.
func Project(project int64) string { return "/projects/" + number(project) }

// Live is the event stream that keeps the named parts of an open page current.
func Live(project int64, parts ...string) string {
	q := url.Values{"part": parts}
	return Project(project) + "/live?" + q.Encode()
}

// Storage

// Storage is the list of buckets.
func Storage(project int64) string { return Project(project) + "/storage" }

// Buckets is where a new bucket is posted to.
func Buckets(project int64) string { return Storage(project) + "/buckets" }

// BucketNew is the form for a new bucket.
func BucketNew(project int64) string { return Buckets(project) + "/new" }

// Bucket is one bucket with its tables; changes to it are posted here.
func Bucket(project int64, bucket string) string {
	return Buckets(project) + "/" + url.PathEscape(bucket)
}

// BucketEdit is the form that changes a bucket's names and description.
func BucketEdit(project int64, bucket string) string { return Bucket(project, bucket) + "/edit" }

// Load is the first step of loading a file: choosing it. It is also where the file is posted to.
func Load(project int64) string { return Storage(project) + "/load" }

// LoadInto is Load with the target chosen before. An empty table leaves it open.
func LoadInto(project int64, bucket, table string) string {
	return With(Load(project), "bucket", bucket, "table", table)
}

// LoadFile is the second step of loading: checking how an uploaded file is read. The load is posted here.
func LoadFile(project, file int64) string { return Load(project) + "/" + number(file) }

// LoadFileCheck reads a whole file as a load would, and changes nothing (POST).
func LoadFileCheck(project, file int64) string { return LoadFile(project, file) + "/check" }

// FileDownload gives a file's own bytes.
func FileDownload(project, file int64) string {
	return Storage(project) + "/files/" + number(file) + "/download"
}

// Table is a table's list of columns, the first of its tabs.
func Table(project int64, table string) string {
	return Storage(project) + "/tables/" + url.PathEscape(table)
}

// TablePreview shows the first rows of a table.
func TablePreview(project int64, table string) string { return Table(project, table) + "/preview" }

// TableEvents lists what happened to a table.
func TableEvents(project int64, table string) string { return Table(project, table) + "/events" }

// StorageJobs is the list of storage jobs.
func StorageJobs(project int64) string { return Storage(project) + "/jobs" }

// StorageJob is one storage job.
func StorageJob(project, job int64) string { return StorageJobs(project) + "/" + number(job) }

// StorageJobCancel stops a storage job (POST).
func StorageJobCancel(project, job int64) string { return StorageJob(project, job) + "/cancel" }

// With adds a query to an address, given as name, value, name, value. Empty values are left out.
func With(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Add(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
