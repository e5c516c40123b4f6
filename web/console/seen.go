package console

import (
	"fmt"
	"net/http"

	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/tenancy"
)

// A form that writes over a state tells in its field seen which state it was made from. So one
// that was open for long does not undo in silence what others did meanwhile, and neither does
// an undo, which is made from the state that the change has left.

// seen is what that field says of a state. It is no secret and proves nothing.
func seen[T comparable](state T) string { return id.Digest(fmt.Sprintf("%#v", state))[:20] }

// seenIn is what the field says in a form that is shown with a status: of one that comes again
// because something in it is wrong, what it said before, as nobody has looked at what is new.
func seenIn[T comparable](status int, typed map[string]string, now T) string {
	if status == http.StatusUnprocessableEntity && typed["seen"] != "" {
		return typed["seen"]
	}
	return seen(now)
}

// overtaken is Conflict, with the code tenancy.Overtaken, for a form that was made from another
// state than it found. One that does not tell, as programs send it, was made from any.
func overtaken[T comparable](typed map[string]string, was T) error {
	if typed["seen"] == "" || typed["seen"] == seen(was) {
		return nil
	}
	return fault.New(fault.Conflict, tenancy.Overtaken, "This was changed meanwhile, so nothing was saved. Look at what it says now, and save again if yours is to stand in its place.")
}

// formStatus is the status with which a form comes again for a fault.
func formStatus(err error) int {
	if fault.HasCode(err, tenancy.Overtaken) {
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}
