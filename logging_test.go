package steward_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// literal is the text of a string literal.
func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// template is a text that is put together, with a star for what is not literal.
func template(e ast.Expr) string {
	if text, ok := literal(e); ok {
		return text
	}
	switch x := e.(type) {
	case *ast.BinaryExpr:
		if x.Op == token.ADD {
			return strings.ReplaceAll(template(x.X)+template(x.Y), "**", "*")
		}
	case *ast.IndexExpr: // one of several
		if m, ok := x.X.(*ast.CompositeLit); ok {
			var all []string
			for _, e := range m.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					all = append(all, template(kv.Value))
				}
			}
			slices.Sort(all)
			return "{" + strings.Join(all, ",") + "}"
		}
	}
	return "*"
}

var logger = regexp.MustCompile(`(?i)^log$`)

// logged gives every line that the code can write to the log: level, message and fields.
func logged(t *testing.T) (out []string) {
	t.Helper()
	for _, f := range files(t) {
		if f.test || f.pkg == "cmd/bench" || f.pkg == "cmd/asvs" || f.pkg == "cmd/gallery" {
			continue
		}
		inspectFile(t, f.path, func(n ast.Node) {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !logger.MatchString(last(s.X)) {
				return
			}
			level, args := strings.ToLower(s.Sel.Name), call.Args
			switch level {
			case "debug", "info", "warn", "error":
			case "log":
				level, args = "by its status", args[2:]
			default:
				return
			}
			message, ok := literal(args[0])
			if !ok {
				t.Errorf("%s: a message that is put together", f.path)
			}
			var fields []string
			for i := 1; i < len(args); i += 2 {
				name, ok := literal(args[i])
				if !ok {
					t.Errorf("%s: %q has a field without a name", f.path, message)
				}
				fields = append(fields, name)
			}
			out = append(out, level+" | "+message+" | "+strings.Join(fields, ", "))
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// last is the last name of an expression such as s.app.Log.
func last(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

// recorded gives the name of every event that the code can record, with a star for a part
// that is told at run time.
func recorded(t *testing.T) (out []string) {
	t.Helper()
	// Functions that record an event of a name that they are given, with what they put before it.
	through := map[string]struct {
		arg    int
		before string
	}{"In": {1, ""}, "By": {1, ""}, "told": {3, "storage."}, "noted": {3, "storage.*"}, "event": {2, ""}, "about": {2, ""}, "inOrganization": {1, ""}, "lifeEvent": {3, ""}}
	for _, f := range files(t) {
		if f.test || strings.HasPrefix(f.pkg, "cmd/") || f.pkg == "web/webtest" {
			continue
		}
		inspectFile(t, f.path, func(n ast.Node) {
			switch x := n.(type) {
			case *ast.CallExpr:
				fn := ""
				switch c := x.Fun.(type) {
				case *ast.Ident:
					fn = c.Name
				case *ast.SelectorExpr:
					if fn = c.Sel.Name; (fn == "In" || fn == "By") && last(c.X) != "audit" {
						return
					}
				}
				if by, ok := through[fn]; ok && len(x.Args) > by.arg {
					name := by.before + template(x.Args[by.arg])
					out = append(out, strings.ReplaceAll(name, "**", "*"))
				}
			case *ast.KeyValueExpr: // of what becomes an event when its job ends, see told
				if name, ok := literal(x.Value); ok && last(x.Key) == "event" {
					out = append(out, "storage."+name)
				}
			case *ast.AssignStmt:
				for i, to := range x.Lhs {
					if _, named := to.(*ast.SelectorExpr); named && last(to) == "event" && len(x.Rhs) == len(x.Lhs) {
						if name, ok := literal(x.Rhs[i]); ok {
							out = append(out, "storage."+name)
						}
					}
				}
			case *ast.CompositeLit:
				s, ok := x.Type.(*ast.SelectorExpr)
				if !ok || s.Sel.Name != "Event" || last(s.X) != "audit" {
					return
				}
				for _, e := range x.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && last(kv.Key) == "Name" {
						out = append(out, template(kv.Value))
					}
				}
			}
		})
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(name string) bool { return !strings.Contains(name, ".") || name == "storage.*" }) // a name that is handed on
}

// TestASVS_16_1_1: the list of what is logged names every line that the code writes with its
// fields, and every event that it records, and no others; and of each sink where it is, who
// reads it and how long it stays.
func TestASVS_16_1_1(t *testing.T) {
	t.Parallel()
	doc := document(t, "logging.md")
	var lines, events []string
	for _, r := range rows(section(t, doc, "Lines")) {
		if len(r) != 4 || r[3] == "" {
			t.Errorf("a line of which not all is said: %v", r)
			continue
		}
		lines = append(lines, strings.Join(r[:3], " | "))
	}
	for _, r := range rows(section(t, doc, "Events")) {
		for _, m := range quoted.FindAllStringSubmatch(r[1], -1) {
			events = append(events, m[1])
		}
	}
	for what, c := range map[string]struct{ doc, code []string }{"line": {lines, logged(t)}, "event": {events, recorded(t)}} {
		if len(c.code) < 30 {
			t.Fatalf("only %d × %s", len(c.code), what)
		}
		for _, x := range c.code {
			if !slices.Contains(c.doc, x) {
				t.Errorf("the list lacks the %s %q", what, x)
			}
		}
		for _, x := range c.doc {
			if !slices.Contains(c.code, x) {
				t.Errorf("the list has the %s %q, which the code does not", what, x)
			}
		}
	}
	for _, r := range rows(doc)[:2] {
		if len(r) != 5 || slices.Contains(r, "") {
			t.Errorf("a sink of which not all is said: %v", r)
		}
	}
}

// TestASVS_16_2_3_code: nothing writes to another sink behind the log's back.
func TestASVS_16_2_3_code(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if f.test || f.pkg == "cmd/bench" || f.pkg == "cmd/asvs" || f.pkg == "cmd/gallery" {
			continue
		}
		for _, i := range f.imports {
			if i == "log" || i == "log/syslog" || i == "expvar" || (i == "log/slog" && strings.HasPrefix(f.pkg, "views")) {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
		inspectFile(t, f.path, func(n ast.Node) {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return
			}
			if x := last(s.X); x == "slog" && slices.Contains([]string{"Info", "Warn", "Error", "Debug", "Default", "SetDefault", "NewTextHandler"}, s.Sel.Name) ||
				x == "os" && (s.Sel.Name == "Stderr" || s.Sel.Name == "Stdout") && f.path != "cmd/steward/main.go" {
				t.Errorf("%s uses %s.%s", f.path, x, s.Sel.Name)
			}
		})
	}
}
