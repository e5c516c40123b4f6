package tenancy

import (
	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
)

// Template is what new projects are made from.
type Template struct {
	ID          string
	Name        string
	Description string
	Days        int64 // after which they expire; 0 = never
}

func scanTemplate(r db.Row) (Template, error) {
	var t Template
	return t, r.Scan(&t.ID, &t.Name, &t.Description, db.Null(&t.Days))
}

// Templates lists all, in the order in which they are offered.
func Templates(tx *db.Tx) ([]Template, error) {
	return db.All(tx, scanTemplate, "SELECT id, name, description, days FROM project_templates ORDER BY position")
}

// creates is the right by which somebody makes a project who does not belong to its
// organization: they are in it as long as they have that.
func creates(is access.Above) Through {
	if is.OrgMember {
		return ""
	}
	return through(is)
}

// NewProjectIn makes a project of the scope's organization from a template. The actor becomes
// its first administrator. Forbidden without ProjectsCreate; Invalid by field: name and
// template.
func NewProjectIn(tx *db.Tx, s access.Organization, name, template string) (Project, error) {
	s, err := anew(tx, s, access.ProjectsCreate)
	if err != nil {
		return Project{}, err
	}
	var c fault.Check
	if err := c.Join(accounts.CheckName("name", "a name for the project", name)); err != nil {
		return Project{}, err
	}
	t, err := db.One(tx, scanTemplate, "SELECT id, name, description, days FROM project_templates WHERE id = $1", template)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Project{}, err
	}
	c.Field(err == nil, "template", "Choose what kind of project it is.")
	if err := c.Err(); err != nil {
		return Project{}, err
	}
	u, err := accounts.Find(tx, s.Actor().UserID)
	if err != nil {
		return Project{}, err
	}
	n := NewProject{Organization: s.ID(), Name: name, Member: u, Template: t.ID, Through: creates(s.Is())}
	if t.Days > 0 {
		n.Expires = tx.Now.AddDate(0, 0, int(t.Days))
	}
	return CreateProject(tx, s.Actor(), n)
}
