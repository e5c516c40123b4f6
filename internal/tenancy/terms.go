package tenancy

import (
	"fmt"
	"strings"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
)

// Terms are what is agreed for a project: how much of it there may be, and what is different
// in it. A template has those that its projects begin with.
type Terms struct {
	Users    int64 // people with a role, without visitors; passing it stops nothing; 0 = no limit
	Storage  int64 // bytes of tables; passing it stops nothing; 0 = no limit
	Jobs     int64 // of each class that run at once, others wait; 0 = jobs.ProjectParallelism
	External bool  // roles come from single sign-on, and are not changed in the project
}

// Bounds of terms.
const (
	TermsUsersMax   = 1_000_000
	TermsStorageMin = Gigabyte
	TermsStorageMax = 1_000_000 * Gigabyte
	TermsJobsMax    = 100

	Gigabyte = 1_000_000_000 // bytes
)

const termsColumns = "limit_users, limit_storage, limit_jobs, external_roles"

// columnsOf are the columns of terms in a table of a query.
func columnsOf(table string) string {
	return table + "." + strings.ReplaceAll(termsColumns, ", ", ", "+table+".")
}

func (t *Terms) scans() []any {
	return []any{db.Null(&t.Users), db.Null(&t.Storage), db.Null(&t.Jobs), &t.External}
}

// values are what their columns hold, in order.
func (t Terms) values() []any {
	return []any{db.ZeroNull(t.Users), db.ZeroNull(t.Storage), db.ZeroNull(t.Jobs), t.External}
}

// check tells what is out of bounds, by the fields users, storage and jobs.
func (t Terms) check(c *fault.Check) {
	within := func(n, most int64) bool { return n >= 0 && n <= most }
	c.Field(within(t.Users, TermsUsersMax), "users", "Enter a number from 1 to 1,000,000, or nothing for no limit.")
	c.Field(t.Storage == 0 || t.Storage >= TermsStorageMin && t.Storage <= TermsStorageMax, "storage", "Enter a number from 1 to 1,000,000, or nothing for no limit.")
	c.Field(within(t.Jobs, TermsJobsMax), "jobs", fmt.Sprintf("Enter a number from 1 to %d, or nothing for %d.", TermsJobsMax, jobs.ProjectParallelism))
}

// plain are the same terms without what is as usual.
func (t Terms) plain() Terms {
	if t.Jobs == jobs.ProjectParallelism {
		t.Jobs = 0
	}
	return t
}

// AtOnce is how many jobs of a class run at once.
func (t Terms) AtOnce() int64 {
	if t.Jobs == 0 {
		return jobs.ProjectParallelism
	}
	return t.Jobs
}

// words tell each of the terms, by what it is of.
func (t Terms) words() [][2]string {
	limit := func(n int64, unit string) string {
		if n == 0 {
			return "none"
		}
		return fmt.Sprint(n) + unit
	}
	return [][2]string{{"limit of users", limit(t.Users, "")}, {"limit of stored data", limit(t.Storage/Gigabyte, " GB")},
		{"jobs at once", fmt.Sprint(t.AtOnce())}, {"roles from single sign-on", yesNo(t.External)}}
}

func (t Terms) facts() map[string]any {
	return map[string]any{"users": t.Users, "storageBytes": t.Storage, "jobs": t.AtOnce(), "externalRoles": t.External}
}

// SetTerms changes what is agreed for a project, and gives what was and what is. It counts at
// once; jobs that run go on. Forbidden for who is no super admin; Invalid by field, as check says;
// Conflict when the project is deleted.
func (v *Service) SetTerms(tx *db.Tx, by access.Actor, project int64, to Terms) (was, is Terms, err error) {
	p, l, err := v.decides(tx, by, project)
	if err != nil {
		return was, was, err
	}
	if l.State != Active && l.State != Disabled {
		return was, was, errDeleted()
	}
	var c fault.Check
	to.check(&c)
	if err := c.Err(); err != nil {
		return was, was, err
	}
	to = to.plain()
	if was, err = termsOf(tx, p.ID); err != nil || was == to {
		return was, was, err
	}
	if err := tx.Must("UPDATE projects SET ("+termsColumns+") = ($2, $3, $4, $5) WHERE id = $1", append([]any{p.ID}, to.values()...)...); err != nil {
		return was, was, err
	}
	e, err := lifeEvent(tx, by, p, "project.termsChanged")
	if err != nil {
		return was, was, err
	}
	var says []string
	for i, w := range was.words() {
		if is := to.words()[i]; is != w {
			says = append(says, w[0]+" from "+w[1]+" to "+is[1])
		}
	}
	e.Params = map[string]any{"from": was.facts(), "to": to.facts()}
	return was, to, audit.Record(tx, e.Says("%s changed what is agreed for the project %q: %s.", by.Name, p.Name, strings.Join(says, ", ")))
}

func termsOf(tx *db.Tx, project int64) (Terms, error) {
	return db.One(tx, func(r db.Row) (Terms, error) {
		var t Terms
		return t, r.Scan(t.scans()...)
	}, "SELECT "+termsColumns+" FROM projects WHERE id = $1", project)
}

// Use is how much of what limits are of a project has. Visitors are not counted.
type Use struct {
	Terms Terms
	Users int64
}

// Used gives the limits of the scope's project, and how many people count.
func Used(tx *db.Tx, s access.Project) (Use, error) {
	return db.One(tx, func(r db.Row) (Use, error) {
		var u Use
		return u, r.Scan(append(u.Terms.scans(), &u.Users)...)
	}, "SELECT "+columnsOf("p")+`, (SELECT count(*) FROM memberships m WHERE m.project_id = p.id AND (m.expires_at IS NULL OR m.expires_at > $2) AND m.through NOT IN ('maintainer', 'support'))
		FROM projects p WHERE p.id = $1`, s.ID(), tx.Now)
}
