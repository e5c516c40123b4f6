package ui_test

import (
	"context"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"steward/views/ui"
)

// render draws a component and reads it back.
func render(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	var b strings.Builder
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func words(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

func TestErrorSummary(t *testing.T) {
	t.Parallel()
	t.Run("None", func(t *testing.T) {
		t.Parallel()
		if doc := render(t, ui.ErrorSummary(nil, "name")); doc.Find(".error-summary").Length() != 0 {
			t.Error("drawn without faults")
		}
	})
	t.Run("InPageOrder", func(t *testing.T) {
		t.Parallel()
		doc := render(t, ui.ErrorSummary(ui.Errors{"b": "B is wrong", "a": "A is wrong", "": "All is wrong", "x": "X is wrong"}, "b", "a"))
		if got := words(doc.Find("h2")); got != "4 things need fixing" {
			t.Errorf("title %q", got)
		}
		if got := strings.Join(doc.Find("li").Map(func(_ int, li *goquery.Selection) string { return words(li) }), ", "); got != "All is wrong, B is wrong, A is wrong, X is wrong" {
			t.Errorf("order %q", got)
		}
		links := doc.Find("a").Map(func(_ int, a *goquery.Selection) string { return a.AttrOr("href", "") })
		if got := strings.Join(links, " "); got != "#b #a" {
			t.Errorf("links %q: a fault of an unknown field leads nowhere", got)
		}
	})
}

func TestInput(t *testing.T) {
	t.Parallel()
	doc := render(t, ui.Input(ui.Field{ID: "name", Label: "Name", Hint: "Short", Error: "Enter a name", Value: `"><script>`, Suggestions: []string{"a", "b"}, Required: true}))
	input := doc.Find("input#name")
	if got := input.AttrOr("value", ""); got != `"><script>` {
		t.Errorf("value %q", got)
	}
	if doc.Find("script").Length() != 0 {
		t.Error("a value becomes markup")
	}
	if got := input.AttrOr("aria-describedby", ""); got != "name-hint name-error" {
		t.Errorf("described by %q", got)
	}
	if input.AttrOr("aria-invalid", "") != "true" {
		t.Error("not marked as wrong")
	}
	if doc.Find("label[for=name]").Length() != 1 || doc.Find("datalist#name-list option").Length() != 2 || input.AttrOr("list", "") != "name-list" {
		t.Error("label or suggestions are missing")
	}
}

func TestButtonOf(t *testing.T) {
	t.Parallel()
	if doc := render(t, ui.ButtonOf(ui.Button{Label: "Load data", URL: "/load"})); doc.Find("a.btn[href='/load']").Length() != 1 {
		t.Error("an address makes no link")
	}
	doc := render(t, ui.ButtonOf(ui.Button{Label: "Close", Icon: "x", IconOnly: true}))
	if b := doc.Find("button.btn"); b.AttrOr("aria-label", "") != "Close" || words(b) != "" {
		t.Error("an icon alone has no name")
	}
	if doc := render(t, ui.ButtonOf(ui.Button{Label: "x", URL: "javascript:alert(1)"})); strings.HasPrefix(doc.Find("a").AttrOr("href", ""), "javascript") {
		t.Error("a script is let through as an address")
	}
}

// What is not offered is not drawn.
func TestPageHeaderLeavesOut(t *testing.T) {
	t.Parallel()
	doc := render(t, ui.PageHeader(ui.Header{Title: "Storage", Actions: []ui.Button{{Label: "New bucket"}, {Label: "Load data", URL: "/load"}}}))
	if got := words(doc.Find(".btn-row")); got != "Load data" {
		t.Errorf("got %q", got)
	}
	if doc := render(t, ui.PageHeader(ui.Header{Title: "Storage", Actions: []ui.Button{{Label: "New bucket"}}})); doc.Find(".btn-row").Length() != 0 {
		t.Error("an empty row of buttons is drawn")
	}
}

func TestValueOf(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 81)
	for _, tt := range []struct {
		name   string
		value  ui.Value
		find   string
		want   string
		folded bool
	}{
		{"Null", ui.Value{Null: true}, ".null", "null", false},
		{"Empty", ui.Value{}, ".null", "empty", false},
		{"TheWordNull", ui.Value{Text: "null"}, ".value", "null", false},
		{"Spaces", ui.Value{Text: "  a  "}, ".value", "  a  ", false},
		{"Markup", ui.Value{Text: "<b>&amp;"}, ".value", "<b>&amp;", false},
		{"Long", ui.Value{Text: long}, ".whole", long, true},
		{"Lines", ui.Value{Text: "a\nb"}, ".whole", "a\nb", true},
		{"Cut", ui.Value{Text: "a", Cut: "1 of 2 characters"}, ".whole", "a", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := render(t, ui.ValueOf(tt.value))
			if got := doc.Find(tt.find).Text(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := doc.Find("details").Length() == 1; got != tt.folded {
				t.Errorf("folded: %v", got)
			}
			if tt.value.Cut != "" && words(doc.Find(".badge")) != tt.value.Cut {
				t.Error("does not say that it is cut")
			}
		})
	}
}

func TestBadge(t *testing.T) {
	t.Parallel()
	seen := map[string]ui.State{}
	for _, s := range []ui.State{ui.Waiting, ui.Processing, ui.Success, ui.Warning, ui.Error, ui.Cancelled} {
		doc := render(t, ui.Badge(s))
		if got := words(doc.Find(".badge")); got != string(s) {
			t.Errorf("got %q, want %q", got, s)
		}
		mark := doc.Find("use").AttrOr("href", "")
		if other, ok := seen[mark]; ok {
			t.Errorf("%s and %s have one mark", s, other)
		}
		seen[mark] = s
	}
}

func TestPartial(t *testing.T) {
	t.Parallel()
	doc := render(t, ui.Partial("job-7-head", templ.Raw("<p>new</p>")))
	p := doc.Find("hx-partial")
	if p.AttrOr("hx-target", "") != "#job-7-head" || p.AttrOr("hx-swap", "") != "innerMorph" || words(p) != "new" {
		t.Errorf("got %s", doc.Text())
	}
}

func TestSparkline(t *testing.T) {
	t.Parallel()
	for _, points := range [][]float64{{1, 2}, {3, 3, 3}, {-5, 0, 12.5}} {
		doc := render(t, ui.TileOf(ui.Tile{ID: "t", Title: "Rows", Figure: "1", Points: points, Trend: "Rising"}))
		if d := doc.Find("svg path").Eq(1).AttrOr("d", ""); !strings.HasPrefix(d, "M0.0 ") || strings.Contains(d, "NaN") {
			t.Errorf("%v: path %q", points, d)
		}
	}
	if doc := render(t, ui.TileOf(ui.Tile{ID: "t", Points: []float64{1}})); doc.Find("svg").Length() != 0 {
		t.Error("one point makes a line")
	}
}
