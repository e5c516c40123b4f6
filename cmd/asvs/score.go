package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// A score is what the tests prove, by chapter and level.
type score struct {
	proved, applies map[[2]int]int
	elsewhere       []requirement // do not apply
	open            []requirement // nothing proves them, for a reason
	unexplained     []requirement // nothing proves them, and no reason is given
	failed          []test
	results         results
}

func count(requirements []requirement, tests []test, r results) score {
	s := score{proved: map[[2]int]int{}, applies: map[[2]int]int{}, results: r}
	by := map[string][]test{}
	for _, t := range tests {
		by[t.id] = append(by[t.id], t)
		if r.of(t) != "pass" {
			s.failed = append(s.failed, t)
		}
	}
	for _, q := range requirements {
		cell := [2]int{q.chapter, q.level}
		switch {
		case !q.applies:
			s.elsewhere = append(s.elsewhere, q)
			continue
		case len(by[q.id]) > 0 && !slices.ContainsFunc(by[q.id], func(t test) bool { return r.of(t) != "pass" }):
			s.proved[cell]++
		case len(by[q.id]) == 0 && q.reason != "":
			s.open = append(s.open, q)
		case len(by[q.id]) == 0:
			s.unexplained = append(s.unexplained, q)
		}
		s.applies[cell]++
	}
	return s
}

func (s score) write(out io.Writer) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format, args...) }
	row("OWASP ASVS 5.0\t\tlevel 1\tlevel 2\tlevel 3\n")
	var proved, applies [4]int
	for _, c := range slices.Sorted(maps.Keys(chapters())) {
		row("V%d\t%s", c, chapters()[c])
		for level := 1; level <= 3; level++ {
			p, a := s.proved[[2]int{c, level}], s.applies[[2]int{c, level}]
			proved[level], applies[level] = proved[level]+p, applies[level]+a
			row("\t%s", of(p, a))
		}
		row("\n")
	}
	row("all\t\t%s\t%s\t%s\n", of(proved[1], applies[1]), of(proved[2], applies[2]), of(proved[3], applies[3]))
	_ = table.Flush()
	list := func(title string, qs []requirement) {
		if len(qs) == 0 {
			return
		}
		say("\n%s\n", title)
		for _, q := range qs {
			say("  %-7s level %d  %s\n", q.id, q.level, sentence(q))
		}
	}
	list("Not proved", s.open)
	list("Not proved, and no reason given", s.unexplained)
	list("Does not apply", s.elsewhere)
	if len(s.failed) > 0 {
		say("\nTests that did not pass\n")
		for _, t := range s.failed {
			say("  %s %s: %s\n", t.pkg, t.name, s.results.of(t))
		}
	}
}

func of(part, all int) string {
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", part, all)
}

func sentence(q requirement) string {
	switch {
	case q.text == "":
		return q.reason
	case q.reason == "":
		return q.text
	}
	return q.text + ": " + q.reason
}
