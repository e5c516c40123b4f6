package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Samples are values of one thing, measured again and again.
type Samples []float64

// Median is the middle value, or the mean of the two in the middle; 0 of none.
func (s Samples) Median() float64 {
	n := len(s)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Series are samples of several things by their names.
type Series map[string]Samples

func (s Series) add(name string, value float64) { s[name] = append(s[name], value) }

// text is the median with the least and the most.
func (s Samples) text(unit string) string {
	if len(s) == 0 {
		return "–"
	}
	if unit != "" {
		unit = " " + unit
	}
	return fmt.Sprintf("%s%s (%s–%s)", figure(s.Median()), unit, figure(slices.Min(s)), figure(slices.Max(s)))
}

// figure writes three digits that count, and whole numbers from 100 on.
func figure(x float64) string {
	if x >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// Row is a line of the table: a measurement, its baseline of the same run, and what
// design wants of it.
type Row struct {
	What     string
	Unit     string
	Steward  Samples
	Baseline Samples // none when there is nothing to compare with
	Compare  Compare
	Want     float64 // 0 for nothing
}

// Compare says which figure of a row is compared with what is wanted.
type Compare int

const (
	Speed  Compare = iota // baseline ÷ Steward, at least; for times
	Rate                  // Steward ÷ baseline, at least; for counts in a time
	Share                 // Steward ÷ baseline, at most; for what is used up
	Figure                // Steward's own, at most
	Near                  // Steward ÷ baseline, at most that far from 1
)

// ratio compares the medians; 0 without a baseline.
func (r Row) ratio() float64 {
	ours, base := r.Steward.Median(), r.Baseline.Median()
	switch {
	case ours == 0 || base == 0:
		return 0
	case r.Compare == Speed:
		return base / ours
	}
	return ours / base
}

// verdict is what is wanted, and whether it was met.
func (r Row) verdict() string {
	if r.Want == 0 {
		return "–"
	}
	var text string
	var met bool
	switch r.Compare {
	case Speed, Rate:
		text, met = "≥ "+figure(r.Want)+" ×", r.ratio() >= r.Want
	case Share:
		text, met = "≤ "+figure(r.Want)+" ×", r.ratio() <= r.Want
	case Near:
		text, met = "1 ± "+figure(r.Want)+" ×", math.Abs(r.ratio()-1) <= r.Want
	case Figure:
		text, met = "≤ "+figure(r.Want)+" "+r.Unit, r.Steward.Median() <= r.Want
	}
	if met {
		return text + ", met"
	}
	return text + ", **not met**"
}

func write(w io.Writer, table []Row) error {
	if _, err := io.WriteString(w, "| Measurement | Steward | Baseline | Ratio | Wanted |\n|---|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, r := range table {
		ratio := "–"
		if x := r.ratio(); x != 0 {
			ratio = figure(x) + " ×"
		}
		if _, err := fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", r.What, r.Steward.text(r.Unit), r.Baseline.text(r.Unit), ratio, r.verdict()); err != nil {
			return err
		}
	}
	return nil
}
