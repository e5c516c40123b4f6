package ui

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Number writes a count: "1,284,907", "−3".
func Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Count writes a number of things: "1 table", "1,204 tables".
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Bytes writes a size in decimal units: "412 MB", "1.2 GB", "90 B".
func Bytes(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	size := float64(n)
	for _, unit := range []string{"KB", "MB", "GB", "TB"} {
		size /= 1000
		if size < 999.5 {
			return short(size) + " " + unit
		}
	}
	return short(size/1000) + " PB"
}

// short keeps about three figures and drops a zero after the point.
func short(f float64) string {
	if f >= 99.95 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0")
}

// Percent writes a share of 0 to 1: "64%". It says 100% only when all is done.
func Percent(share float64) string {
	p := int(share * 100)
	return strconv.Itoa(min(max(p, 0), 100)) + "%"
}

// Duration writes how long something took: "0.2 s", "41 s", "3 min 53 s", "2 h 5 min", "3 days 4 h".
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d > 0 && d < 50*time.Millisecond:
		return "less than 0.1 s"
	case d < 9950*time.Millisecond:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	}
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 60*60:
		return two(s/60, "min", s%60, "s")
	case s < 24*60*60:
		return two(s/3600, "h", s%3600/60, "min")
	}
	days, rest := s/86400, s%86400/3600
	if days == 1 {
		return two(days, "day", rest, "h")
	}
	return two(days, "days", rest, "h")
}

func two(a int64, unit string, b int64, sub string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unit)
	}
	return fmt.Sprintf("%d %s %d %s", a, unit, b, sub)
}

// Time is a moment as people read it. The zero Time is one that is not set.
type Time struct {
	Text  string // "22:41", "Yesterday, 16:20", "19 Nov 2026"
	Title string // exact, with the zone: "21 Nov 2026, 22:41:02 CET"
	ISO   string // for machines
	made  *making
}

// making is how a Time was made, so that it can be made again in another zone.
type making struct {
	at   time.Time
	text func(time.Time) string
}

type zoneKey struct{}

// WithZone returns a context in which moments are drawn in a time zone, whatever zone they
// were made for.
func WithZone(ctx context.Context, loc *time.Location) context.Context {
	return context.WithValue(ctx, zoneKey{}, loc)
}

// in is the Time in the zone of a context.
func (t Time) in(ctx context.Context) Time {
	loc, ok := ctx.Value(zoneKey{}).(*time.Location)
	if !ok || t.made == nil {
		return t
	}
	return stamp(t.made.at, loc, t.made.text)
}

const (
	exactLayout = "2 Jan 2006, 15:04:05"
	dayLayout   = "2 Jan 2006"
)

// When writes a moment for a list: the hour of today and yesterday, the date of other days.
// The zero moment gives the zero Time.
func When(t time.Time, loc *time.Location, now time.Time) Time {
	return stamp(t, loc, func(t time.Time) string {
		switch day(now.In(t.Location())).Sub(day(t)) {
		case 0:
			return t.Format("15:04")
		case 24 * time.Hour:
			return "Yesterday, " + t.Format("15:04")
		}
		return t.Format(dayLayout)
	})
}

// Exact writes a moment to the second: "21 Nov 2026, 22:41:02". The zero moment gives the zero Time.
func Exact(t time.Time, loc *time.Location) Time {
	return stamp(t, loc, func(t time.Time) string { return t.Format(exactLayout) })
}

// Clock writes only the hour, to the second, for the lines of a log. The zero moment gives the zero Time.
func Clock(t time.Time, loc *time.Location) Time {
	return stamp(t, loc, func(t time.Time) string { return t.Format("15:04:05") })
}

// Day writes the date alone. The zero moment gives the zero Time.
func Day(t time.Time, loc *time.Location) Time {
	return stamp(t, loc, func(t time.Time) string { return t.Format(dayLayout) })
}

func stamp(t time.Time, loc *time.Location, text func(time.Time) string) Time {
	if t.IsZero() {
		return Time{}
	}
	t = t.In(loc)
	return Time{Text: text(t), Title: t.Format(exactLayout + " MST"), ISO: t.Format(time.RFC3339), made: &making{t, text}}
}

// day is the calendar day of a moment, as a date that can be subtracted across changes of the clock.
func day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
