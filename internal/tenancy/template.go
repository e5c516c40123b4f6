package tenancy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/throttle"
)

// Template is what new projects are made from; afterwards it is their type.
type Template struct {
	ID          string
	Name        string
	Description string
	Days        int64 // after which they expire; 0 = never
	Retention   int64 // days for which they keep versions, unless told otherwise
	Offered     bool  // to who makes a project
	Position    int64 // in the list of them, from 1
	Revision    int64 // how often it was written: who writes says which one they have read
	Terms       Terms // that new projects begin with
	Made        int64 // how many projects are of it, counted up to MadeMost; only from AllTemplates
}

// Bounds of templates.
const (
	TemplatesMost   = 100
	MadeMost        = 1000
	ExpiryDaysMax   = 3650
	retentionUsual  = 30  // days, without a template
	templateTextMax = 500 // characters
)

var selectTemplate = "SELECT k.id, k.name, k.description, k.days, k.retention_days, k.offered, k.position, k.revision, " + columnsOf("k") + ", 0 FROM project_templates k "

func scanTemplate(r db.Row) (Template, error) {
	var t Template
	to := append([]any{&t.ID, &t.Name, &t.Description, db.Null(&t.Days), &t.Retention, &t.Offered, &t.Position, &t.Revision}, t.Terms.scans()...)
	return t, r.Scan(append(to, &t.Made)...)
}

// Templates lists those that are offered, in their order.
func Templates(tx *db.Tx) ([]Template, error) {
	return db.All(tx, scanTemplate, selectTemplate+"WHERE k.offered ORDER BY k.position")
}

// AllTemplates lists all, in their order, with how many projects are of each. Forbidden for
// who is no super admin.
func (v *Service) AllTemplates(tx *db.Tx, by access.Actor) ([]Template, error) {
	if err := accounts.Oversees(by); err != nil {
		return nil, err
	}
	made := fmt.Sprintf("(SELECT count(*) FROM (SELECT 1 FROM projects p WHERE p.template = k.id LIMIT %d) made) FROM", MadeMost)
	return db.All(tx, scanTemplate, strings.Replace(selectTemplate, "0 FROM", made, 1)+"ORDER BY k.position")
}

// FindTemplate is one of all. Forbidden for who is no super admin; NotFound if there is none.
func (v *Service) FindTemplate(tx *db.Tx, by access.Actor, id string) (Template, error) {
	if err := accounts.Oversees(by); err != nil {
		return Template{}, err
	}
	return findTemplate(tx, id)
}

func findTemplate(tx *db.Tx, id string) (Template, error) {
	return db.One(tx, scanTemplate, selectTemplate+"WHERE k.id = $1", id)
}

// AddTemplate makes a template, in its place of the list: the last one if that is beyond it.
// Its id and revision do not count. Forbidden for who is no super admin; Invalid by field;
// Conflict past TemplatesMost.
func (v *Service) AddTemplate(tx *db.Tx, by access.Actor, t Template) (Template, error) {
	list, err := v.writesTemplates(tx, by)
	if err != nil {
		return t, err
	}
	if len(list) >= TemplatesMost {
		return t, fault.Newf(fault.Conflict, "tenancy.templates", "There are %d templates, which is as many as there may be.", TemplatesMost)
	}
	number, err := tx.NewID("project_templates")
	if err != nil {
		return t, err
	}
	t.ID, t.Revision = fmt.Sprintf("template%d", number), 1
	if err := t.check(list); err != nil {
		return t, err
	}
	if _, err := tx.Exec("INSERT INTO project_templates (id, name, description, days, retention_days, offered, position, revision, "+termsColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11)",
		append([]any{t.ID, t.Name, t.Description, db.ZeroNull(t.Days), t.Retention, t.Offered, len(list) + 1}, t.Terms.values()...)...); err != nil {
		return t, err
	}
	if t.Position, err = placeTemplate(tx, append(list, t), t); err != nil {
		return t, err
	}
	return t, audit.Record(tx, audit.By(by, "template.created", "template", t.ID, t.Name).Says("%s made the template %q: %s.", by.Name, t.Name, strings.Join(Template{}.differs(t), ", ")))
}

