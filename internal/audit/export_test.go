package audit

// NewImpatientBuffer is NewBuffer with the time that a write may take.
var NewImpatientBuffer = newBuffer

// MaxHeld is how many events a buffer holds.
const MaxHeld = maxHeld

// FindWithin is Find with how many events it looks at, at most.
var FindWithin = find
