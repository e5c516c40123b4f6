package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/db"
	"steward/web/webtest"
)

// spelled is a day like 2026-12-31 as people read it.
func spelled(day string) string {
	parsed, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return parsed.Format("2 January 2006")
}

// sentence is what the last event of a name says.
func sentence(s *webtest.Site, name string) (text string) {
	s.T.Helper()
	s.View(func(tx *db.Tx) (err error) {
		text, err = db.Value[string](tx, "SELECT message FROM events WHERE name = $1 ORDER BY id DESC LIMIT 1", name)
		return err
	})
	return text
}

// TestSentencesNameTheirPlace: an event says which organization or project it is about, by which
// right somebody came in, and when as all others do.
func TestSentencesNameTheirPlace(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	noon(s)
	p, _ := s.Project("Named", false)
	mina := s.User("Mina")
	path := ofOrganization(s, p, mina)
	c := s.SignIn(mina)
	settings := func(name string) url.Values {
		f := url.Values{"name": {name}, "autoJoin": {"on"}}
		_, is := c.Get(path + "/settings").Want(http.StatusOK).Form(path + "/settings")
		for k := range is {
			if f[k] == nil {
				f[k] = is[k]
			}
		}
		return f
	}
	c.Post(path+"/settings", settings("Northwind")).Want(http.StatusSeeOther)
	if got := sentence(s, "organization.updated"); !strings.HasPrefix(got, `"Mina" changed the organization "Organization of Named": name from "Organization of Named" to "Northwind"`) {
		t.Errorf("the change says %s", got)
	}
	c.Get(path + "/audit?format=csv").Want(http.StatusOK)
	if got := sentence(s, "audit.exported"); got != `"Mina" exported the audit log of the organization "Northwind".` {
		t.Errorf("the export says %s", got)
	}
	lets(s, p, true)
	_, sven, _ := ofSupport(s, "Sven")
	sven.Post(path+"/join", nil).Want(http.StatusSeeOther)
	if got := sentence(s, "organization.memberAdded"); !strings.HasPrefix(got, `"Sven" (`) || !strings.HasSuffix(got, `), of support, joined the organization "Northwind".`) {
		t.Errorf("the join says %s", got)
	}
	_, tilda, _ := ofSupport(s, "Tilda")
	tilda.Post("/projects/"+num(p.ID)+"/join", url.Values{"reason": {"Ticket 3"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	until := s.Clock.Now().UTC().Add(8 * time.Hour).Format("2 January 2006, 15:04 UTC")
	if got := sentence(s, "project.memberAdded"); !strings.HasSuffix(got, `joined "Named" as Admin until `+until+`: "Ticket 3".`) {
		t.Errorf("the visit says %s, and not until %s", got, until)
	}
	member := s.SignIn(s.Member(p, access.Admin))
	member.Get(auditOf(p) + "?format=json").Want(http.StatusOK)
	if got := sentence(s, "audit.exported"); !strings.HasSuffix(got, ` exported the audit log of the project "Named".`) {
		t.Errorf("the export says %s", got)
	}
}
