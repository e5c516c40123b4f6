// Package audit draws an audit log: of a project, and of the installation.
package audit
