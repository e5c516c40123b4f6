package console_test

import (
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
	s := webtest.Open(t, webtest.Options{Idle: true})
	code, err := tenancy.SetupCode(t.Context(), s.App.DB)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*gq{"/setup": s.Anonymous().Get("/setup?code=" + code).Want(http.StatusOK).Page().Find("main")}
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
		at := d.Get(link).Want(http.StatusSeeOther).Location
		out[at] = d.Get(at).Want(http.StatusOK).Page().Find("main")
	}
	out["/mfa"] = half.Get("/mfa").Want(http.StatusOK).Page().Find("main")
	for _, path := range []string{"/login", "/password/forgot"} {
		out[path] = s.Anonymous().Get(path).Want(http.StatusOK).Page().Find("main")
	}
	for _, path := range []string{"/account/password", "/account/confirm", "/account/two-step"} {
		out[path] = c.Get(path).Want(http.StatusOK).Page().Find("main")
	}
	for path := range identifying {
		if out[path] == nil {
			t.Fatalf("%s was not opened", path)
		}
	}
	return out
}

// TestASVS_6_2_6: a password is typed into fields that do not show it.
func TestASVS_6_2_6(t *testing.T) {
	t.Parallel()
	seen := 0
	for path, page := range formsOfSigningIn(t) {
		page.Find("input").Each(func(_ int, in *gq) {
			name := in.AttrOr("name", "")
			secret := slices.Contains([]string{"password", "repeat", "current"}, name)
			if secret {
				seen++
			}
			if (in.AttrOr("type", "text") == "password") != secret || secret && in.AttrOr("value", "") != "" {
				t.Errorf("%s: the field %s has type %q and value %q", path, name, in.AttrOr("type", ""), in.AttrOr("value", ""))
			}
		})
	}
	if seen != 12 {
		t.Errorf("%d fields for passwords", seen)
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
	before := state()
	extras := url.Values{"role": {"admin"}, "is_super_admin": {"1"}, "superAdmin": {"true"}, "project_id": {"1"}, "user_id": {num(admin.ID)}, "id": {"1"}, "state": {"active"}, "email_verified": {"true"}, "session_epoch": {"1"}, "branch_id": {"7"}}
	sent, refused := 0, 0
	for who, c := range map[string]*webtest.Client{"guest": s.SignIn(guest), "admin": s.SignIn(admin), "super admin": s.SignIn(root), "nobody": s.Anonymous()} {
		for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
			if r.Method != http.MethodPost || strings.HasSuffix(r.Path, "/storage/load") || r.Path == "/logout" || strings.Contains(r.Path, "/trash/") || r.Path == "/auth/google" || strings.HasPrefix(r.Path, "/admin/users/:") {
				continue
			}
			path := in.path(r.Path)
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
				if res.Status >= 400 {
					refused++
				}
				if res.Status >= 500 || (who == "super admin" && r.Path == "/admin/settings" && res.Status != http.StatusUnprocessableEntity) {
					t.Errorf("%s: %s with %s: %d", who, path, extra, res.Status)
				}
			}
		}
	}
	if sent < 800 || refused < sent/2 {
		t.Errorf("%d were sent, %d refused", sent, refused)
	}
	if after := state(); after != before {
		t.Errorf("people and their rights were\n%s\nand are\n%s", before, after)
	}
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE users SET is_super_admin = TRUE WHERE id = $1", admin.ID)
	})
	c := s.SignIn(admin)
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if !lists[r.Path] {
			continue
		}
		body := strings.ToLower(c.Get(in.path(r.Path) + "?format=json").Want(http.StatusOK).Body)
		for _, hidden := range []string{"password_hash", "passwordhash", "pepper", "token_hash", "tokenhash", "$argon2id", "code_hash", "\"secret", "epoch", "\"content\"", "mac\""} {
			if strings.Contains(body, hidden) {
				t.Errorf("%s shows %s", r.Path, hidden)
			}
		}
	}
}
