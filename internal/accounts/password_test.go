package accounts_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// change sets a new password by the form, and gives the answer.
func change(c *webtest.Client, current, password string) webtest.Response {
	return c.Post("/account/password", url.Values{"current": {current}, "password": {password}, "repeat": {password}})
}

// enters reports whether an address and a password lead on from the form, wherever to.
func enters(s *webtest.Site, email, password string) bool {
	return s.Anonymous().Post("/login", url.Values{"email": {email}, "password": {password}}).Status == http.StatusSeeOther
}

// everybody throws the switch that everybody needs a second factor.
func everybody(s *webtest.Site, super *webtest.Client, on bool) {
	s.T.Helper()
	f := url.Values{}
	if on {
		f.Set("requireFactor", "1")
	}
	super.Post("/admin/settings", f).Want(http.StatusSeeOther)
}

// doors are the forms that take a new password, each for somebody of its own.
func doors(s *webtest.Site) map[string]func(password string) webtest.Response {
	return map[string]func(password string) webtest.Response{
		"activation": func(password string) webtest.Response {
			email := strings.ToLower(time.Now().Format("a150405.000000000")) + "@example.com"
			c := s.Anonymous()
			open(c, invite(s, email)).Want(http.StatusOK)
			return c.Post("/activate", url.Values{"email": {email}, "name": {"New"}, "password": {password}, "repeat": {password}})
		},
		"reset": func(password string) webtest.Response {
			u, c := s.User(""), s.Anonymous()
			open(c, invite2(s, u.Email)).Want(http.StatusOK)
			return reset(c, u.Email, password)
		},
		"change": func(password string) webtest.Response {
			c := s.SignIn(s.User(""))
			s.TwoStep(c)
			return change(c, webtest.Password, password)
		},
	}
}

// TestASVS_6_2_1: fifteen characters, counted as people do; eight where everybody needs a
// second factor.
func TestASVS_6_2_1(t *testing.T) {
	t.Parallel()
	s := posted(t)
	super := s.SignIn(s.SuperAdmin("Root"))
	s.TwoStep(super)
	doors := doors(s)
	for _, required := range []bool{false, true} {
		everybody(s, super, required)
		least := accounts.PasswordMin
		if required {
			least = accounts.PasswordMinFactor
		}
		for door, set := range doors {
			for _, good := range []string{"vq7#Lz2xPw4!hT9"[:least], string([]rune("ожерелье лунной пыли")[:least])} {
				less := []rune(good)[:least-1]
				if r := set(string(less)); r.Status != http.StatusUnprocessableEntity {
					t.Errorf("required %t, %s: %q of %d characters: %d", required, door, string(less), least-1, r.Status)
				}
				if r := set(good); r.Status != http.StatusSeeOther {
					t.Errorf("required %t, %s: %q of %d characters: %d", required, door, good, least, r.Status)
				}
			}
		}
		if hint := super.Get("/account/password").Body; strings.Contains(hint, "At least 8 characters") != required {
			t.Errorf("required %t: the form tells another rule", required)
		}
	}
	for _, listed := range []string{"iloveyou1", "password", "trustno1", "qwerty123", "dragon12", "steward1"} {
		if r := doors["reset"](listed); r.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q of a list: %d", listed, r.Status)
		}
	}
}

// TestASVS_6_2_4_doors: no form takes a password of the lists, nor what is made of one.
func TestASVS_6_2_4_doors(t *testing.T) {
	t.Parallel()
	s := posted(t)
	for door, set := range doors(s) {
		for _, listed := range []string{"qwertyuiopasdfgh", "123456789012345", "passwordpassword", "iloveyou12345678", "1q2w3e4r5t6y7u8i", "Liverpool1234567"} {
			if r := set(listed); r.Status != http.StatusUnprocessableEntity || !strings.Contains(r.Body, "lists that attackers try") {
				t.Errorf("%s: %q: %d", door, listed, r.Status)
			}
		}
	}
}