// SetTemplate writes a template, and gives it as it was and as it is. Its projects are as
// they were. Forbidden for who is no super admin; NotFound if there is none; Invalid by field,
// also for the last one that is offered; Conflict, with the code Overtaken, when it was written
// since the revision that was read.
func (v *Service) SetTemplate(tx *db.Tx, by access.Actor, t Template) (was, is Template, err error) {
	list, err := v.writesTemplates(tx, by)
	if err != nil {
		return was, t, err
	}
	i := slices.IndexFunc(list, func(x Template) bool { return x.ID == t.ID })
	if i < 0 {
		return was, t, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	if was = list[i]; was.Revision != t.Revision {
		return was, t, fault.New(fault.Conflict, Overtaken, "Somebody else has changed this template meanwhile. Look at what it says now, and save again if yours is to stand in its place.")
	}
	if err := t.check(list); err != nil {
		return was, t, err
	}
	t.Position = min(t.Position, int64(len(list)))
	if len(was.differs(t)) == 0 {
		return was, was, nil
	}
	t.Revision++
	if err := tx.Must("UPDATE project_templates SET name = $2, description = $3, days = $4, retention_days = $5, offered = $6, revision = $7, ("+termsColumns+") = ($8, $9, $10, $11) WHERE id = $1",
		append([]any{t.ID, t.Name, t.Description, db.ZeroNull(t.Days), t.Retention, t.Offered, t.Revision}, t.Terms.values()...)...); err != nil {
		return was, t, err
	}
	if t.Position != was.Position {
		if _, err := placeTemplate(tx, list, t); err != nil {
			return was, t, err
		}
	}
	e := audit.By(by, "template.updated", "template", t.ID, t.Name)
	e.Params = map[string]any{"from": was.facts(), "to": t.facts()}
	return was, t, audit.Record(tx, e.Says("%s changed the template %q: %s.", by.Name, was.Name, strings.Join(was.differs(t), ", ")))
}

// Overtaken is the code of the fault for who writes what was changed since they read it.
const Overtaken = "tenancy.overtaken"

// writesTemplates is Forbidden for who may not write templates, and gives them all. Who else
// would write one waits.
func (v *Service) writesTemplates(tx *db.Tx, by access.Actor) ([]Template, error) {
	if err := accounts.Oversees(by); err != nil {
		return nil, err
	}
	if err := tx.Lock("project templates"); err != nil {
		return nil, err
	}
	if err := accounts.Administers(tx, by); err != nil { // after the wait
		return nil, err
	}
	return db.All(tx, scanTemplate, selectTemplate+"ORDER BY k.position")
}

// check trims the texts. Invalid by field; list are all templates.
func (t *Template) check(list []Template) error {
	t.Name, t.Description = strings.TrimSpace(t.Name), strings.TrimSpace(t.Description)
	var c fault.Check
	if err := c.Join(accounts.CheckName("name", "a name for the template", t.Name)); err != nil {
		return err
	}
	if t.Description != "" {
		if err := c.Join(accounts.CheckText("description", "a description", t.Description, templateTextMax)); err != nil {
			return err
		}
	}
	c.Field(t.Days >= 0 && t.Days <= ExpiryDaysMax, "days", fmt.Sprintf("Enter a number of days from 1 to %d, or nothing for never.", ExpiryDaysMax))
	c.Field(t.Retention >= RetentionMin && t.Retention <= RetentionMax, "retention", fmt.Sprintf("Enter a number of days from %d to %d.", RetentionMin, RetentionMax))
	c.Field(t.Position >= 1 && t.Position <= TemplatesMost, "position", fmt.Sprintf("Enter a place from 1 to %d.", TemplatesMost))
	t.Terms.check(&c)
	t.Terms = t.Terms.plain()
	offered := t.Offered
	for _, x := range list {
		if x.ID != t.ID {
			offered = offered || x.Offered
			c.Field(!strings.EqualFold(x.Name, t.Name), "name", "Another template has this name.")
		}
	}
	c.Field(offered, "offered", "This is the last one that is offered. Offer another one first, or nobody can make a project.")
	return c.Err()
}

// placeTemplate puts a template of a list, which is in order, into its place, and tells which
// that is. The others move up or down.
func placeTemplate(tx *db.Tx, list []Template, t Template) (int64, error) {
	order := slices.DeleteFunc(slices.Clone(list), func(x Template) bool { return x.ID == t.ID })
	at := min(int(t.Position)-1, len(order))
	order = slices.Insert(order, at, t)
	if _, err := tx.Exec("UPDATE project_templates SET position = -position"); err != nil { // no two may have one place
		return 0, err
	}
	for i, x := range order {
		if err := tx.Must("UPDATE project_templates SET position = $2 WHERE id = $1", x.ID, i+1); err != nil {
			return 0, err
		}
	}
	return int64(at) + 1, nil
}

// differs tells what changes from one to the other; of a new one, what it says.
func (t Template) differs(to Template) (out []string) {
	change := func(what, from, to string) {
		switch {
		case from == to:
		case t.ID == "":
			out = append(out, what+" "+to)
		default:
			out = append(out, what+" from "+from+" to "+to)
		}
	}
	if t.ID != "" {
		change("name", fmt.Sprintf("%q", t.Name), fmt.Sprintf("%q", to.Name))
	}
	change("description", fmt.Sprintf("%q", cut(t.Description)), fmt.Sprintf("%q", cut(to.Description)))
	change("expiry", t.lives(), to.lives())
	change("versions kept", fmt.Sprintf("%d days", t.Retention), fmt.Sprintf("%d days", to.Retention))
	change("offered", yesNo(t.Offered), yesNo(to.Offered))
	change("place", fmt.Sprint(t.Position), fmt.Sprint(to.Position))
	for i, w := range t.Terms.words() {
		if is := to.Terms.words()[i]; t.ID != "" || to.Terms != (Terms{}) {
			change(w[0], w[1], is[1])
		}
	}
	return out
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// lives tells when its projects expire.
func (t Template) lives() string {
	if t.Days == 0 {
		return "never"
	}
	return fmt.Sprintf("after %d days", t.Days)
}

func (t Template) facts() map[string]any {
	return map[string]any{"name": t.Name, "description": t.Description, "days": t.Days, "retentionDays": t.Retention, "offered": t.Offered, "position": t.Position, "terms": t.Terms.facts()}
}

// perCreator keeps one person from filling the console with projects.
var perCreator = throttle.Limit{Count: 200, Window: 24 * time.Hour}

// NewProjectIn makes a project of the scope's organization from a template that is offered.
// The actor becomes its first administrator. Forbidden without ProjectsCreate; Invalid by
// field: name and template; TooMany past two hundred a day; Conflict for who is in too many by a
// right.
func NewProjectIn(tx *db.Tx, s access.Organization, name, template string) (Project, error) {
	if err := lockRights(tx, s.Actor().UserID); err != nil { // by which they are in it
		return Project{}, err
	}
	s, err := anew(tx, s, access.ProjectsCreate)
	if err != nil {
		return Project{}, err
	}
	var c fault.Check
	if err := c.Join(accounts.CheckName("name", "a name for the project", name)); err != nil {
		return Project{}, err
	}
	t, err := findTemplate(tx, template)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Project{}, err
	}
	c.Field(err == nil && t.Offered, "template", "Choose what kind of project it is.")
	if err := c.Err(); err != nil {
		return Project{}, err
	}
	u, err := accounts.Find(tx, s.Actor().UserID)
	if err != nil {
		return Project{}, err
	}
	var by Through // as long as they have it, they are in what they make
	if !s.Is().OrgMember {
		by = through(s.Is())
	}
	if err := throttle.Take(tx, fmt.Sprintf("create/user:%d", u.ID), perCreator); err != nil {
		return Project{}, met(err, "At most %d projects a day are made by one person.", perCreator)
	}
	return CreateProject(tx, s.Actor(), NewProject{Organization: s.ID(), Name: name, Member: u, Template: t.ID, Retention: t.Retention, Terms: t.Terms, Expires: t.expires(tx), Through: by})
}

// expires is when a project of the template expires that begins now; zero for never.
func (t Template) expires(tx *db.Tx) (at time.Time) {
	if t.Days > 0 {
		at = tx.Now.AddDate(0, 0, int(t.Days))
	}
	return at
}

// Typing is the template that a project is of, and when it expires; zero for never.
type Typing struct {
	Template Template
	Expires  time.Time
}

// Is reports whether both are the same.
func (t Typing) Is(other Typing) bool {
	return t.Template.ID == other.Template.ID && t.Expires.Equal(other.Expires)
}

// SetType makes a project one of another template: it expires as that says, from now on, or
// never. For how long it keeps versions stays as it is. It tells what it was and is. Forbidden for
// who is no super admin; Invalid, under "template", for one that is not offered; Conflict when the
// project is deleted.
func (v *Service) SetType(tx *db.Tx, by access.Actor, project int64, template string, never bool) (was, is Typing, err error) {
	p, l, err := v.decides(tx, by, project)
	if err != nil {
		return was, is, err
	}
	if was.Expires = l.ExpiresAt; l.State != Active && l.State != Disabled {
		return was, is, errDeleted()
	}
	if was.Template, err = typeOf(tx, p.ID); err != nil {
		return was, is, err
	}
	to, err := findTemplate(tx, template)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return was, is, err
	}
	if err != nil || !to.Offered && to.ID != was.Template.ID {
		const message = "Choose one of the types that are offered."
		return was, is, &fault.Error{Kind: fault.Invalid, Code: "tenancy.type", Message: message, Fields: []fault.Field{{Name: "template", Message: message}}, Err: err}
	}
	if is.Template = to; !never {
		is.Expires = to.expires(tx)
	}
	if is.Is(was) {
		return was, is, nil
	}
	if err := tx.Must("UPDATE projects SET template = $2, expires_at = $3, warned_at = NULL WHERE id = $1", p.ID, to.ID, is.Expires); err != nil {
		return was, is, err
	}
	if l.State == Active {
		if err := prolongClaims(tx, p.ID, time.Time{}, l.ExpiresAt); err != nil {
			return was, is, err
		}
	}
	e, err := lifeEvent(tx, by, p, "project.typeChanged")
	if err != nil {
		return was, is, err
	}
	e.Params = map[string]any{"from": was.Template.ID, "to": to.ID, "expires": []any{expiryOf(was.Expires), expiryOf(is.Expires)}}
	return was, is, audit.Record(tx, e.Says("%s changed the type of the project %q from %q to %q, and when it expires from %s to %s.", by.Name, p.Name, was.Template.Name, to.Name, expiryWords(was.Expires), expiryWords(is.Expires)))
}

// typeOf is the template that a project is of; for one of none, only a name that says so.
func typeOf(tx *db.Tx, project int64) (Template, error) {
	t, err := db.One(tx, scanTemplate, selectTemplate+"JOIN projects p ON p.template = k.id WHERE p.id = $1", project)
	if fault.Is(err, fault.NotFound) {
		return Template{Name: "None"}, nil
	}
	return t, err
}
