// Package markdown draws what people write about their data: CommonMark, as far as it is harmless.
//
// A library reads the text; this package writes the page. It knows a few elements and no attribute but the address of a
// link, so that nothing else can come out, whatever went in: HTML is shown as the text it is, images as their
// descriptions, and a link leads to http, https or mailto, or nowhere.
package markdown

import (
	"bufio"
	"context"
	"html"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	strike "github.com/yuin/goldmark/extension/ast"
	renderer "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// depthMax is how deep elements nest; what lies deeper is drawn without its elements.
const depthMax = 24

// A text stands in a card, whose heading is of level 2.
const (
	headingMin = 3
	headingMax = 6
)

// Of draws a text.
func Of(source string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		d := drawing{source: []byte(strings.ToValidUTF8(source, "�"))}
		read := goldmark.New(goldmark.WithExtensions(extension.Strikethrough, extension.Linkify)).Parser()
		d.write(`<div class="markdown">`)
		d.children(read.Parse(text.NewReader(d.source)), 0)
		d.write("</div>")
		_, err := io.WriteString(w, d.out.String())
		return err
	})
}

// drawing is a text on its way to a page.
type drawing struct {
	source []byte
	out    strings.Builder
	linked bool // inside a link
}

func (d *drawing) write(markup string) { d.out.WriteString(markup) }

// say writes text, in which nothing is markup.
func (d *drawing) say(s string) { d.write(templ.EscapeString(s)) }

func (d *drawing) children(n ast.Node, depth int) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		d.node(c, depth)
	}
}

// in draws the children of a node inside an element.
func (d *drawing) in(element string, n ast.Node, depth int) {
	if depth >= depthMax {
		d.children(n, depth)
		return
	}
	d.write("<" + element + ">")
	d.children(n, depth+1)
	d.write("</" + element + ">")
}

func (d *drawing) node(n ast.Node, depth int) {
	switch n := n.(type) {
	case *ast.Paragraph:
		d.in("p", n, depth)
	case *ast.Heading:
		d.in("h"+strconv.Itoa(min(n.Level+headingMin-1, headingMax)), n, depth)
	case *ast.Blockquote:
		d.in("blockquote", n, depth)
	case *ast.List:
		if n.IsOrdered() {
			d.in("ol", n, depth)
		} else {
			d.in("ul", n, depth)
		}
	case *ast.ListItem:
		d.in("li", n, depth)
	case *ast.ThematicBreak:
		d.write("<hr>")
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		d.write("<pre><code>")
		d.lines(n.Lines())
		d.write("</code></pre>")
	case *ast.HTMLBlock:
		d.write("<p>")
		d.lines(n.Lines())
		if n.HasClosure() {
			d.say(string(n.ClosureLine.Value(d.source)))
		}
		d.write("</p>")
	case *ast.RawHTML:
		d.lines(n.Segments)
	case *ast.Emphasis:
		if n.Level == 1 {
			d.in("em", n, depth)
		} else {
			d.in("strong", n, depth)
		}
	case *strike.Strikethrough:
		d.in("del", n, depth)
	case *ast.CodeSpan:
		d.in("code", n, depth)
	case *ast.Link:
		d.link(string(util.URLEscape(n.Destination, true)), func() { d.children(n, depth) })
	case *ast.AutoLink:
		address := string(n.URL(d.source))
		if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(address), "mailto:") {
			address = "mailto:" + address
		}
		d.link(address, func() { d.say(string(n.Label(d.source))) })
	case *ast.Text:
		d.text(n)
	case *ast.String:
		d.say(string(n.Value))
	default: // text blocks of short lists, images: what stands in them
		d.children(n, depth)
	}
}

func (d *drawing) lines(s *text.Segments) {
	for i := range s.Len() {
		line := s.At(i)
		d.say(string(line.Value(d.source)))
	}
}

// text writes words, with their escapes and entities resolved.
func (d *drawing) text(n *ast.Text) {
	value := string(n.Value(d.source))
	if _, code := n.Parent().(*ast.CodeSpan); !code && !n.IsRaw() {
		var plain strings.Builder
		w := bufio.NewWriter(&plain)
		renderer.DefaultWriter.Write(w, n.Value(d.source))
		_ = w.Flush() // into memory
		value = html.UnescapeString(plain.String())
	}
	d.say(value)
	switch {
	case n.HardLineBreak():
		d.write("<br>")
	case n.SoftLineBreak():
		d.write("\n")
	}
}

// link draws words that lead somewhere, or the words alone when the address is none that a text may lead to.
func (d *drawing) link(address string, words func()) {
	u, err := url.Parse(address)
	leads := err == nil && slices.Contains([]string{"http", "https", "mailto"}, u.Scheme) && (u.Host != "" || u.Opaque != "")
	if !leads || d.linked {
		words()
		return
	}
	d.write(`<a href="` + templ.EscapeString(u.String()) + `" rel="noopener noreferrer nofollow">`)
	d.linked = true
	words()
	d.linked = false
	d.write("</a>")
}
