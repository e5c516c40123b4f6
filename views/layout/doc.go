// Package layout is the frame around a page: the shell of signed-in pages and the bare column of public ones.
package layout
