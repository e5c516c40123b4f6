package engine_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"steward/internal/storage/engine"
)

// oracle is a table in SQLite that goes through the same changes. Beside each
// column it has the cells that are decimal numbers as numbers.
type oracle struct {
	t       *testing.T
	db      *sql.DB
	columns []string
	place   int
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each connection would have a database of its own
	t.Cleanup(func() { _ = db.Close() })
	o := &oracle{t: t, db: db}
	o.exec(`CREATE TABLE o (place INTEGER PRIMARY KEY, changed INTEGER, job INTEGER)`)
	return o
}

func (o *oracle) exec(query string, args ...any) {
	o.t.Helper()
	if _, err := o.db.Exec(query, args...); err != nil {
		o.t.Fatalf("%s: %v", query, err)
	}
}

func quoted(column string) string  { return `"` + column + `"` }
func numeric(column string) string { return `"# ` + column + `"` }

var decimal = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

// load does what a load of rows under a header does; nil is NULL.
func (o *oracle) load(mode engine.Mode, header []string, rows [][]*string, changed, job int64) {
	o.t.Helper()
	if mode == engine.Full {
		o.exec("DELETE FROM o")
		for _, c := range slices.Clone(o.columns) {
			if !slices.Contains(header, c) {
				o.exec("ALTER TABLE o DROP COLUMN " + quoted(c))
				o.exec("ALTER TABLE o DROP COLUMN " + numeric(c))
				o.columns = slices.DeleteFunc(o.columns, func(x string) bool { return x == c })
			}
		}
	}
	for _, c := range header {
		if !slices.Contains(o.columns, c) {
			o.exec("ALTER TABLE o ADD COLUMN " + quoted(c) + " TEXT")
			o.exec("ALTER TABLE o ADD COLUMN " + numeric(c) + " REAL")
			o.columns = append(o.columns, c)
		}
	}
	o.insert("o", header, rows, changed, job)
}

// insert adds rows to a table that has the columns of o.
func (o *oracle) insert(into string, header []string, rows [][]*string, changed, job int64) {
	o.t.Helper()
	columns := []string{"place", "changed", "job"}
	for _, c := range header {
		columns = append(columns, quoted(c), numeric(c))
	}
	tx, err := o.db.Begin()
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	insert, err := tx.Prepare("INSERT INTO " + into + " (" + strings.Join(columns, ", ") + ") VALUES (?, ?, ?" + strings.Repeat(", ?, ?", len(header)) + ")")
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = insert.Close() }()
	for _, row := range rows {
		args := []any{o.place, changed, job}
		o.place++
		for _, cell := range row {
			if cell == nil {
				args = append(args, nil, nil)
				continue
			}
			args = append(args, *cell)
			if trimmed := strings.TrimSpace(*cell); decimal.MatchString(trimmed) {
				n, _ := strconv.ParseFloat(trimmed, 64)
				args = append(args, n)
			} else {
				args = append(args, nil)
			}
		}
		if _, err := insert.Exec(args...); err != nil {
			o.t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		o.t.Fatal(err)
	}
}

// counts is what became of the rows of a load.
type counts struct{ inserted, updated, unchanged, duplicates int64 }

