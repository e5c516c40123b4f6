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
	return stream(ctx, v, pace{first: begin, ahead: ahead, room: 1}, func(ctx context.Context, group *rowGroup, emit func(T) error) error {
		value, err := work(ctx, group)
		if err != nil {
			return err
		}
		return emit(value)
	}, func(value T) (bool, error) { return take(value), nil })
}

// pace says how far the work on row groups runs ahead of its taking.
type pace struct {
	first int // row groups worked on at a time until the first one is taken
	ahead int // and then
	room  int // results of a row group that wait to be taken
}

// stream works on the row groups of a view, each of which emits any number of
// results, and takes these in the order of the table, until take returns false
// or an error, which is returned as it is. Emitting waits, and fails only when
// nothing is taken any more.
func stream[T any](ctx context.Context, v *View, p pace, work func(ctx context.Context, group *rowGroup, emit func(T) error) error, take func(T) (bool, error)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)

	tokens := make(chan struct{}, p.ahead) // to begin with another row group
	groups := make(chan chan T, p.ahead)   // in order
	for range p.first {
		tokens <- struct{}{}
	}
	g.Go(func() error {
		defer close(groups)
		for ordinal := range v.live {
			file, err := v.open(ctx, ordinal)
			if err != nil {
				return err
			}
			err = file.each(ctx, tokens, func(group *rowGroup) {
				results := make(chan T, p.room)
				groups <- results // has room: there are no more than tokens
				file.users.Add(1)
				g.Go(func() (err error) {
					defer file.release()
					defer func() { err = v.located(ordinal, err) }()
					defer shield(&err)
					err = work(ctx, group, func(value T) error {
						select {
						case <-ctx.Done():
							return ctx.Err()
						case results <- value:
							return nil
						}
					})
					if err == nil {
						close(results)
					}
					return err
				})
			})
			file.release()
			if err != nil {
				return err
			}
		}
		return nil
	})

	enough, failed := false, error(nil)
	first := true
take:
	for results := range groups {
		for open := true; open; {
			var value T
			select {
			case <-ctx.Done():
				failed = ctx.Err()
				break take
			case value, open = <-results:
			}
			if !open {
				break
			}
			more, err := take(value)
			if err != nil || !more {
				enough, failed = true, err
				break take
			}
		}
		free := 1
		if first {
			free, first = 1+p.ahead-p.first, false
		}
		for range free {
			tokens <- struct{}{}
		}
	}
	stop()
	err := g.Wait()
	if err == nil || enough { // what else was being worked on was told to stop
		return failed
	}
	return err
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
	group *rowGroup
	tests []test
	next  int64   // row where the next window begins
	alive int64   // rows before it that are not deleted
	rows  []int64 // found in the current window
}

// test is a condition and the column that it looks at.
type test struct {
	predicate
	texts   *cursor[parquet.ByteArray] // nil if it looks at numbers
	numbers *cursor[int64]
}

func newFilter(group *rowGroup, tests []predicate) (*filter, error) {
	f := &filter{group: group, rows: make([]int64, 0, window)}
	for _, p := range tests {
		t := test{predicate: p}
		var err error
		if p.holds != nil {
			t.texts, err = openColumn[parquet.ByteArray](group, p.id)
		} else {
			t.numbers, err = openColumn[int64](group, p.id)
		}
		if err != nil {
			f.close()
			return nil, err
		}
		f.tests = append(f.tests, t)
	}
	return f, nil
}

// passes tells whether a row satisfies the condition.
func (t test) passes(row int64) (bool, error) {
	if t.texts != nil {
		cell, null, err := t.texts.at(row)
		return err == nil && t.holds(cell, null), err
	}
	n, null, err := t.numbers.at(row)
	return err == nil && t.number(n, null), err
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
	f.alive += int64(len(f.rows))
	for _, t := range f.tests {
		kept := f.rows[:0]
		for _, row := range f.rows {
			passes, err := t.passes(row)
			if err != nil {
				return false, err
			}
			if passes {
				kept = append(kept, row)
			}
		}
		f.rows = kept
	}
	f.next = end
	return true, nil
}

// back moves the beginning of the next window back to a row.
func (f *filter) back(row int64) {
	for ; f.next > row; f.next-- {
		if !f.group.deleted(f.next - 1) {
			f.alive--
		}
	}
}

func (f *filter) close() {
	for _, t := range f.tests {
		if t.texts != nil {
			t.texts.close()
		} else {
			t.numbers.close()
		}
	}
}

// Count returns how many rows satisfy all conditions.
//
// Fails with a *UnknownColumnError, ErrNotNumber or ErrQuery if the
// conditions are at fault.
func (v *View) Count(ctx context.Context, where []Condition) (int64, error) {
	return v.CountQuery(ctx, Query{Where: where})
}

// CountQuery returns how many rows satisfy a query, of which only Where and
// Since count.
//
// Fails like [View.Count].
func (v *View) CountQuery(ctx context.Context, q Query) (int64, error) {
	if v.closed.Load() {
		return 0, errClosed
	}
	tests, err := v.tests(q)
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
