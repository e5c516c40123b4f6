package paths_test

import (
	"net/url"
	"strings"
	"testing"

	"steward/views/paths"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, got, want string }{
		{"login", paths.Login(""), "/login"},
		{"login with next", paths.Login("/projects/7?q=a b"), "/login?next=%2Fprojects%2F7%3Fq%3Da+b"},
		{"project", paths.Project(7), "/projects/7"},
		{"bucket edit", paths.BucketEdit(7, "in.c-crm"), "/projects/7/storage/buckets/in.c-crm/edit"},
		{"table preview", paths.TablePreview(7, "in.c-crm.customers"), "/projects/7/storage/tables/in.c-crm.customers/preview"},
		{"load into a bucket", paths.LoadInto(7, "in.c-crm", ""), "/projects/7/storage/load?bucket=in.c-crm"},
		{"load file", paths.LoadFile(7, 55120), "/projects/7/storage/load/55120"},
		{"job cancel", paths.StorageJobCancel(7, 84213), "/projects/7/storage/jobs/84213/cancel"},
		{"live", paths.Live(7, "job-1", "jobs"), "/projects/7/live?part=job-1&part=jobs"},
		{"empty query", paths.With("/", "q", ""), "/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.got != tt.want {
				t.Errorf("got %s, want %s", tt.got, tt.want)
			}
		})
	}
}

// An id cannot leave its place in the address, whatever it holds.
func TestPathsEscape(t *testing.T) {
	t.Parallel()
	const id = `in.c-a/../b?c#d e%41"`
	got := paths.TableEvents(1, id)
	u, err := url.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		t.Errorf("the id leaks into query or fragment: %s", got)
	}
	if n := strings.Count(u.EscapedPath(), "/"); n != 6 {
		t.Errorf("the id adds path segments: %s", got)
	}
	if want := "/projects/1/storage/tables/" + id + "/events"; u.Path != want {
		t.Errorf("got %s back, want %s", u.Path, want)
	}
}