// TestASVS_6_2_1_short: a password of less than fifteen characters opens nothing by itself,
// also when nobody asks everybody for a second factor any more.
func TestASVS_6_2_1_short(t *testing.T) {
	t.Parallel()
	s := posted(t)
	super := s.SignIn(s.SuperAdmin("Root"))
	s.TwoStep(super)
	everybody(s, super, true)
	const short = "vq7#Lz2x"
	u := s.User("")
	c := s.SignIn(u)
	secret, _ := s.TwoStep(c)
	change(c, webtest.Password, short).Want(http.StatusSeeOther)
	bare := s.User("") // and somebody who did not get around to a second factor
	d := s.SignIn(bare)
	change(d, webtest.Password, short).Want(http.StatusSeeOther)
	everybody(s, super, false)

	s.Clock.Forward(step)
	again := s.Anonymous()
	if r := again.Post("/login", url.Values{"email": {u.Email}, "password": {short}}); r.Location != "/mfa" {
		t.Fatalf("with a second factor: %d %s", r.Status, r.Location)
	}
	if second(again, s.Code(secret)); !in(again) {
		t.Fatal("a short password and a second factor do not sign in any more")
	}
	again.Post("/account/two-step/delete", url.Values{}).Want(http.StatusSeeOther)
	if got := main(again.Get("/account/security")); !strings.Contains(got, "Set a longer one first") {
		t.Errorf("turning the second factor off: %.300s", got)
	}
	if r := s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {short}}); r.Location != "/mfa" {
		t.Errorf("the second factor is off: %d %s", r.Status, r.Location)
	}

	d = s.Anonymous()
	d.Post("/login", url.Values{"email": {bare.Email}, "password": {short}}).Want(http.StatusSeeOther)
	if r := d.Get("/"); r.Location != "/account/security" {
		t.Errorf("a short password alone: %d %s", r.Status, r.Location)
	}
	if got := main(d.Get("/account/security")); !strings.Contains(got, "less than 15 characters") {
		t.Errorf("the page does not say why: %.300s", got)
	}
	change(d, short, "vq7#Lz2x9").Want(http.StatusUnprocessableEntity) // the rule is the old one again
	change(d, short, fresh).Want(http.StatusSeeOther)
	d.Get("/").Want(http.StatusOK)

	// A factor that was lost leaves the short password nowhere either.
	s.Clock.Forward(accounts.ResetWait)
	path := lost(s, u)
	e := s.Anonymous()
	open(e, path).Want(http.StatusOK)
	e.Post("/two-step/lost", url.Values{"email": {u.Email}, "password": {short}}).Want(http.StatusSeeOther)
	e.Post("/login", url.Values{"email": {u.Email}, "password": {short}}).Want(http.StatusSeeOther)
	if r := e.Get("/"); r.Location != "/account/security" {
		t.Errorf("after the factor was taken away: %d %s", r.Status, r.Location)
	}
}

// TestASVS_6_2_1_organization: eight characters are enough for who belongs to an organization
// that asks for a second factor, as its member or in one of its projects, for as long as they
// do; the form says so. What they set then opens nothing by itself, also when they belong to it
// no more.
func TestASVS_6_2_1_organization(t *testing.T) {
	t.Parallel()
	s := posted(t)
	p, _ := s.Project("Strict", false)
	lenient, _ := s.Project("Lenient", false)
	strict := func(on bool) {
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE organizations SET mfa_required = $2 WHERE id = $1", p.Organization, on)
		})
	}
	strict(true)
	const short = "vq7#Lz2x"
	member, worker, former, other := s.User("Of it"), s.Member(p, access.Guest), s.Member(p, access.Guest), s.Member(lenient, access.Guest)
	s.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinOrganization(tx, member.Actor(), p.Organization, member); err != nil {
			return err
		}
		return tx.Must("UPDATE memberships SET expires_at = $2 WHERE user_id = $1", former.ID, tx.Now) // nothing has come by to take it away
	})
	clients, secrets := map[int64]*webtest.Client{}, map[int64]string{}
	for who, least := range map[*accounts.User]int{&member: 8, &worker: 8, &former: 15, &other: 15} {
		c := s.SignIn(*who)
		clients[who.ID] = c
		secrets[who.ID], _ = s.TwoStep(c)
		if hint := main(c.Get("/account/password").Want(http.StatusOK)); !strings.Contains(hint, fmt.Sprintf("At least %d characters", least)) {
			t.Errorf("%s, change: the form says %.300q", who.Name, hint)
		}
		link := s.Anonymous()
		if hint := main(open(link, invite2(s, who.Email)).Want(http.StatusOK)); !strings.Contains(hint, fmt.Sprintf("At least %d characters", least)) {
			t.Errorf("%s, reset: the form says %.300q", who.Name, hint)
		}
		taken := map[bool]int{true: http.StatusSeeOther, false: http.StatusUnprocessableEntity}[least == 8]
		if r := change(c, webtest.Password, short[:7]); r.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s changes to seven characters: %d", who.Name, r.Status)
		}
		if r := reset(link, who.Email, short[:7]); r.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s resets to seven characters: %d", who.Name, r.Status)
		}
		if r := reset(link, who.Email, short); r.Status != taken {
			t.Errorf("%s resets: %d, want %d", who.Name, r.Status, taken)
		}
	}
	s.Clock.Forward(step)
	signed := func(u accounts.User) *webtest.Client {
		t.Helper()
		c := s.Anonymous()
		if r := c.Post("/login", url.Values{"email": {u.Email}, "password": {short}}); r.Location != "/mfa" {
			t.Fatalf("%s signs in: %d %s", u.Name, r.Status, r.Location)
		}
		second(c, s.Code(secrets[u.ID])).Want(http.StatusSeeOther)
		return c
	}
	at := signed(worker)
	change(at, short, "vq7#Lz2xB").Want(http.StatusSeeOther)
	change(clients[other.ID], webtest.Password, "vq7#Lz2xB").Want(http.StatusUnprocessableEntity)
	// Who is invited belongs to it only afterwards.
	newcomer := s.Anonymous()
	if hint := main(open(newcomer, invite(s, "newcomer@example.com")).Want(http.StatusOK)); !strings.Contains(hint, "At least 15 characters") {
		t.Errorf("activation: the form says %.300q", hint)
	}

	// Out of it, the short password stays one that counts together with the factor only.
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM organization_members WHERE user_id = $1", member.ID)
		return err
	})
	s.Clock.Forward(step)
	c := signed(member)
	c.Post("/account/two-step/delete", url.Values{}).Want(http.StatusSeeOther)
	if got := main(c.Get("/account/security")); !strings.Contains(got, "Set a longer one first") {
		t.Errorf("turning the second factor off: %.300s", got)
	}
	change(c, short, "vq7#Lz2xB").Want(http.StatusUnprocessableEntity)
	s.Update(func(tx *db.Tx) error { return tx.Must("DELETE FROM factors WHERE user_id = $1", member.ID) })
	bare := s.Anonymous()
	bare.Post("/login", url.Values{"email": {member.Email}, "password": {short}}).Want(http.StatusSeeOther)
	if r := bare.Get("/"); r.Location != "/account/security" {
		t.Errorf("a short password alone: %d %s", r.Status, r.Location)
	}
	change(bare, short, fresh).Want(http.StatusSeeOther)
	bare.Get("/").Want(http.StatusOK)

	strict(false)
	if hint := main(at.Get("/account/password").Want(http.StatusOK)); !strings.Contains(hint, "At least 15 characters") {
		t.Errorf("when it asks no more the form says %.300q", hint)
	}
}

