package ui_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"steward/views/ui"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1284907: "1,284,907", -3: "−3", -1204: "−1,204", -9223372036854775808: "−9,223,372,036,854,775,808"} {
		if got := ui.Number(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 tables", 1: "1 table", 1204: "1,204 tables"} {
		if got := ui.Count(n, "table", "tables"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 KB", 4000: "4 KB", 1234: "1.2 KB", 99_949: "99.9 KB", 99_950: "100 KB", 999_499: "999 KB", 999_500: "1 MB",
		412_000_000: "412 MB", 1_200_000_000: "1.2 GB", 32_900_000_000: "32.9 GB", 5_000_000_000_000: "5 TB", 7_100_000_000_000_000: "7.1 PB",
	} {
		if got := ui.Bytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{-1: "0%", 0: "0%", .64: "64%", .9999: "99%", 1: "100%", 1.2: "100%"} {
		if got := ui.Percent(share); got != want {
			t.Errorf("%v: got %s, want %s", share, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", time.Millisecond: "less than 0.1 s", 200 * time.Millisecond: "0.2 s", 4 * time.Second: "4 s", 9949 * time.Millisecond: "9.9 s",
		9950 * time.Millisecond: "10 s", 41 * time.Second: "41 s", 59_600 * time.Millisecond: "1 min", 233 * time.Second: "3 min 53 s", time.Hour: "1 h",
		2*time.Hour + 5*time.Minute: "2 h 5 min", 25 * time.Hour: "1 day 1 h", 76 * time.Hour: "3 days 4 h",
	} {
		if got := ui.Duration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestWhen(t *testing.T) {
	t.Parallel()
	cet := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 21, 0, 30, 0, 0, cet)
	for _, tt := range []struct {
		name string
		t    time.Time
		want ui.Time
	}{
		{"not set", time.Time{}, ui.Time{}},
		{"today", now.Add(-10 * time.Minute), ui.Time{Text: "00:20", Title: "21 Nov 2026, 00:20:00 CET", ISO: "2026-11-21T00:20:00+01:00"}},
		{"today, in another zone", now.Add(-10 * time.Minute).UTC(), ui.Time{Text: "00:20", Title: "21 Nov 2026, 00:20:00 CET", ISO: "2026-11-21T00:20:00+01:00"}},
		{"yesterday, an hour ago", now.Add(-time.Hour), ui.Time{Text: "Yesterday, 23:30", Title: "20 Nov 2026, 23:30:00 CET", ISO: "2026-11-20T23:30:00+01:00"}},
		{"before", now.AddDate(0, 0, -2), ui.Time{Text: "19 Nov 2026", Title: "19 Nov 2026, 00:30:00 CET", ISO: "2026-11-19T00:30:00+01:00"}},
		{"tomorrow", now.AddDate(0, 0, 1), ui.Time{Text: "22 Nov 2026", Title: "22 Nov 2026, 00:30:00 CET", ISO: "2026-11-22T00:30:00+01:00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ui.When(tt.t, cet, now)
			if got := (ui.Time{Text: got.Text, Title: got.Title, ISO: got.ISO}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A day of 25 hours is one day.
func TestWhenClockChanges(t *testing.T) {
	t.Parallel()
	loc, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 10, 26, 0, 10, 0, 0, loc)
	if got := ui.When(time.Date(2026, 10, 25, 0, 5, 0, 0, loc), loc, now).Text; got != "Yesterday, 00:05" {
		t.Errorf("got %s", got)
	}
}

func TestExactClockDay(t *testing.T) {
	t.Parallel()
	cet := time.FixedZone("CET", 3600)
	at := time.Date(2026, 11, 21, 21, 41, 2, 0, time.UTC)
	for want, got := range map[string]ui.Time{"21 Nov 2026, 22:41:02": ui.Exact(at, cet), "22:41:02": ui.Clock(at, cet), "21 Nov 2026": ui.Day(at, cet)} {
		if got.Text != want || got.Title != "21 Nov 2026, 22:41:02 CET" {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
	if got := ui.Exact(time.Time{}, cet); got != (ui.Time{}) {
		t.Errorf("got %+v for no time", got)
	}
}

// A page draws moments in its reader's zone, whatever they were made for.
func TestStampInZone(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("JST", 9*3600)
	at := time.Date(2026, 11, 20, 16, 20, 0, 0, time.UTC) // the 21st in Tokyo
	for want, made := range map[string]ui.Time{
		"01:20": ui.When(at, time.UTC, at.Add(time.Hour)), "21 Nov 2026, 01:20:00": ui.Exact(at, time.UTC), "01:20:00": ui.Clock(at, time.UTC), "21 Nov 2026": ui.Day(at, time.UTC),
	} {
		var b strings.Builder
		if err := ui.Stamp(made).Render(ui.WithZone(t.Context(), tokyo), &b); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.Contains(got, ">"+want+"<") || !strings.Contains(got, "21 Nov 2026, 01:20:00 JST") {
			t.Errorf("want %s: %s", want, got)
		}
	}
}

func TestInitials(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"Hana Dvořáková": "HD", "  Čeněk  ": "Č", "Jean-Luc van der Berg": "JV", "": "?", "… !": "?", "“Nightly” loader": "NL", "7 dwarfs": "7D"} {
		if got := ui.Initials(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
