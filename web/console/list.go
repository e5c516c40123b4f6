package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"steward/internal/fault"
	"steward/internal/storage/csv"
	"steward/views/ui"
	"steward/web/gate"
)

// field is one column of a list as programs get it. Values are strings, integers,
// booleans, times, JSON, or nil.
type field[T any] struct {
	name  string
	value func(T) any
}

// exported answers ?format=csv, ?format=json and ?format=jsonl with a whole list, streamed page by
// page, and reports whether it did. next gives the rows after the last of those it gave
// before (nil at first), and none at the end.
func exported[T any](ec echo.Context, name string, fields []field[T], next func(last *T) ([]T, error)) (bool, error) {
	return exportedAs(ec, name, csv.WriterOptions{Formulas: true}, fields, next)
}

// exportedAs is exported with a way of writing CSV. Lists that people open in a
// spreadsheet guard cells that it would run; rows of a table are written as they are.
func exportedAs[T any](ec echo.Context, name string, o csv.WriterOptions, fields []field[T], next func(last *T) ([]T, error)) (bool, error) {
	format := ec.QueryParam("format")
	kind := "application/json"
	switch format {
	case "":
		return false, nil
	case "csv":
		kind = "text/csv; charset=utf-8"
	case "json":
	case "jsonl":
		kind = "application/jsonl"
	default:
		return true, fault.Newf(fault.Invalid, "list.format", "A list comes as csv, json or jsonl, not as %q.", format)
	}
	if err := savable(ec); err != nil {
		return true, err
	}
	rows, err := next(nil)
	if err != nil {
		return true, err
	}
	saved(ec, name+"."+format, kind)
	w := ec.Response()
	var out sink
	if format == "csv" {
		cw := csv.NewWriter(w, o)
		out = sink{row: cw.Row, close: cw.Flush}
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.name
		}
		if err := cw.Header(names); err != nil {
			return true, err
		}
	}
	w.WriteHeader(http.StatusOK)
	switch format {
	case "json":
		return true, writeJSON(ec, framing{"[", ",\n", "]\n", "[]\n"}, fields, rows, next)
	case "jsonl":
		return true, writeJSON(ec, framing{"", "\n", "\n", ""}, fields, rows, next)
	}
	for len(rows) > 0 {
		for _, r := range rows {
			cells := make([]csv.Cell, len(fields))
			for i, f := range fields {
				cells[i] = cellOf(f.value(r))
			}
			if err := out.row(cells); err != nil {
				return true, err
			}
		}
		if err := extend(ec); err != nil {
			return true, err
		}
		if rows, err = next(&rows[len(rows)-1]); err != nil {
			return true, err
		}
	}
	return true, out.close()
}

type sink struct {
	row   func([]csv.Cell) error
	close func() error
}

// framing is what stands before the objects of a list, between them, and after them, and
// what stands in place of none.
type framing struct{ begin, between, end, none string }

func writeJSON[T any](ec echo.Context, f framing, fields []field[T], rows []T, next func(*T) ([]T, error)) error {
	w := ec.Response()
	before, end := f.begin, f.none
	for len(rows) > 0 {
		for _, r := range rows {
			var b strings.Builder
			b.WriteString(before)
			before, end = f.between, f.end
			for i, f := range fields {
				v, err := json.Marshal(jsonOf(f.value(r)))
				if err != nil {
					return err
				}
				b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
				name, err := json.Marshal(f.name)
				if err != nil {
					return err
				}
				b.Write(name)
				b.WriteByte(':')
				b.Write(v)
			}
			b.WriteString("}")
			if _, err := w.Write([]byte(b.String())); err != nil {
				return err
			}
		}
		if err := extend(ec); err != nil {
			return err
		}
		var err error
		if rows, err = next(&rows[len(rows)-1]); err != nil {
			return err
		}
	}
	_, err := w.Write([]byte(end))
	return err
}

func jsonOf(v any) any {
	if t, ok := v.(time.Time); ok {
		if t.IsZero() {
			return nil
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	return v
}

func cellOf(v any) csv.Cell {
	switch x := jsonOf(v).(type) {
	case nil:
		return csv.Cell{Null: true}
	case string:
		return csv.Cell{Value: x, Quoted: x == ""}
	case json.RawMessage:
		return csv.Cell{Value: string(x)}
	default:
		return csv.Cell{Value: fmt.Sprint(x)}
	}
}

// extend gives a long answer more time, as long as it goes on and its reader may read.
func extend(ec echo.Context) error {
	rc := http.NewResponseController(ec.Response())
	_ = rc.SetWriteDeadline(time.Now().Add(time.Minute))
	return gate.Again(ec)
}

// downloads are the links to a list in other formats, with the filters of the page.
func downloads(ec echo.Context) ui.Download {
	return downloadsAt(ec.Request().URL.Path, ec.Request().URL.Query())
}

func downloadsAt(path string, filters url.Values) ui.Download {
	q := cloneQuery(filters)
	for _, k := range []string{"after", "before", "open"} {
		q.Del(k)
	}
	with := func(format string) string {
		q.Set("format", format)
		return path + "?" + q.Encode()
	}
	return ui.Download{CSV: with("csv"), JSON: with("json")}
}

// more is the pager of a list by keyset: a link past the last row when there are more.
func more(ec echo.Context, text, param, cursor string, label string) ui.Pager {
	p := ui.Pager{Text: text}
	q := ec.Request().URL.Query()
	if q.Get(param) != "" {
		first := cloneQuery(q)
		first.Del(param)
		p.Prev = ui.Link{Label: "First page", URL: address(ec, first)}
	}
	if cursor != "" {
		q.Set(param, cursor)
		p.Next = ui.Link{Label: label, URL: address(ec, q)}
	}
	return p
}

func cloneQuery(q url.Values) url.Values {
	out := url.Values{}
	for k, v := range q {
		out[k] = append([]string(nil), v...)
	}
	return out
}

func address(ec echo.Context, q url.Values) string {
	if len(q) == 0 {
		return ec.Request().URL.Path
	}
	return ec.Request().URL.Path + "?" + q.Encode()
}

// cursorOf and parseCursor write and read a place in a list by time.
func cursorOf(at time.Time, id int64) string {
	return strconv.FormatInt(at.UnixMicro(), 36) + "-" + strconv.FormatInt(id, 36)
}

func parseCursor(text string) (at time.Time, id int64, err error) {
	if text == "" {
		return time.Time{}, 0, nil
	}
	a, b, ok := strings.Cut(text, "-")
	micros, err1 := strconv.ParseInt(a, 36, 64)
	id, err2 := strconv.ParseInt(b, 36, 64)
	if !ok || err1 != nil || err2 != nil || micros <= 0 {
		return time.Time{}, 0, fault.New(fault.Invalid, "list.cursor", "This page of the list cannot be found. Start at its first page.")
	}
	return time.UnixMicro(micros).UTC(), id, nil
}

// parseNamed reads a place in a list that is ordered by a name.
func parseNamed(text string) (name string, id int64, err error) {
	name, number, ok := strings.Cut(text, "\n")
	if id, err = strconv.ParseInt(number, 10, 64); !ok || err != nil || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return "", 0, fault.New(fault.Invalid, "list.cursor", "This page of the list cannot be found. Start at its first page.")
	}
	return name, id, nil
}

// query reads a filter of the address, cut to a sane length.
func query(ec echo.Context, name string) string {
	q := strings.TrimSpace(ec.QueryParam(name))
	if len(q) > 500 {
		q = strings.ToValidUTF8(q[:500], "")
	}
	return strings.ReplaceAll(strings.ToValidUTF8(q, "�"), "\x00", "")
}
