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
	"steward/internal/mail"
	"steward/internal/throttle"
)

// Wish is what the people of a project ask super admins for.
type Wish struct {
	For  string // one of WishesFor
	Text string // what it is to be, and why
}

// WishesFor are what can be asked for, each with its words, such as "more time".
func WishesFor() [][2]string {
	return [][2]string{{"time", "more time"}, {"limits", "a higher limit"}, {"type", "another type"}, {"other", "something else"}}
}

// Limits of wishes.
const (
	wishMax   = 500 // characters
	wishTells = 100 // super admins who are mailed
)

// These keep a project, and one person, from filling the mailboxes of super admins. What visitors ask
// for does not count for the project: its people may ask all the same.
var (
	perWishes = throttle.Limit{Count: 5, Window: 24 * time.Hour}
	perWisher = throttle.Limit{Count: 10, Window: 24 * time.Hour}
)

// Wish mails a wish of the scope's project to super admins, who decide by changing it. Forbidden
// without LimitsRequest; Invalid by the fields for and text; TooMany past five a day of a project, and ten of a
// person.
func (v *Service) Wish(tx *db.Tx, s access.Project, w Wish) error {
	s, err := again(tx, s, access.LimitsRequest)
	if err != nil {
		return err
	}
	w.Text = strings.Join(strings.Fields(w.Text), " ")
	all := WishesFor()
	at := slices.IndexFunc(all, func(x [2]string) bool { return x[0] == w.For })
	var c fault.Check
	c.Field(at >= 0, "for", "Choose what you ask for.")
	if err := c.Join(accounts.CheckText("text", "what you need, and why", w.Text, wishMax)); err != nil {
		return err
	}
	if err := c.Err(); err != nil {
		return err
	}
	if !s.Visits() {
		if err := throttle.Take(tx, fmt.Sprintf("wish/project:%d", s.ID()), perWishes); err != nil {
			return met(err, "At most %d times a day this project asks for more. Nothing was sent.", perWishes)
		}
	}
	if err := throttle.Take(tx, fmt.Sprintf("wish/user:%d", s.Actor().UserID), perWisher); err != nil {
		return met(err, "At most %d times a day somebody asks for more. Nothing was sent.", perWisher)
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return err
	}
	u, err := accounts.Find(tx, s.Actor().UserID)
	if err != nil {
		return err
	}
	list, err := db.All(tx, scanReader, fmt.Sprintf("SELECT u.id, u.email, u.name FROM users u WHERE u.is_super_admin = TRUE AND u.state = 'active' ORDER BY u.email LIMIT %d", wishTells))
	if err != nil {
		return err
	}
	l := mail.Letter{Kind: mail.MoreWanted, Path: fmt.Sprintf("/admin/projects/%d", p.ID), Values: map[string]string{"by": u.Name, "address": u.Email, "project": p.Name, "for": all[at][1], "text": w.Text}}
	if err := v.write(tx, list, l); err != nil {
		return err
	}
	e, err := lifeEvent(tx, s.Actor(), p, "project.moreWanted")
	if err != nil {
		return err
	}
	e.Params = map[string]any{"for": w.For, "text": w.Text}
	return audit.Record(tx, e.Says("%s asked super admins for %s for the project %q: %q.", u.Name, all[at][1], p.Name, w.Text))
}
