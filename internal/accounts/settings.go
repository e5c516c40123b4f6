package accounts

import (
	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
)

// requireFactor is the fact of the installation that everybody needs a second factor.
const requireFactor = "require second factor"

// NeedsFactor is the condition, in SQL, that a person u needs a second factor wherever they
// are: their password is short, they are of support or were a moment ago, or everybody does.
const NeedsFactor = "(u.password_short OR u.support_until IS NOT NULL OR EXISTS (SELECT 1 FROM installation WHERE name = '" + requireFactor + "'))"

// Settings are what super admins decide about everybody's account.
type Settings struct {
	RequireFactor bool // who has no second factor can only set one up
}

// SettingsOf are the settings of the installation.
func SettingsOf(tx *db.Tx) (Settings, error) {
	n, err := db.Value[int64](tx, "SELECT count(*) FROM installation WHERE name = $1", requireFactor)
	return Settings{RequireFactor: n > 0}, err
}

// SetSettings keeps the settings of the installation. Forbidden for who is no super admin.
func (s *Service) SetSettings(tx *db.Tx, by access.Actor, n Settings) error {
	if err := Administers(tx, by); err != nil {
		return err
	}
	was, err := SettingsOf(tx)
	if err != nil || was == n {
		return err
	}
	says := "%s lets people sign in without a second factor."
	if n.RequireFactor {
		says = "%s made a second factor a must for everybody."
		_, err = tx.Exec("INSERT INTO installation (name, value) VALUES ($1, 'yes')", requireFactor)
	} else {
		_, err = tx.Exec("DELETE FROM installation WHERE name = $1", requireFactor)
	}
	if err != nil {
		return err
	}
	return audit.Record(tx, audit.By(by, "installation.settingsChanged", "installation", "", "").Says(says, by.Name))
}

// WithoutFactor counts the people who can sign in and have no second factor.
func (s *Service) WithoutFactor(tx *db.Tx, by access.Actor) (int64, error) {
	if err := Oversees(by); err != nil {
		return 0, err
	}
	return db.Value[int64](tx, "SELECT count(*) FROM users u WHERE u.state = 'active' AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id)")
}
