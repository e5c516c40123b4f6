package markdown_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"

	"steward/views/markdown"
)

func draw(t *testing.T, source string) string {
	t.Helper()
	var b strings.Builder
	if err := markdown.Of(source).Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `<div class="markdown">`), "</div>")
}

func TestOf(t *testing.T) {
	t.Parallel()
	const rel = ` rel="noopener noreferrer nofollow"`
	for _, c := range []struct{ in, out string }{
		{"", ""},
		{"One line\nand another  \nafter a break", "<p>One line\nand another<br>after a break</p>"},
		{"# Title\n## Sub\n###### Deep", "<h3>Title</h3><h4>Sub</h4><h6>Deep</h6>"},
		{"Title\n=====", "<h3>Title</h3>"},
		{"- a\n- b\n  1. c", "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>"},
		{"> said\n\n---", "<blockquote><p>said</p></blockquote><hr>"},
		{"*a* **b** ~~c~~ `d <&> \\* &amp;`", "<p><em>a</em> <strong>b</strong> <del>c</del> <code>d &lt;&amp;&gt; \\* &amp;amp;</code></p>"},
		{"```sql\nSELECT '<b>';\n```", "<pre><code>SELECT &#39;&lt;b&gt;&#39;;\n</code></pre>"},
		{"    indented", "<pre><code>indented\n</code></pre>"},
		{`AT&amp;T &lt;b&gt; \*not\* &#x41; &copy;`, "<p>AT&amp;T &lt;b&gt; *not* A ©</p>"},
		{"[Orders](https://example.com/a?b=1&c=2 \"title\")", `<p><a href="https://example.com/a?b=1&amp;c=2"` + rel + `>Orders</a></p>`},
		{"<https://example.com> and <ada@example.com>", `<p><a href="https://example.com"` + rel + `>https://example.com</a> and <a href="mailto:ada@example.com"` + rel + `>ada@example.com</a></p>`},
		{"See https://example.com/x.", `<p>See <a href="https://example.com/x"` + rel + `>https://example.com/x</a>.</p>`},
		{"[ref]\n\n[ref]: https://example.com/", `<p><a href="https://example.com/"` + rel + `>ref</a></p>`},
		{"![a picture](https://example.com/p.png)", "<p>a picture</p>"},
		{"a <b>bold</b> word", "<p>a &lt;b&gt;bold&lt;/b&gt; word</p>"},
		{"مرحبا بالعالم and ďábelské ódy", "<p>مرحبا بالعالم and ďábelské ódy</p>"},
	} {
		if got := draw(t, c.in); got != c.out {
			t.Errorf("%q\n draws %s\n want  %s", c.in, got, c.out)
		}
	}
}

// hostile are texts that would do harm if anything of them came through.
var hostile = []string{
	"<script>alert(1)</script>", "<SCRIPT SRC=//example.com/x.js></SCRIPT>", "<img src=x onerror=alert(1)>", "a <img src=x onerror=alert(1)> b",
	"<svg/onload=alert(1)>", "<iframe src=javascript:alert(1)>", "<style>*{display:none}</style>", "<!--><script>alert(1)</script-->", "<![CDATA[<script>alert(1)</script>]]>",
	"<?php echo 1 ?>", "<!DOCTYPE html><script>", "</div></main><script>alert(1)</script>", "<div style=\"position:fixed\">\n\n# over\n\n</div>",
	"[a](javascript:alert(1))", "[a](JaVaScRiPt:alert(1))", "[a](java\nscript:alert(1))", "[a](&#106;avascript:alert(1))", "[a](javascript&colon;alert(1))",
	"[a](&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;alert(1))", "[a](\\javascript:alert(1))", "[a](<javascript:alert(1)>)", "[a](\x01javascript:alert(1))",
	"[a](vbscript:msgbox(1))", "[a](data:text/html,<script>alert(1)</script>)", "[a](//example.com)", "[a](/account/theme)", "[a](#main)", "[a](file:///etc/passwd)",
	"<javascript:alert(1)>", "<data:text/html;base64,PHNjcmlwdD4=>", "[a]: javascript:alert(1)\n\n[a]", "![a](javascript:alert(1))", "![<script>alert(1)</script>](x)",
	"[a](https://example.com/\" onmouseover=\"alert(1))", "[a](https://example.com/?\"><script>alert(1)</script>)", "[a](https://example.com \"\\\" onclick=alert(1) x=\\\"\")",
	"[[a](https://one.example)](https://two.example)", "[https://one.example](https://two.example)", "<https://example.com/\" onmouseover=\"alert(1)>",
	"# a {#main onclick=alert(1) .btn}", "```\"><script>alert(1)</script>\nx\n```", "`\"><script>alert(1)</script>`", "&lt;script&gt;alert(1)&lt;/script&gt;", "\\<script>alert(1)\\</script>",
	"<a href=\"https://example.com\" onclick=\"alert(1)\">x</a>", "<form action=/logout method=post><button>x</button></form>", "<base href=//example.com>", "<meta http-equiv=refresh content=0>",
	"\x00<script>\x00", "\xff\xfe<script>", "[a](https://ex\x00ample.com)", "[a](mailto:)", "[a](https://)", "[a](mailto:x@example.com?subject=\"><script>)",
	"\u202e<script>\u202c", "<scr<script>ipt>alert(1)</scr</script>ipt>",
}

