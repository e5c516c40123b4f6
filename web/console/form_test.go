package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// identifying are the pages on which people say who they are, and the fields of their forms,
// beside the key of one submission.
var identifying = map[string]string{
	"/login": "email next password", "/mfa": "code keep next with", "/activate": "email name password repeat", "/password/forgot": "email", "/password/reset": "email password repeat",
	"/two-step/lost": "email password", "/account/password": "current email password repeat", "/account/confirm": "code current email next", "/account/two-step": "code",
	"/setup": "code email maintainer name organization password project repeat",
}

// formsOfSigningIn opens every page of identifying.
func formsOfSigningIn(t *testing.T) map[string]*gq {
	t.Helper()
	out := map[string]*gq{}
	for path, o := range openSigningIn(t) {
		out[path] = o.page.Page().Find("main")
	}
	return out
}

// opened is a page as a client has it.
type opened struct {
	c    *webtest.Client
	page webtest.Response
}

func openSigningIn(t *testing.T) map[string]opened {
	t.Helper()
	s := webtest.Open(t, webtest.Options{Idle: true})
	out := map[string]opened{}
	get := func(c *webtest.Client, path string) {
		t.Helper()
		at, _, _ := strings.Cut(path, "?")
		out[at] = opened{c, c.Get(path).Want(http.StatusOK)}
	}
	code, err := tenancy.SetupCode(t.Context(), s.App.DB)
	if err != nil {
		t.Fatal(err)
	}
	get(s.Anonymous(), "/setup?code="+code)
	u, root := s.User("Petra"), s.SuperAdmin("Root")
	c := s.SignIn(u)
	s.TwoStep(c)
	half := s.Anonymous()
	half.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
	c.Post("/account/two-step/start", url.Values{}).Want(http.StatusSeeOther)
	var links []string
	s.Update(func(tx *db.Tx) error {
		_, activate, err := s.App.Accounts.Invite(tx, root.Actor(), accounts.NewUser{Email: "new@example.com"})
		if err != nil {
			return err
		}
		reset, err := s.App.Accounts.SendLink(tx, root.Actor(), u.ID)
		if err != nil {
			return err
		}
		lost, err := s.App.Accounts.ResetFactor(tx, root.Actor(), u.ID)
		links = []string{activate, reset, lost}
		return err
	})
	for _, link := range links {
		d := s.Anonymous()
		get(d, d.Get(link).Want(http.StatusSeeOther).Location)
	}
	get(half, "/mfa")
	for _, path := range []string{"/login", "/password/forgot"} {
		get(s.Anonymous(), path)
	}
	for _, path := range []string{"/account/password", "/account/confirm", "/account/two-step"} {
		get(c, path)
	}
	for path := range identifying {
		if out[path].c == nil {
			t.Fatalf("%s was not opened", path)
		}
	}
	return out
}

// TestASVS_6_2_6: a password is typed into fields that do not show it, and no answer has it,
// also when the form comes again because something in it is wrong.
func TestASVS_6_2_6(t *testing.T) {
	t.Parallel()
	typed := map[string]string{"password": "Qvx0-typed", "repeat": "Qvx1-repeated", "current": "Qvx2-current"}
	seen, came := 0, 0
	for path, o := range openSigningIn(t) {
		hidden := func(when string, r webtest.Response) (fields int) {
			t.Helper()
			r.Page().Find("main input").Each(func(_ int, in *gq) {
				name := in.AttrOr("name", "")
				_, secret := typed[name]
				if secret {
					fields++
				}
				if (in.AttrOr("type", "text") == "password") != secret || secret && in.AttrOr("value", "") != "" {
					t.Errorf("%s, %s: the field %s has type %q and value %q", path, when, name, in.AttrOr("type", ""), in.AttrOr("value", ""))
				}
			})
			return fields
		}
		fields := hidden("opened", o.page)
		if seen += fields; fields == 0 {
			continue
		}
		action, form := o.page.Form(path)
		for name := range form {
			if text, secret := typed[name]; secret {
				form.Set(name, text)
			}
		}
		wrong := o.c.Post(action, form).Want(http.StatusUnprocessableEntity)
		if hidden("after what was wrong", wrong) != fields {
			t.Errorf("%s: the form does not come again", path)
		}
		came++
		for name, text := range typed {
			if strings.Contains(wrong.Body+fmt.Sprint(wrong.Header), text) {
				t.Errorf("%s: the answer has what was typed as %s", path, name)
			}
		}
	}
	if seen != 12 || came != 7 {
		t.Errorf("%d fields for passwords, %d forms came again", seen, came)
	}
}