// loadKeyed does what a load with a key does.
func (o *oracle) loadKeyed(mode engine.Mode, key, header []string, rows [][]*string, changed, job int64) (n counts) {
	o.t.Helper()
	o.load(mode, header, nil, changed, job) // the columns, and the end of the rows if they are replaced
	o.exec("DROP TABLE IF EXISTS i")
	o.exec("CREATE TABLE i AS SELECT * FROM o WHERE 0")
	o.insert("i", header, rows, changed, job)
	on := func(a, b string, columns []string) string {
		var text []string
		for _, c := range columns {
			text = append(text, a+"."+quoted(c)+" IS "+b+"."+quoted(c))
		}
		return strings.Join(text, " AND ")
	}
	var by []string
	for _, c := range key {
		by = append(by, quoted(c))
	}
	o.exec("CREATE INDEX IF NOT EXISTS i_key ON i (" + strings.Join(by, ", ") + ")")
	o.exec("DROP INDEX IF EXISTS o_key")
	o.exec("CREATE INDEX o_key ON o (" + strings.Join(by, ", ") + ")")

	count := func(query string) (n int64) {
		o.t.Helper()
		if err := o.db.QueryRow(query).Scan(&n); err != nil {
			o.t.Fatalf("%s: %v", query, err)
		}
		return n
	}
	sameKey, sameRow := on("o", "i", key), on("o", "i", o.columns)
	o.exec("DELETE FROM i WHERE EXISTS (SELECT 1 FROM i AS later WHERE " + on("later", "i", key) + " AND later.place > i.place)")
	n.duplicates = int64(len(rows)) - count("SELECT count(*) FROM i")
	o.exec("CREATE TABLE kept AS SELECT i.place AS incoming, min(o.place) AS place FROM i JOIN o ON " + sameKey + " AND " + sameRow + " GROUP BY i.place")
	n.unchanged = count("SELECT count(*) FROM kept")
	n.updated = count("SELECT count(*) FROM i WHERE place NOT IN (SELECT incoming FROM kept) AND EXISTS (SELECT 1 FROM o WHERE " + sameKey + ")")
	o.exec("DELETE FROM o WHERE EXISTS (SELECT 1 FROM i WHERE " + sameKey + ") AND place NOT IN (SELECT place FROM kept)")
	o.exec("INSERT INTO o SELECT * FROM i WHERE place NOT IN (SELECT incoming FROM kept)")
	n.inserted = int64(len(rows)) - n.duplicates - n.unchanged - n.updated
	o.exec("DROP TABLE kept")
	o.exec("DROP INDEX o_key") // columns with an index cannot be dropped
	return n
}

// duplicates returns the keys that rows share, rendered, in the order of the
// table, with how many rows have them.
func (o *oracle) duplicates(key []string) (found []string) {
	o.t.Helper()
	var by []string
	for _, c := range key {
		by = append(by, quoted(c))
	}
	columns := strings.Join(by, ", ")
	rows, err := o.db.Query("SELECT count(*), " + columns + " FROM o GROUP BY " + columns + " HAVING count(*) > 1 ORDER BY min(place)")
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n int64
		values := make([]sql.NullString, len(key))
		into := []any{&n}
		cells := make([]engine.Cell, len(key))
		for i := range values {
			into = append(into, &values[i])
		}
		if err := rows.Scan(into...); err != nil {
			o.t.Fatal(err)
		}
		for i, v := range values {
			cells[i] = engine.Cell{Value: v.String, Null: !v.Valid}
		}
		found = append(found, fmt.Sprintf("%s %d", show(cells), n))
	}
	if err := rows.Err(); err != nil {
		o.t.Fatal(err)
	}
	return found
}

// where translates conditions.
func where(conditions []engine.Condition) (text string, args []any) {
	text = "1 = 1"
	for _, c := range conditions {
		column := quoted(c.Column)
		var value any = c.Value
		if c.Number {
			column = numeric(c.Column)
			value, _ = strconv.ParseFloat(strings.TrimSpace(c.Value), 64)
		}
		switch c.Op {
		case engine.IsNull:
			text += " AND " + column + " IS NULL"
			continue
		case engine.IsNotNull:
			text += " AND " + column + " IS NOT NULL"
			continue
		case engine.Contains:
			text += " AND instr(" + column + ", ?) > 0"
		case engine.StartsWith:
			text += " AND substr(" + column + ", 1, length(?)) = ?"
			args = append(args, value)
		default:
			sign := map[engine.Op]string{engine.Equal: "=", engine.NotEqual: "<>", engine.Less: "<",
				engine.LessOrEqual: "<=", engine.Greater: ">", engine.GreaterOrEqual: ">="}[c.Op]
			text += " AND " + column + " " + sign + " ?"
		}
		args = append(args, value)
	}
	return text, args
}

