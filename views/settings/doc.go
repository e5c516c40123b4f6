// Package settings draws Users & settings of a project: who is in it, and what it is.
package settings