// TestASVS_6_2_7: nothing keeps a password manager from filling a form in, or people from
// pasting.
func TestASVS_6_2_7(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{"current": "current-password", "repeat": "new-password"}
	for path, page := range formsOfSigningIn(t) {
		secrets := page.Find(`input[type="password"]`)
		secrets.Each(func(_ int, in *gq) {
			want := kinds[in.AttrOr("name", "")]
			if want == "" {
				want = "new-password"
				if path == "/login" || path == "/two-step/lost" {
					want = "current-password"
				}
			}
			if got := in.AttrOr("autocomplete", ""); got != want {
				t.Errorf("%s: %s has autocomplete %q, want %q", path, in.AttrOr("name", ""), got, want)
			}
			for _, hinders := range []string{"maxlength", "readonly", "disabled", "pattern", "onpaste", "oncopy", "ondrop", "oncontextmenu"} {
				if _, there := in.Attr(hinders); there {
					t.Errorf("%s: %s has %s", path, in.AttrOr("name", ""), hinders)
				}
			}
		})
		if secrets.Length() > 0 && page.Find(`form[autocomplete="off"]`).Length() > 0 {
			t.Errorf("%s keeps managers away", path)
		}
		if secrets.Length() > 0 && page.Find(`input[autocomplete="username"]`).Length() != 1 {
			t.Errorf("%s does not tell managers whose password it is", path)
		}
	}
	scripts, err := filepath.Glob("../../static/js/*.js")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, path := range scripts {
		if strings.Contains(filepath.Base(path), "htmx") {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, listens := range []string{`"paste"`, "'paste'", "onpaste", "beforeinput"} {
			if strings.Contains(string(b), listens) {
				t.Errorf("%s listens to %s", path, listens)
			}
		}
	}
}

// TestASVS_6_4_2: nobody is asked for a hint, or for a secret that others may know: the forms
// have the fields that they have, and take no others.
func TestASVS_6_4_2(t *testing.T) {
	t.Parallel()
	for path, page := range formsOfSigningIn(t) {
		var names []string
		page.Find("input, select, textarea").Each(func(_ int, in *gq) {
			if name := in.AttrOr("name", ""); name != gate.KeyField && !slices.Contains(names, name) {
				names = append(names, name)
			}
		})
		slices.Sort(names)
		known := strings.Fields(identifying[path])
		for _, name := range names {
			if !slices.Contains(known, name) {
				t.Errorf("%s asks for %q", path, name)
			}
		}
		if len(names) < len(known)-2 { // where to go, and what was chosen before, are left out when empty
			t.Errorf("%s asks for %q, want %q", path, names, known)
		}
	}
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.SignIn(s.User(""))
	for path := range identifying {
		for _, extra := range []string{"hint", "question", "answer"} {
			if r := c.Post(path, url.Values{extra: {"the name of my first pet"}}); r.Status != http.StatusUnprocessableEntity && !strings.HasPrefix(r.Location, "/account/security") {
				t.Errorf("%s takes a field %q: %d %s", path, extra, r.Status, r.Location)
			}
		}
	}
}

// TestASVS_7_4_4: every page of somebody who is signed in has a button to sign out, and it does.
func TestASVS_7_4_4(t *testing.T) {
	t.Parallel()
	p := webtest.NewProvider(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Config: p.Configure})
	standard, admin := s.Project("Standard", false)
	in := furnish(t, s, standard, admin)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE users SET is_super_admin = TRUE WHERE id = $1", admin.ID)
	})
	c := s.SignIn(admin)
	s.TwoStep(c)
	c.Post("/account/two-step/start", url.Values{}).Want(http.StatusSeeOther)
	pages, action := 0, ""
	var fields url.Values
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Method != http.MethodGet || r.Rule.Kind == gate.ForAnyone || strings.HasSuffix(r.Path, "/live") {
			continue
		}
		res := c.Get(in.path(strings.Replace(r.Path, ":user", num(admin.ID), 1)))
		if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || res.Status == http.StatusSeeOther {
			continue
		}
		pages++
		button := res.Page().Find(`form[method="post"][action="/logout"] button`)
		if button.Length() == 0 || !strings.Contains(button.Text(), "Sign out") {
			t.Errorf("%s: %d buttons to sign out", r.Path, button.Length())
			continue
		}
		action, fields = res.Form("/logout")
	}
	if pages < 35 {
		t.Errorf("only %d pages", pages)
	}
	// The page that asks whether two are to be linked is there once somebody came from the provider.
	p.Set(func() { p.Person["email"] = admin.Email })
	d := s.Anonymous()
	d.Get(p.Approve(d.Post("/auth/google", url.Values{"next": {"/"}}).Location)).Want(http.StatusSeeOther)
	d.HTTP.Jar.SetCookies(d.Request("GET", "/", nil).URL, c.HTTP.Jar.Cookies(c.Request("GET", "/", nil).URL))
	if n := d.Get("/account/identity").Want(http.StatusOK).Page().Find(`form[action="/logout"] button`).Length(); n != 1 {
		t.Errorf("/account/identity: %d buttons to sign out", n)
	}
	if r := c.Post(action, fields); r.Location != "/login?out=1" {
		t.Errorf("signing out: %d %s", r.Status, r.Location)
	}
	if r := c.Get("/"); !strings.HasPrefix(r.Location, "/login") {
		t.Errorf("after signing out: %d %s", r.Status, r.Location)
	}

	// Somebody without a password is asked for a proof by a page of its own.
	p.Set(func() { p.Person["sub"], p.Person["email"] = "2002", "new@example.com" })
	s.Update(func(tx *db.Tx) error {
		_, _, err := s.App.Accounts.Invite(tx, access.Actor{Name: "Op", SuperAdmin: true}, accounts.NewUser{Email: "new@example.com"})
		return err
	})
	bare := func() *webtest.Client {
		c := s.Anonymous()
		c.Get(p.Approve(c.Post("/auth/google", url.Values{"next": {"/"}}).Location)).Want(http.StatusSeeOther)
		return c
	}
	plain := s.Member(standard, access.ReadOnly)
	own := func() *webtest.Client { return s.SignIn(plain) }
	base := "/projects/" + num(standard.ID)
	for name, x := range map[string]struct {
		who    func() *webtest.Client
		status int
		open   func(*webtest.Client) webtest.Response
		has    string // what makes the page the one that is meant
	}{
		"a proof by the provider": {bare, http.StatusOK, func(c *webtest.Client) webtest.Response { return c.Get("/account/confirm") }, `form[action="/account/confirm/provider"]`},
		"a wrong proof": {own, http.StatusUnprocessableEntity, func(c *webtest.Client) webtest.Response {
			return c.Post("/account/confirm", url.Values{"current": {"wrong wrong wrong"}})
		}, `form[action="/account/confirm"]`},
		"a form that comes again": {own, http.StatusUnprocessableEntity, func(c *webtest.Client) webtest.Response {
			return c.Post("/account", url.Values{"name": {""}, "timeZone": {"UTC"}})
		}, `form[action="/account"]`},
		"403 of the installation": {own, http.StatusForbidden, func(c *webtest.Client) webtest.Response { return c.Get("/admin") }, "h1"},
		"403 of a project":        {own, http.StatusForbidden, func(c *webtest.Client) webtest.Response { return c.Get(base + "/storage/load") }, "h1"},
		"404 of an address":       {own, http.StatusNotFound, func(c *webtest.Client) webtest.Response { return c.Get("/nowhere") }, "h1"},
		"404 of a project":        {own, http.StatusNotFound, func(c *webtest.Client) webtest.Response { return c.Get("/projects/999999") }, "h1"},
		"422 of an address":       {own, http.StatusUnprocessableEntity, func(c *webtest.Client) webtest.Response { return c.Get(base + "/storage/jobs?before=x") }, "h1"},
		"422 of a form": {own, http.StatusUnprocessableEntity, func(c *webtest.Client) webtest.Response {
			return c.Post("/account", url.Values{"no field": {"x"}})
		}, "h1"},
		"405": {own, http.StatusMethodNotAllowed, func(c *webtest.Client) webtest.Response { return c.Post("/account/activity", url.Values{}) }, "h1"},
	} {
		c := x.who()
		r := x.open(c).Want(x.status)
		if r.Page().Find("main "+x.has).Length() == 0 {
			t.Errorf("%s: this is another page", name)
		}
		if n := r.Page().Find(`form[method="post"][action="/logout"] button`).Length(); n == 0 {
			t.Errorf("%s: no button to sign out", name)
			continue
		}
		action, fields := r.Form("/logout")
		if r := c.Post(action, fields); r.Location != "/login?out=1" {
			t.Errorf("%s: signing out: %d %s", name, r.Status, r.Location)
		}
		if r := c.Get("/account"); !strings.HasPrefix(r.Location, "/login") {
			t.Errorf("%s: after signing out: %d %s", name, r.Status, r.Location)
		}
	}
	if s.Anonymous().Get("/nowhere").Want(http.StatusNotFound).Page().Find(`form[action="/logout"]`).Length() != 0 {
		t.Error("who is not signed in is offered to sign out")
	}
}