// allowed are the only elements that may come out, none with an attribute but a.
var allowed = []string{"div", "p", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "hr", "pre", "code", "em", "strong", "del", "br", "a"}

// TestASVS_1_2_1_markdown: whatever goes in, only a few harmless elements come out.
func TestASVS_1_2_1_markdown(t *testing.T) {
	t.Parallel()
	texts := slices.Clone(hostile)
	for _, a := range hostile { // nested in all that holds text
		texts = append(texts, "# "+a, "- "+a, "> "+a, "**"+a+"**", "~~"+a+"~~", "["+a+"](https://example.com)", "1. > - "+a, "a | b\n-|-\n"+a+" | x")
	}
	for _, source := range texts {
		harmless(t, source)
	}
}

func harmless(t *testing.T, source string) {
	t.Helper()
	out := "<body>" + `<div class="markdown">` + draw(t, source) + "</div></body>"
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if n := doc.Find("body > *").Length(); n != 1 {
		t.Errorf("%.200q breaks out of its place", source)
	}
	doc.Find("body *").Each(func(_ int, el *goquery.Selection) {
		name := goquery.NodeName(el)
		if !slices.Contains(allowed, name) {
			t.Errorf("%.200q draws <%s>", source, name)
		}
		for _, a := range el.Nodes[0].Attr {
			if !attribute(name, a) {
				t.Errorf("%.200q draws <%s %s=%q>", source, name, a.Key, a.Val)
			}
		}
		if name == "a" && (el.AttrOr("rel", "") != "noopener noreferrer nofollow" || el.Find("a").Length() > 0) {
			t.Errorf("%.200q draws a link that is not bare", source)
		}
	})
}

func attribute(element string, a html.Attribute) bool {
	switch {
	case element == "div":
		return a.Key == "class" && a.Val == "markdown"
	case element != "a":
		return false
	case a.Key == "href":
		u, err := url.Parse(a.Val)
		return err == nil && slices.Contains([]string{"http", "https", "mailto"}, u.Scheme)
	}
	return a.Key == "rel"
}

// Whatever 10,000 characters say, they are drawn soon and do not nest without end.
func TestDeepAndLong(t *testing.T) {
	t.Parallel()
	const most = 10_000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, unit := range []string{
			"a", "> ", ">", "- ", "1. ", "* > ", "*", "**", "_a", "*a **b ", "[", "![", "[a](", "](", "[a]", "<", "<a", "<!--", "`", "` ``", "~~", "\\", "&", "&#", "(", "<b>", "|", "a  \n",
			"\n- ", "https://", "https://a.b/(", "www.a.", "a@b.c", "[](<", "[a][", "\t", "    ", "#", "***a", "\"", "<https://a.b>", "[x]: y\n", "- a\n\n  ",
		} {
			source := strings.Repeat(unit, most/len(unit))
			harmless(t, source)
			out := draw(t, source)
			if depth := nesting(t, out); depth > 30 {
				t.Errorf("%q nests %d deep", unit, depth)
			}
			if len(out) > 40*most {
				t.Errorf("%q becomes %d bytes", unit, len(out))
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute): // a library that takes its square or worse
		t.Error("is not done after a minute")
	}
}

func nesting(t *testing.T, out string) int {
	t.Helper()
	depth, deepest := 0, 0
	z := html.NewTokenizer(strings.NewReader(out))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return deepest
		case html.StartTagToken:
			if name, _ := z.TagName(); string(name) != "br" && string(name) != "hr" {
				depth++
				deepest = max(deepest, depth)
			}
		case html.EndTagToken:
			depth--
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, h := range hostile {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) <= 2000 {
			harmless(t, source)
		}
	})
}
