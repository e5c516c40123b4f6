// Package admin draws the pages for super admins.
package admin
