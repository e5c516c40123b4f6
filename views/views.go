// Package views is the root of all that people see. Its packages are the sections of the console.
//
// A screen is one .templ file. Atop it stands its view model: a struct that mirrors the picture, with texts, figures and
// addresses ready to be shown, so that a view asks nothing and decides nothing but how things look. An address that is
// empty means that the action is not offered. A page is drawn by a function named after its model (JobsPage for Jobs).
//
// A page that keeps itself current has parts (ui.Part) and the address of an event stream (layout.Frame.LiveURL). The
// stream sends unnamed messages that hold partials (ui.Partial) for those parts, such as storage.JobUpdate; a message
// named "end" ends it for good. A new connection gets every part as it is now; after a loss the browser connects
// again and sends Last-Event-ID.
package views