// condition translates what a query asks of rows.
func condition(q engine.Query) (text string, args []any) {
	text, args = where(q.Where)
	if !q.Since.IsZero() {
		text += " AND changed * 1000 >= ?"
		args = append(args, q.Since.UnixNano())
	}
	return text, args
}

// rows answers a query, rendered as the tests render rows.
func (o *oracle) rows(q engine.Query) []string {
	o.t.Helper()
	rows := []string{}
	for _, r := range o.answer(q) {
		rows = append(rows, fmt.Sprintf("%s %d %d", show(r.Cells), r.Time.UnixMicro(), r.Job))
	}
	return rows
}

// answer answers a query.
func (o *oracle) answer(q engine.Query) []engine.Row {
	o.t.Helper()
	columns := q.Columns
	if columns == nil {
		columns = o.columns
	}
	selected := []string{"changed", "job"}
	for _, c := range columns {
		selected = append(selected, quoted(c))
	}
	condition, args := condition(q)
	var by []string
	for _, order := range q.Order {
		c, direction := quoted(order.Column), ""
		if order.Descending {
			direction = " DESC"
		}
		if order.Number {
			n := numeric(order.Column)
			by = append(by, c+" IS NULL", n+" IS NULL", n+direction)
		} else {
			by = append(by, c+" IS NULL", c+direction)
		}
	}
	query := "SELECT " + strings.Join(selected, ", ") + " FROM o WHERE " + condition + " ORDER BY " + strings.Join(append(by, "place"), ", ")
	if q.Limit > 0 {
		query += fmt.Sprint(" LIMIT ", q.Limit)
	}
	found, err := o.db.Query(query, args...)
	if err != nil {
		o.t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = found.Close() }()
	var rows []engine.Row
	for found.Next() {
		var changed, job int64
		values := make([]sql.NullString, len(columns))
		into := []any{&changed, &job}
		for i := range values {
			into = append(into, &values[i])
		}
		if err := found.Scan(into...); err != nil {
			o.t.Fatal(err)
		}
		cells := make([]engine.Cell, len(values))
		for i, v := range values {
			cells[i] = engine.Cell{Value: v.String, Null: !v.Valid}
		}
		rows = append(rows, engine.Row{Cells: cells, Time: time.UnixMicro(changed), Job: job})
	}
	if err := found.Err(); err != nil {
		o.t.Fatal(err)
	}
	return rows
}