// TestASVS_6_2_2: people change their password by themselves, from the page Security.
func TestASVS_6_2_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c := s.SignIn(u)
	way := c.Get("/account/security").Want(http.StatusOK).Page().Find(`main a[href="/account/password"]`)
	if way.Length() == 0 {
		t.Fatal("the page Security does not lead to the password")
	}
	action, fields := c.Get(way.AttrOr("href", "")).Want(http.StatusOK).Form("/account/password")
	fields.Set("current", webtest.Password)
	fields.Set("password", fresh)
	fields.Set("repeat", fresh)
	c.Post(action, fields).Want(http.StatusSeeOther)
	if enters(s, u.Email, webtest.Password) || !enters(s, u.Email, fresh) {
		t.Error("the old password signs in, or the new one does not")
	}
}

// TestASVS_6_2_5: no kind of character is asked for, and none is refused.
func TestASVS_6_2_5(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c, old := s.SignIn(u), webtest.Password
	for _, p := range []string{
		"mildotterquarrelsbeneath", "MILDOTTERQUARRELSBENEATH", "8305719264403718259", "mild otter quarrels", "🦦🌋🎻🪁🧭🫖🪶🛶🧵🪴🦤🎐🪺🧊🥁", "水獺在銅燈下爭吵七個紫色水壺哼唱", "–—…‽¿¡§¶†‡«»‹›„“", "\tmild\u00a0otter\u3000quarrels  ",
	} {
		if r := change(c, old, p); r.Status != http.StatusSeeOther {
			t.Errorf("%q: %d %.300s", p, r.Status, main(r))
			continue
		}
		if old = p; !enters(s, u.Email, p) {
			t.Errorf("%q does not sign in", p)
		}
	}
}

// TestASVS_6_2_10: a password counts until it is changed, however old it is.
func TestASVS_6_2_10(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	for range 5 {
		s.Clock.Forward(365 * 24 * time.Hour)
		c := s.Anonymous()
		if r := c.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}); r.Location != "/" {
			t.Fatalf("signed in: %d %s", r.Status, r.Location)
		}
		if got := main(c.Get("/").Want(http.StatusOK)); strings.Contains(strings.ToLower(got), "password") {
			t.Errorf("the first page speaks of the password: %.300s", got)
		}
	}
	s.View(func(tx *db.Tx) error {
		x, err := accounts.Find(tx, u.ID)
		if !x.PasswordAt.Equal(u.PasswordAt) {
			t.Errorf("the password is of %s, was of %s", x.PasswordAt, u.PasswordAt)
		}
		return err
	})
}
