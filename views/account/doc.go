// Package account holds the screens of signing in and of the first run.
package account
