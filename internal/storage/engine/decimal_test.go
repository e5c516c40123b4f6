package engine_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
)

// longNumbers are decimals of which many have the same nearest float.
func longNumbers(r *rand.Rand) []string {
	list := []string{"0", "-0", "0.0e5", "1", "+1.", "1.0", "100e-2", "9007199254740992", "9007199254740993", "9007199254740994", "9.007199254740993e15",
		"12345678901234567890", "12345678901234567891", "12345678901234567890.0", "0.1", "0.10000000000000000555", "0.09999999999999999999", ".1",
		"1e400", "1e500", "-1e400", "-1e500", "10e399", "1e-400", "-1e-400", "1e-500", "5e-324", "3e-324", "4.9e-324", "1e-310", "1.0000000000000001e-310",
		"9.99999999999999999", "10", "10.00000000000000001", "-9.99999999999999999", "-10", "-10.00000000000000001", " 12345678901234567891 "}
	for range 60 {
		digits := fmt.Sprintf("%d%04d", 100_000_000_000_000_000+r.Int64N(3), r.IntN(20))
		at := r.IntN(len(digits) + 1)
		list = append(list, []string{"", "-"}[r.IntN(2)]+digits[:at]+"."+digits[at:]+fmt.Sprintf("e%d", r.IntN(3)-1))
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// TestLongNumbers compares numbers that are too long for a float, and sorts them, beside
// math/big.
func TestLongNumbers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	list := longNumbers(r)
	exact := func(text string) *big.Rat {
		n, ok := new(big.Rat).SetString(strings.TrimSpace(text))
		if !ok {
			t.Fatalf("%q is no number", text)
		}
		return n
	}
	b := setup(t, engine.Options{RowGroup: 17})
	loaded := b.load(t, "", engine.Full, "n\n"+strings.Join(list, "\n")+"\n")
	v := b.open(t, loaded.Location)
	shownAs := func(list []string) []string {
		rows := []string{}
		for _, text := range list {
			rows = append(rows, fmt.Sprintf("%q", text))
		}
		return rows
	}
	for op, holds := range map[engine.Op]func(int) bool{
		engine.Equal: func(c int) bool { return c == 0 }, engine.NotEqual: func(c int) bool { return c != 0 }, engine.Less: func(c int) bool { return c < 0 },
		engine.LessOrEqual: func(c int) bool { return c <= 0 }, engine.Greater: func(c int) bool { return c > 0 }, engine.GreaterOrEqual: func(c int) bool { return c >= 0 },
	} {
		for _, value := range list {
			var want []string
			for _, text := range list {
				if holds(exact(text).Cmp(exact(value))) {
					want = append(want, text)
				}
			}
			got := all(t, v, engine.Query{Where: []engine.Condition{{Column: "n", Op: op, Value: value, Number: true}}})
			equal(t, fmt.Sprintf("%s %s", op, value), got, shownAs(want))
		}
	}
	for _, descending := range []bool{false, true} {
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(x, y string) int {
			c := exact(x).Cmp(exact(y))
			if descending {
				return -c
			}
			return c
		})
		order := []engine.Order{{Column: "n", Number: true, Descending: descending}}
		found, err := v.Find(t.Context(), engine.Query{Order: order, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range found.Rows {
			got = append(got, show(row.Cells))
		}
		equal(t, fmt.Sprint("found, descending ", descending), got, shownAs(want))
		text := export(t, v, engine.Export{Query: engine.Query{Order: order}, CSV: csv.WriterOptions{Delimiter: ','}})
		equal(t, fmt.Sprint("exported, descending ", descending), strings.FieldsFunc(text, func(c rune) bool { return c == '\r' || c == '\n' })[1:], want)
	}
	removed := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: loaded.Location, Where: []engine.Condition{{Column: "n", Op: engine.Equal, Value: "9007199254740993", Number: true}}}))
	equal(t, "removed", removed.Removed, int64(2))
}