// seeds are what a random test starts from: a few that are always the same, or as many as
// STEWARD_SEEDS says, from a number that it logs or that STEWARD_SEED gives.
func seeds(t *testing.T, few int) []uint64 {
	t.Helper()
	setting := func(name string, unless uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return unless
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	many, first := setting("STEWARD_SEEDS", 0), uint64(0)
	if many > 0 {
		first = setting("STEWARD_SEED", uint64(rand.Uint32()))
		t.Logf("STEWARD_SEEDS=%d STEWARD_SEED=%d", many, first)
	}
	found := make([]uint64, cmp.Or(many, uint64(few)))
	for i := range found {
		found[i] = first + uint64(i)
	}
	return found
}

// chance makes up tables and questions.
type chance struct{ *rand.Rand }

func pick[T any](c chance, from ...T) T { return from[c.IntN(len(from))] }

// style is what the cells of a column are like.
type style int

func (c chance) cell(s style) *string {
	var text string
	switch s % 6 {
	case 0: // of all kinds
		if c.IntN(6) == 0 {
			return nil
		}
		text = pick(c, "", "x", "a,b", `say "hi"`, "two\r\nlines", "two\nlines", "żółć", "日本語", "😀", " pad ", "'", "NULL", "0", "-1.5", " 12 ",
			"1e3", "0x10", "inf", "NaN", "1_000", "+7", ".5", "5.", "v"+strconv.Itoa(c.IntN(40)))
	case 1: // few values
		text = pick(c, "new", "paid", "paid", "paid", "shipped")
	case 2: // numbers
		text = fmt.Sprintf("%d.%02d", c.IntN(3000)-1000, c.IntN(100))
	case 3: // mostly NULL
		if c.IntN(50) > 0 {
			return nil
		}
		text = strconv.Itoa(c.IntN(5))
	case 4: // long and different
		text = strings.Repeat(strconv.FormatUint(c.Uint64(), 36), 1+c.IntN(12))
	case 5: // nothing but NULL
		return nil
	}
	return &text
}

// encode writes rows as CSV: with NULL and "" told apart.
func (c chance) encode(header []string, rows [][]*string) string {
	var b strings.Builder
	b.WriteString(`"` + strings.Join(header, `","`) + "\"\n")
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			switch {
			case cell == nil && len(row) == 1:
				b.WriteString("null") // an empty line would be no row
			case cell == nil:
			case *cell == "" || strings.ContainsAny(*cell, ",\"\r\n") || c.IntN(4) == 0:
				b.WriteString(`"` + strings.ReplaceAll(*cell, `"`, `""`) + `"`)
			default:
				b.WriteString(*cell)
			}
		}
		b.WriteString(pick(c, "\n", "\r\n"))
	}
	return b.String()
}

func (c chance) condition(columns []string) engine.Condition {
	condition := engine.Condition{Column: pick(c, columns...), Op: pick(c, engine.Equal, engine.NotEqual, engine.Less, engine.LessOrEqual,
		engine.Greater, engine.GreaterOrEqual, engine.Contains, engine.StartsWith, engine.IsNull, engine.IsNotNull)}
	switch condition.Op {
	case engine.IsNull, engine.IsNotNull:
	case engine.Contains, engine.StartsWith:
		condition.Value = pick(c, "a", "é", "日本", "ne", "1", "\n", "v3", "")
	default:
		condition.Value = pick(c, "paid", "", "x", "v7", "日本語", "500.50", "0", "-1.5", "2")
		if c.IntN(2) == 0 {
			condition.Number = true
			condition.Value = pick(c, "0", "12", "-1.5", "1000", " 1e2 ", "500.5")
		}
	}
	return condition
}

