// Package tenancy holds the screens of projects.
package tenancy
