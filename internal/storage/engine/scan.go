package engine

import (
	"context"
	"runtime"

	"github.com/apache/arrow-go/v18/parquet"
	"golang.org/x/sync/errgroup"
)

// scan works on the row groups of a view and takes the results in the order of
// the table, until take returns false. Several row groups are worked on at a
// time, unless ahead is 1; the first one alone, since it may be enough.
func scan[T any](ctx context.Context, v *View, ahead int, work func(context.Context, *rowGroup) (T, error), take func(T) bool) error {
	return scanFrom(ctx, v, 1, ahead, work, take)
}

// scanAll is scan for work that needs all row groups, as far as take does not end it.
func scanAll[T any](ctx context.Context, v *View, work func(context.Context, *rowGroup) (T, error), take func(T) bool) error {
	return scanFrom(ctx, v, abreast(), abreast(), work, take)
}

// scanFrom is scan with so many row groups worked on at first.
func scanFrom[T any](ctx context.Context, v *View, begin, ahead int, work func(context.Context, *rowGroup) (T, error), take func(T) bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)

	tokens := make(chan struct{}, ahead) // to begin with another row group
	results := make(chan chan T, ahead)  // in order
	for range begin {
		tokens <- struct{}{}
	}
	g.Go(func() error {
		defer close(results)
		for ordinal := range v.live {
			file, err := v.open(ctx, ordinal)
			if err != nil {
				return err
			}
			err = file.each(ctx, tokens, func(group *rowGroup) {
				result := make(chan T, 1)
				results <- result // has room: there are no more than tokens
				file.users.Add(1)
				g.Go(func() (err error) {
					defer file.release()
					defer func() { err = v.located(ordinal, err) }()
					defer shield(&err)
					value, err := work(ctx, group)
					if err != nil {
						return err
					}
					result <- value
					return nil
				})
			})
			file.release()
			if err != nil {
				return err
			}
		}
		return nil
	})

	var interrupted error
	enough, first := false, true
take:
	for result := range results {
		select {
		case <-ctx.Done():
			interrupted = ctx.Err()
			break take
		case value := <-result:
			if !take(value) {
				enough = true
				break take
			}
		}
		free := 1
		if first {
			free, first = 1+ahead-begin, false
		}
		for range free {
			tokens <- struct{}{}
		}
	}
	stop()
	err := g.Wait()
	switch {
	case enough:
		return nil // what else was being worked on was told to stop
	case err != nil:
		return err
	default:
		return interrupted
	}
}

// each calls begin for each row group, for which it takes a token first.
func (f *openData) each(ctx context.Context, tokens <-chan struct{}, begin func(*rowGroup)) error {
	for number := range f.starts {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tokens:
			begin(f.group(number))
		}
	}
	return nil
}

// abreast is how many row groups are worked on at a time.
func abreast() int { return runtime.GOMAXPROCS(0) }

// window is how many rows are looked at together: their cells in the columns
// of the conditions are decoded one column after the other.
const window = 4096

// filter finds the rows of a row group that are alive and satisfy conditions.
type filter struct {
	group   *rowGroup
	tests   []predicate
	cursors []*cursor[parquet.ByteArray] // of the tests
	next    int64                        // row where the next window begins
	rows    []int64                      // found in the current window
}

func newFilter(group *rowGroup, tests []predicate) (*filter, error) {
	f := &filter{group: group, tests: tests, rows: make([]int64, 0, window)}
	for _, p := range tests {
		c, err := openColumn[parquet.ByteArray](group, p.id)
		if err != nil {
			f.close()
			return nil, err
		}
		f.cursors = append(f.cursors, c)
	}
	return f, nil
}

// advance looks at the next rows, a window of them or most if that is less,
// and leaves those that were found in rows; false at the end of the row group.
func (f *filter) advance(most int64) (bool, error) {
	f.rows = f.rows[:0]
	end := min(f.next+min(window, most), f.group.rows)
	if f.next == end {
		return false, nil
	}
	for row := f.next; row < end; row++ {
		if !f.group.deleted(row) {
			f.rows = append(f.rows, row)
		}
	}
	for i, p := range f.tests {
		kept := f.rows[:0]
		for _, row := range f.rows {
			cell, null, err := f.cursors[i].at(row)
			if err != nil {
				return false, err
			}
			if p.holds(cell, null) {
				kept = append(kept, row)
			}
		}
		f.rows = kept
	}
	f.next = end
	return true, nil
}

func (f *filter) close() {
	for _, c := range f.cursors {
		c.close()
	}
}

// Count returns how many rows satisfy all conditions.
//
// Fails with a *UnknownColumnError, ErrNotNumber or ErrQuery if the
// conditions are at fault.
func (v *View) Count(ctx context.Context, where []Condition) (int64, error) {
	if v.closed.Load() {
		return 0, errClosed
	}
	tests, err := v.predicates(where)
	if err != nil {
		return 0, err
	}
	if len(tests) == 0 {
		return v.rows, nil
	}
	var total int64
	err = scan(ctx, v, abreast(), func(ctx context.Context, group *rowGroup) (int64, error) {
		f, err := newFilter(group, tests)
		if err != nil {
			return 0, err
		}
		defer f.close()
		var n int64
		for {
			more, err := f.advance(window)
			if err != nil || !more {
				return n, err
			}
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			n += int64(len(f.rows))
		}
	}, func(n int64) bool {
		total += n
		return true
	})
	return total, err
}