// TestSetupAsksForTheCodeFirst: who has no code of the first run sees nothing of its form,
// whatever they send.
func TestSetupAsksForTheCodeFirst(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	f := url.Values{"code": {"guessed"}, "name": {"Mallory"}, "email": {"m@example.com"}, "password": {"one"}, "repeat": {"another"}}
	for range 2 {
		r := s.Anonymous().Post("/setup", f).Want(http.StatusForbidden)
		if r.Page().Find("main form").Length() != 0 {
			t.Error("the form is drawn")
		}
		f.Del("code")
	}
}

// TestASVS_8_2_3: nobody sets more of anything than its form has, and nobody reads more of it
// than its page shows: case 23 for what there is.
func TestASVS_8_2_3(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Fields", false)
	in := furnish(t, s, p, admin)
	guest, root := s.Member(p, access.Guest), s.SuperAdmin("Root")
	state := func() (text string) {
		s.View(func(tx *db.Tx) error {
			list, err := db.All(tx, db.Scalar[string], `SELECT email || ' ' || state || ' ' || CASE WHEN is_super_admin THEN 'super' ELSE '' END || ' ' || CAST(id AS TEXT) || ' ' || COALESCE((SELECT role FROM memberships m WHERE m.user_id = u.id AND m.project_id = $1), '-') FROM users u ORDER BY id LIMIT 100`, p.ID)
			text = strings.Join(list, "\n")
			return err
		})
		return text
	}
	extras := url.Values{"role": {"admin"}, "is_super_admin": {"1"}, "superAdmin": {"true"}, "project_id": {"1"}, "user_id": {num(admin.ID)}, "id": {"1"}, "state": {"active"}, "email_verified": {"true"}, "session_epoch": {"1"}, "branch_id": {"7"}}
	rights, aboves, target, sent := permissions(t, "permissions.csv"), permissions(t, "permissions-above.csv"), s.User("Target"), 0
	before := state()
	for who, c := range map[string]*webtest.Client{"guest": s.SignIn(guest), "admin": s.SignIn(admin), "super admin": s.SignIn(root), "nobody": s.Anonymous()} {
		for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
			if r.Method != http.MethodPost || strings.HasSuffix(r.Path, "/storage/load") { // a file, without fields
				continue
			}
			want := http.StatusUnprocessableEntity
			switch {
			case r.Rule.Kind == gate.ForAnyone:
			case who == "nobody":
				want = http.StatusSeeOther // to the sign-in page
			case (strings.HasPrefix(r.Path, "/admin") || r.Rule.Permission == access.InstallationManage) && who != "super admin":
				want = http.StatusForbidden
			case r.Rule.Kind == gate.ForProject && who == "super admin":
				want = http.StatusForbidden
			case r.Rule.Kind == gate.ForMaintainer && who != "super admin":
				want = http.StatusNotFound
			case r.Rule.Kind == gate.ForOrganization || r.Rule.Kind == gate.ForEntrance || r.Rule.Kind == gate.ForMaintainer:
				column := "projectMember"
				if who == "super admin" {
					column = "superAdmin"
				}
				if !slices.Contains([]string{"yes", "autoJoin"}, aboves[string(r.Rule.Permission)][column]) {
					want = http.StatusForbidden
				}
			case r.Rule.Kind == gate.ForProject && rights[string(r.Rule.Permission)][who] != "yes":
				want = http.StatusForbidden
			}
			path := in.path(strings.Replace(r.Path, ":user", num(target.ID), 1))
			for extra, value := range extras {
				f := url.Values{}
				for k, v := range forms(path) {
					f[k] = v
				}
				if _, own := f[extra]; own {
					continue
				}
				f[extra] = value
				sent++
				res := c.Post(path, f)
				if res.Status != want || want == http.StatusSeeOther && !strings.HasPrefix(res.Location, "/login") {
					t.Errorf("%s: %s with %s: %d %s, want %d", who, path, extra, res.Status, res.Location, want)
				}
				if want == http.StatusUnprocessableEntity && !strings.Contains(res.Body, "has no field") {
					t.Errorf("%s: %s with %s does not say that this is no field of the form", who, path, extra)
				}
			}
		}
	}
	if sent < 2400 {
		t.Errorf("only %d were sent", sent)
	}
	if after := state(); after != before {
		t.Errorf("people and their rights were\n%s\nand are\n%s", before, after)
	}
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE users SET is_super_admin = TRUE WHERE id = $1", admin.ID)
	})
	c, boss := s.SignIn(admin), s.SignIn(in.boss)
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if !lists[r.Path] {
			continue
		}
		c := c
		if r.Rule.Kind == gate.ForOrganization {
			c = boss
		}
		body := strings.ToLower(c.Get(in.path(strings.Replace(r.Path, ":user", num(in.boss.ID), 1)) + "?format=json").Want(http.StatusOK).Body)
		for _, hidden := range []string{"password_hash", "passwordhash", "pepper", "token_hash", "tokenhash", "$argon2id", "code_hash", "\"secret", "epoch", "\"content\"", "mac\""} {
			if strings.Contains(body, hidden) {
				t.Errorf("%s shows %s", r.Path, hidden)
			}
		}
	}
}
