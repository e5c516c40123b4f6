// Package errors holds the page that answers when something else could not be shown.
package errors
