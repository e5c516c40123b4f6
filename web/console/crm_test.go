package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"steward/web/webtest"
)

// TestCRM: people of the maintainer keep what they call an organization in their books. Its members
// see it nowhere, nor does the audit log of the organization tell it; others find nothing there.
func TestCRM(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Booked", false)
	other, _ := s.Project("Of others", false)
	boss, mina, stranger := s.User("Boss"), s.User("Mina"), s.User("Stranger")
	organization := ofOrganization(s, p, boss)
	maintainer := ofMaintainer(s, p, mina)
	elsewhere := ofMaintainer(s, other, stranger)
	_, support, _ := ofSupport(s, "Sven")
	m, b := s.SignIn(mina), s.SignIn(boss)
	at := maintainer + "/organizations/" + num(p.Organization)

	seen := m.Get(at).Want(http.StatusOK).Page().Find(`[name="seen"]`).AttrOr("value", "")
	for _, wrong := range []string{strings.Repeat("x", 101), "a\u202eb", "a\nb"} {
		m.Post(at, url.Values{"crmId": {wrong}}).Want(http.StatusUnprocessableEntity)
	}
	m.Post(at, url.Values{"crmId": {" N-<b>17</b> "}, "seen": {seen}}).Want(http.StatusSeeOther)
	page := m.Get(at).Want(http.StatusOK).Page()
	if got := page.Find("#crmId").AttrOr("value", ""); got != "N-<b>17</b>" {
		t.Errorf("the form has %q", got)
	}
	if text := words(m.Get(maintainer).Want(http.StatusOK).Page().Find("tbody")); !strings.Contains(text, "N-<b>17</b>") {
		t.Errorf("the list says %q", text)
	}
	if body := m.Get(maintainer + "?format=csv").Want(http.StatusOK).Body; !strings.Contains(body, "crmId") || !strings.Contains(body, "N-<b>17</b>") {
		t.Errorf("the export says %q", body)
	}
	if got := m.Post(at, url.Values{"crmId": {"Later"}, "seen": {seen}}).Want(http.StatusConflict).Page(); !strings.Contains(words(got.Find("main")), "N-<b>17</b>") || got.Find("#crmId").AttrOr("value", "") != "Later" {
		t.Error("an old form does not show both")
	}
	if text := words(support.Get(at).Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "CRM id N-<b>17</b>") {
		t.Errorf("support reads %q", text)
	}
	support.Post(at, url.Values{"crmId": {"Theirs"}}).Want(http.StatusForbidden)

	for _, c := range []*webtest.Client{b, s.SignIn(stranger)} {
		if r := c.Get(at); r.Status != http.StatusNotFound && r.Status != http.StatusForbidden {
			t.Errorf("others get %d", r.Status)
		}
		if r := c.Post(at, url.Values{"crmId": {"Theirs"}}); r.Status != http.StatusNotFound && r.Status != http.StatusForbidden {
			t.Errorf("others get %d", r.Status)
		}
	}
	s.SignIn(stranger).Post(elsewhere+"/organizations/"+num(p.Organization), url.Values{"crmId": {"Theirs"}}).Want(http.StatusNotFound)
	for _, page := range []string{"", "/settings", "/audit", "/billing", "/members", "?format=json", "/audit?format=csv"} {
		if body := b.Get(organization + page).Want(http.StatusOK).Body; strings.Contains(body, "N-") || strings.Contains(body, "CRM") {
			t.Errorf("its members read it on %s", page)
		}
	}

	// Its undo is offered, and empty is none.
	m.Post(at, url.Values{"crmId": {""}, "seen": {page.Find(`[name="seen"]`).AttrOr("value", "")}}).Want(http.StatusSeeOther)
	undo := m.Get(at).Page().Find(`form[action="` + at + `"] [name="crmId"][type="hidden"]`)
	if undo.AttrOr("value", "") != "N-<b>17</b>" {
		t.Errorf("undo leads back to %q", undo.AttrOr("value", ""))
	}
}
