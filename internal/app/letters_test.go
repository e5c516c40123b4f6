package app_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"steward/internal/mail"
	"steward/web/webtest"
)

// values are all that any kind of letter takes.
var values = []string{"inviter", "admin", "expires", "address", "device", "method", "at", "count", "left", "provider", "by", "what", "unlinked", "project", "until", "expired", "role", "from", "to", "reason", "organization", "who", "hours", "email", "twoStep", "for", "text", "ended"}

// elements are the names of the elements of a letter, in their order, and the addresses
// that it leads to.
func elements(t *testing.T, text string) (names, links []string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		names = append(names, n.Data)
		for _, a := range n.Attr {
			if a.Key == "href" {
				links = append(links, a.Val)
			}
		}
	}
	return names, links
}

// TestASVS_1_3_7: whatever people and their programs are called, it is only a value of a
// letter: it makes no element, no header, no template and no link.
func TestASVS_1_3_7(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	at := time.Date(2026, 11, 21, 22, 41, 0, 0, time.UTC)
	const path = "/activate/one-code?x=1&y=2"
	links := map[mail.Kind]bool{mail.Activate: true, mail.ResetPassword: true, mail.ResetByAdmin: true, mail.IdentityConfirm: true, mail.FactorLost: true}
	hostile := []string{`<a href=evil>click</a>`, "x\r\nBcc: evil@example.com\r\n\r\n<b>", "a\u202egnp.exe\u2066b\u200bc", "{{.}} ${x} { m.Why }", strings.Repeat("x", 200), `"><script>alert(1)</script>`, "\xff\x00\x1b[2J", "plain"}
	for _, kind := range mail.Kinds() {
		l := mail.Letter{Kind: kind, To: "a@example.com", Name: "Hana", Values: map[string]string{}}
		if links[kind] {
			l.Path = path
		}
		for _, v := range values {
			l.Values[v] = "value"
		}
		plain, err := s.App.Letter(l, at)
		if err != nil {
			t.Fatal(err)
		}
		page, err := plain.HTML()
		if err != nil {
			t.Fatal(err)
		}
		want, _ := elements(t, page)
		for _, h := range hostile {
			l.Name = h
			for _, v := range values {
				l.Values[v] = h
			}
			m, err := s.App.Letter(l, at)
			if err != nil {
				t.Fatal(err)
			}
			page, err := m.HTML()
			if err != nil {
				t.Fatal(err)
			}
			got, to := elements(t, page)
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s, %q: the elements are %v, want %v", kind, h, got, want)
			}
			for _, link := range to {
				if !strings.HasPrefix(link, s.URL+"/") {
					t.Errorf("%s, %q leads to %q", kind, h, link)
				}
			}
			text := m.Text()
			if links[kind] != strings.Contains(text, "\n"+s.URL+path+"\n") {
				t.Errorf("%s, %q: the link does not stand in the text:\n%s", kind, h, text)
			}
			if i := strings.IndexFunc(text+m.Subject, func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }); i >= 0 || strings.Contains(m.Subject, "\n") {
				t.Errorf("%s, %q: hidden characters are in the text:\n%q", kind, h, text)
			}
			if strings.Contains(text, "\nBcc") {
				t.Errorf("%s, %q begins a line:\n%s", kind, h, text)
			}
		}
	}
}

