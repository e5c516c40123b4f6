package breached

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
)

// sorter sorts records with bounded memory: what fits is sorted there and written as a
// run, and runs are merged at the end. A run goes on as long as nothing comes that
// should stand before its last record, so that what comes sorted makes one run, which is
// the list already. A run is a list's file.
type sorter struct {
	folder string
	room   int // records in memory
	held   []record
	runs   []string
	open   *writer
}

func (s *sorter) add(r record) error {
	if s.held == nil {
		s.held = make([]record, 0, s.room) // at once: growing would take twice the memory
	}
	s.held = append(s.held, r)
	if len(s.held) < s.room {
		return nil
	}
	return s.spill()
}

func (s *sorter) spill() error {
	slices.Sort(s.held)
	if s.open != nil && s.held[0] < s.open.last {
		if err := s.close(); err != nil {
			return err
		}
	}
	if s.open == nil {
		w, err := s.next()
		if err != nil {
			return err
		}
		s.open = w
	}
	for _, r := range s.held {
		if err := s.open.add(r); err != nil {
			return err
		}
	}
	s.held = s.held[:0]
	return nil
}

func (s *sorter) next() (*writer, error) {
	path := filepath.Join(s.folder, fmt.Sprintf("%06d", len(s.runs)))
	s.runs = append(s.runs, path)
	return newWriter(path)
}

func (s *sorter) close() error {
	w := s.open
	s.open = nil
	return w.finish()
}

// discard closes what is still open. The files stay.
func (s *sorter) discard() error {
	if s.open == nil {
		return nil
	}
	return s.open.file.Close()
}

// merge makes one file of all runs and gives its path and how many records are in it.
// It reports now and then how many it has merged.
func (s *sorter) merge(ctx context.Context, progress func(merged int64)) (path string, count int64, err error) {
	if len(s.held) > 0 {
		if err := s.spill(); err != nil {
			return "", 0, err
		}
	}
	s.held = nil
	count = s.open.count
	if err := s.close(); err != nil {
		return "", 0, err
	}
	if len(s.runs) == 1 {
		return s.runs[0], count, nil
	}
	var m merger
	defer func() { err = errors.Join(err, m.close()) }()
	for _, path := range s.runs {
		l, err := openList(path)
		if err != nil {
			return "", 0, err
		}
		m = append(m, &run{records: l.records()})
		if err := m[len(m)-1].advance(); err != nil {
			return "", 0, err
		}
	}
	w, err := s.next()
	if err != nil {
		return "", 0, err
	}
	heap.Init(&m)
	for n := int64(1); m[0].left; n++ {
		if err := w.add(m[0].first); err != nil {
			return "", 0, errors.Join(err, w.file.Close())
		}
		if err := m[0].advance(); err != nil {
			return "", 0, errors.Join(err, w.file.Close())
		}
		heap.Fix(&m, 0)
		if n%65536 == 0 {
			if err := ctx.Err(); err != nil {
				return "", 0, errors.Join(err, w.file.Close())
			}
			progress(n)
		}
	}
	return s.runs[len(s.runs)-1], w.count, w.finish()
}

// run is a run that is being read.
type run struct {
	*records
	first record // that was not taken yet
	left  bool   // first is one
}

func (r *run) advance() (err error) {
	r.first, err = r.next()
	r.left = err == nil
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// merger is a heap of runs with the least record on top; those that are done go down.
type merger []*run

// Len implements heap.Interface.
func (m merger) Len() int { return len(m) }

// Less implements heap.Interface.
func (m merger) Less(i, j int) bool {
	if m[i].left != m[j].left {
		return m[i].left
	}
	return m[i].first < m[j].first
}

// Swap implements heap.Interface.
func (m merger) Swap(i, j int) { m[i], m[j] = m[j], m[i] }

// Push implements heap.Interface.
func (m *merger) Push(x any) { *m = append(*m, x.(*run)) }

// Pop implements heap.Interface.
func (m *merger) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

func (m merger) close() error {
	var errs []error
	for _, r := range m {
		errs = append(errs, r.list.Close())
	}
	return errors.Join(errs...)
}