// TestAgainstSQLite loads random tables and asks random questions. After every
// load SQLite must give the same rows, the library's own reader too, and all
// versions before must still be as they were.
func TestAgainstSQLite(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(t, 3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := chance{rand.New(rand.NewPCG(seed, 0))}
			b := setup(t, engine.Options{RowGroup: 1 + c.IntN(1500), FileSize: int64(10_000 + c.IntN(100_000))})
			o := newOracle(t)
			type version struct {
				*engine.Staged
				columns, rows []string
			}
			var versions []version
			styles := map[string]style{}
			location, column := "", 0
			for round := range 7 {
				mode := engine.Full
				if round > 0 && c.IntN(2) == 0 {
					mode = engine.Append
				}
				header := slices.Clone(o.columns)
				var drop []string
				if mode == engine.Full && len(header) > 3 {
					drop = []string{header[c.IntN(len(header))]}
					header = slices.DeleteFunc(header, func(name string) bool { return name == drop[0] })
				}
				for len(header) < 2 || c.IntN(3) == 0 {
					name := fmt.Sprintf("column %d", column%9) // names come back
					if !slices.Contains(header, name) {
						header = append(header, name)
						styles[name] = style(c.IntN(6))
					}
					column++
				}
				c.Shuffle(len(header), func(i, j int) { header[i], header[j] = header[j], header[i] })
				rows := make([][]*string, c.IntN(2000))
				for i := range rows {
					for _, name := range header {
						rows[i] = append(rows[i], c.cell(styles[name]))
					}
				}
				job := int64(round + 1)
				o.load(mode, header, rows, moment(job).UnixMicro(), job)
				l := request(t, location, mode, c.encode(header, rows))
				l.Job, l.Time, l.DropColumns = job, moment(job), drop
				s, err := b.Load(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				location = s.Location

				v := b.open(t, location)
				equal(t, "columns", names(v.Columns()), o.columns)
				want := o.rows(engine.Query{})
				same(t, fmt.Sprint("rows after round ", round), all(t, v, engine.Query{Origin: true}), want)
				equal(t, "counts", []int64{s.Rows, v.Rows(), s.Added}, []int64{int64(len(want)), int64(len(want)), int64(len(rows))})
				foreign := b.foreignRows(t, location)
				slices.Sort(foreign)
				sorted := slices.Sorted(slices.Values(want))
				same(t, fmt.Sprint("library's rows after round ", round), foreign, sorted)
				for range 15 {
					ask(t, c, v, o)
				}
				versions = append(versions, version{s, names(s.Columns), want})
			}
			for i, past := range versions {
				same(t, fmt.Sprint("location of round ", i), all(t, b.open(t, past.Location), engine.Query{Origin: true}), past.rows)
				v, err := b.OpenVersion(t.Context(), location, past.SnapshotID, past.SchemaID)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, fmt.Sprint("columns of version ", i), names(v.Columns()), past.columns)
				same(t, fmt.Sprint("version ", i), all(t, v, engine.Query{Origin: true}), past.rows)
			}
		})
	}
}

// ask compares the answers to a random question.
func ask(t *testing.T, c chance, v *engine.View, o *oracle) {
	t.Helper()
	q := engine.Query{Limit: pick(c, 1, 10, 100, 1000), Origin: true}
	for range c.IntN(3) {
		q.Where = append(q.Where, c.condition(o.columns))
	}
	if c.IntN(2) == 0 {
		q.Columns = []string{pick(c, o.columns...), pick(c, o.columns...)}
	}
	if c.IntN(3) == 0 {
		q.Since = moment(int64(c.IntN(9))).Add(time.Duration(c.IntN(3)) * 300)
	}
	question := fmt.Sprintf("%+v", q)
	n, err := v.CountQuery(t.Context(), q)
	if err != nil {
		t.Fatal(question, err)
	}
	if q.Since.IsZero() {
		same, err := v.Count(t.Context(), q.Where)
		if same != n || err != nil {
			t.Fatalf("%s: counted %d, and %d, %v", question, n, same, err)
		}
	}
	condition, args := condition(q)
	var want int64
	if err := o.db.QueryRow("SELECT count(*) FROM o WHERE "+condition, args...).Scan(&want); err != nil {
		t.Fatal(err)
	}
	equal(t, "count of "+question, n, want)
	same(t, "each of "+question, all(t, v, q), o.rows(q))

	for range c.IntN(4) {
		q.Order = append(q.Order, engine.Order{Column: pick(c, o.columns...), Descending: c.IntN(2) == 0, Number: c.IntN(2) == 0})
	}
	question = fmt.Sprintf("%+v", q)
	r, err := v.Find(t.Context(), q)
	if err != nil {
		t.Fatal(question, err)
	}
	got := []string{}
	for _, row := range r.Rows {
		got = append(got, fmt.Sprintf("%s %d %d", show(row.Cells), row.Time.UnixMicro(), row.Job))
	}
	same(t, "find "+question, got, o.rows(q))
	if r.Scanned > v.Rows() || len(q.Order) > 0 && r.Scanned != v.Rows() {
		t.Errorf("find %s: looked at %d of %d rows", question, r.Scanned, v.Rows())
	}
}

// same compares rows and shows the first difference.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s, row %d:\n got %s\nwant %s", what, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
}
