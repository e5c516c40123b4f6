// Package ui is the component library of the console: what a page is put together from.
//
// A component is a templ function; one with more than three parameters takes a struct. Texts, figures and addresses
// arrive ready to be shown, so a component decides only how they look. An empty address means that the action is not
// offered, and nothing is drawn for it.
package ui