// TestLetters: every kind says to whom, when and where, with all of its values and with
// none of them.
func TestLetters(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 21, 22, 41, 0, 0, time.UTC)
	seen := map[string]mail.Kind{}
	for _, kind := range mail.Kinds() {
		m, err := s.App.Letter(mail.Letter{Kind: kind, Path: "/x"}, at)
		if err != nil {
			t.Fatal(err)
		}
		text := m.Text()
		if !strings.HasPrefix(text, "Hello,\n") || !strings.Contains(text, u.Host) || strings.Contains(text, "  ") || m.Subject == "" {
			t.Errorf("%s without values:\n%s", kind, text)
		}
		if other, twice := seen[strings.Join(m.Said, " ")]; twice {
			t.Errorf("%s says the same as %s", kind, other)
		}
		seen[strings.Join(m.Said, " ")] = kind
		m, err = s.App.Letter(mail.Letter{Kind: kind, Path: "/x", Name: "Hana", Until: at.Add(time.Hour), Values: map[string]string{"address": "192.0.2.17", "device": "Firefox on Linux", "at": "2026-11-21T23:00:00+01:00"}}, at)
		if err != nil {
			t.Fatal(err)
		}
		text = m.Text()
		ahead := []mail.Kind{mail.Activate, mail.ActivateSoon, mail.ProjectWelcome, mail.ProjectInvitation, mail.TeamWelcome, mail.TeamInvitation, mail.JoinRequested, mail.JoinApproved, mail.ProjectExpires, mail.MoreWanted} // of what is to come
		if !slices.Contains(ahead, kind) && (!strings.Contains(text, "When: 21 November 2026, 22:00 UTC\n") || !strings.Contains(text, "Address: 192.0.2.17\nDevice: Firefox on Linux\n")) {
			t.Errorf("%s does not say when and where:\n%s", kind, text)
		}
		note := "The link can be used once, until 21 November 2026, 23:41 UTC."
		switch kind {
		case mail.ProjectInvitation, mail.TeamInvitation:
			note = "You can accept or decline it until 21 November 2026, 23:41 UTC."
		case mail.JoinRequested:
			note = "The request ends by itself on 21 November 2026, 23:41 UTC."
		case mail.JoinApproved, mail.MoreWanted, mail.ProjectExpires, mail.ProjectRestored, mail.ProjectEnabled, mail.ProjectMoved, mail.ProjectVisited: // they lead to a project, as often as one may
			note = ""
		}
		if m.Button.URL != "" && m.Note != note {
			t.Errorf("%s says of its link: %q", kind, m.Note)
		}
	}
	by, err := s.App.Letter(mail.Letter{Kind: mail.AccountDisabled, Values: map[string]string{"by": "Vera", "address": "192.0.2.17", "at": "2026-11-21 22:00 UTC"}}, at)
	if err != nil || !strings.HasPrefix(by.Said[0], "Vera disabled your account at ") || len(by.Facts) != 1 || by.Facts[0].Value != "21 November 2026, 22:00 UTC" {
		t.Errorf("of somebody else's deed: %+v", by)
	}
	if _, err := s.App.Letter(mail.Letter{Kind: "unknown"}, at); err == nil {
		t.Error("an unknown kind is written")
	}
}

// TestLettersOfChange: the letters about a project that others have changed name what they tell of.
func TestLettersOfChange(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	moved := func(values map[string]string) string {
		values["project"] = "Reports"
		m, err := s.App.Letter(mail.Letter{Kind: mail.ProjectMoved, Path: "/organizations/7/projects/1042/take-back", Values: values}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return m.Text()
	}
	if text := moved(map[string]string{"until": "2026-12-28T08:00:00Z"}); !strings.Contains(text, "You can take it back until 28 December 2026, 08:00 UTC.") || !strings.Contains(text, "/organizations/7/projects/1042/take-back") {
		t.Errorf("who may take it back reads\n%s", text)
	}
	if text := moved(map[string]string{"back": "yes"}); !strings.Contains(text, "took the project Reports") || strings.Contains(text, "You can take it back") {
		t.Errorf("when it is taken back they read\n%s", text)
	}
	told := map[string]string{"by": "Mina", "project": "Reports", "from": "Northwind", "to": "Contoso", "who": "of the maintainer", "address": "mina@example.com", "reason": "Ticket 9", "until": "2026-11-29T08:00:00Z", "at": "2026-11-28T08:00:00Z"}
	for kind, want := range map[mail.Kind][]string{mail.ProjectMoved: {"Reports", "Northwind", "Contoso"}, mail.ProjectVisited: {"Reports", "of the maintainer", "mina@example.com", "Ticket 9", "29 November 2026"}} {
		m, err := s.App.Letter(mail.Letter{Kind: kind, Values: told}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range want {
			if !strings.Contains(m.Text(), x) {
				t.Errorf("%s does not say %q:\n%s", kind, x, m.Text())
			}
		}
	}
}
