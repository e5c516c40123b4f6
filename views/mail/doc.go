// Package mail is what mails say: one layout, as HTML and as plain text, and a function for each kind of letter that
// fills it. What comes from people is only ever a value in a text, without characters that cannot be seen.
package mail
