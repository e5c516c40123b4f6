package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNoRow means that a view has no row in a place.
var ErrNoRow = errors.New("engine: no such row")

// String writes a place as it is told outside.
func (p place) String() string { return fmt.Sprintf("%d.%d.%d", p.file, p.group, p.row) }

// parsePlace is the opposite of String; false if the text is no place.
func parsePlace(text string) (place, bool) {
	file, rest, _ := strings.Cut(text, ".")
	group, row, _ := strings.Cut(rest, ".")
	var p place
	var err [3]error
	p.file, err[0] = strconv.Atoi(file)
	p.group, err[1] = strconv.Atoi(group)
	p.row, err[2] = strconv.ParseInt(row, 10, 64)
	// One text only for each place.
	return p, errors.Join(err[:]...) == nil && p.file >= 0 && p.group >= 0 && p.row >= 0 && p.String() == text
}

// Row returns the row in a place, as [Row.Place] told it for the same version of
// the table: with all cells, when it last changed and which job wrote it. Cells
// longer than 16 KiB, or less in very wide tables, are cut and marked.
//
// Fails with ErrNoRow if there is no row in the place, or one that is deleted,
// and with an error that names the file if a data file is missing or damaged.
func (v *View) Row(ctx context.Context, text string) (*Row, error) {
	p, ok := parsePlace(text)
	if !ok || p.file >= len(v.live) {
		return nil, fmt.Errorf("%w: %q", ErrNoRow, text)
	}
	wanted, err := v.projection(Query{Origin: true})
	if err != nil {
		return nil, err
	}
	file, err := v.open(ctx, p.file)
	if err != nil {
		return nil, err
	}
	defer file.release()
	row, err := rowAt(file, p, wanted)
	if errors.Is(err, ErrNoRow) {
		return nil, fmt.Errorf("%w: %q", err, text)
	}
	return row, v.located(p.file, err)
}

// rowAt reads a row of a data file, or fails with ErrNoRow.
func rowAt(file *openData, p place, wanted projection) (_ *Row, err error) {
	defer shield(&err)
	if p.group >= len(file.starts) {
		return nil, ErrNoRow
	}
	group := file.group(p.group)
	if p.row >= group.rows || group.deleted(p.row) {
		return nil, ErrNoRow
	}
	rows, err := wanted.fetch(group, []int64{p.row}, wanted.cellLimit(1))
	if err != nil {
		return nil, err
	}
	return &rows[0], nil
}
