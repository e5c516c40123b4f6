// Package people draws who belongs to a project, and who is asked to.
package people
