package tenancy

import (
	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/mail"
)

// Letters to who is out of a project or an organization say why, and how they could come in again.

// back is how somebody comes into the projects of an organization again who is out of one: StepJoin,
// StepAsk, or StepInvite.
func back(tx *db.Tx, user, organization int64) (Step, error) {
	is, _, err := standing(tx, user, organization)
	switch {
	case err != nil:
		return "", err
	case access.MayAbove(access.ProjectsJoin, is):
		return StepJoin, nil
	case access.MayAbove(access.ProjectsRequestAccess, is):
		return StepAsk, nil
	}
	return StepInvite, nil
}

// The causes for which a place ends that nobody took away by itself.
const (
	outByDoor = "door" // the organization lets nobody in by themselves any more
	outByTime = "time" // of an organization: their time is over

	outByReturn = "returned" // the project came back to an organization that had lost it
)

// farewell mails a person that they are out of a project, and why. The values of the letter are
// those of its cause.
func (v *Service) farewell(tx *db.Tx, by access.Actor, w Who, kind mail.Kind, p Project, values map[string]string) error {
	if w.State != accounts.Active || w.ID == by.UserID {
		return nil
	}
	step, err := back(tx, w.ID, p.Organization)
	if err != nil {
		return err
	}
	all := map[string]string{"back": string(step)}
	for k, x := range values {
		all[k] = x
	}
	return v.tell(tx, by, w, kind, p, all)
}

// farewellOf is farewell for an organization or a maintainer; places are what ended with it.
func (v *Service) farewellOf(tx *db.Tx, t Team, by access.Actor, w Who, cause string, places int) error {
	if w.State != accounts.Active || w.ID == by.UserID {
		return nil
	}
	values := map[string]string{"by": by.Name, string(t.Kind): t.Name, "cause": cause}
	if by.UserID == 0 {
		values["by"] = t.Name
	}
	if places > 0 {
		values["places"] = counted(places, "place", "places")
	}
	if t.Kind == OfOrganization {
		step, err := back(tx, w.ID, t.ID)
		if err != nil {
			return err
		}
		values["back"] = string(step)
	}
	return v.write(tx, []Who{w}, mail.Letter{Kind: mail.TeamRemoved, Values: values})
}
