package static_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"steward/static"
)

func get(t *testing.T, url string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	static.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestURL(t *testing.T) {
	t.Parallel()
	if got := static.URL("console.css"); !regexp.MustCompile(`^/static/console-[0-9a-f]{8}\.css$`).MatchString(got) {
		t.Errorf("got %s", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a name that is not there does not panic")
		}
	}()
	static.URL("nothing.css")
}

func TestHandler(t *testing.T) {
	t.Parallel()
	for name, contentType := range map[string]string{
		"console.css":           "text/css; charset=utf-8",
		"console.js":            "text/javascript; charset=utf-8",
		"htmx.js":               "text/javascript; charset=utf-8",
		"icons.svg":             "image/svg+xml",
		"mark.svg":              "image/svg+xml",
		"chevron.svg":           "image/svg+xml",
		"inter-latin.woff2":     "font/woff2",
		"inter-latin-ext.woff2": "font/woff2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain := get(t, static.URL(name))
			if plain.StatusCode != http.StatusOK {
				t.Fatalf("status %d", plain.StatusCode)
			}
			if got := plain.Header.Get("Content-Type"); got != contentType {
				t.Errorf("content type %q", got)
			}
			if got := plain.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
				t.Errorf("cache control %q", got)
			}
			if plain.Header.Get("Content-Encoding") != "" {
				t.Error("compressed without being asked")
			}
			want := body(t, plain)

			tag := plain.Header.Get("ETag")
			if again := get(t, static.URL(name), "If-None-Match", tag); tag == "" || again.StatusCode != http.StatusNotModified {
				t.Errorf("tag %q gives status %d", tag, again.StatusCode)
			}

			zipped := get(t, static.URL(name), "Accept-Encoding", "br, gzip;q=0.8")
			if strings.HasSuffix(name, ".woff2") {
				if zipped.Header.Get("Content-Encoding") != "" {
					t.Error("a font is compressed twice")
				}
				return
			}
			if zipped.Header.Get("Content-Encoding") != "gzip" || zipped.Header.Get("Vary") != "Accept-Encoding" {
				t.Fatalf("not compressed: %v", zipped.Header)
			}
			if zipped.Header.Get("ETag") == tag {
				t.Error("both forms have one tag")
			}
			r, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != want {
				t.Errorf("the compressed form differs: %v", err)
			}
			if refused := get(t, static.URL(name), "Accept-Encoding", "gzip;q=0"); refused.Header.Get("Content-Encoding") != "" {
				t.Error("compressed although refused")
			}
		})
	}
}

func TestHandlerRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"/static/", "/static/css/", "/static/console.css", "/static/css/console.css", "/static/console-00000000.css", "/static/../static.go"} {
		if got := get(t, url).StatusCode; got != http.StatusNotFound {
			t.Errorf("%s: status %d", url, got)
		}
	}
	w := httptest.NewRecorder()
	static.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, static.URL("mark.svg"), nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", w.Code)
	}
}

// Style sheets name other files by their hashed address, and nothing outside of this folder.
func TestReferences(t *testing.T) {
	t.Parallel()
	refs := regexp.MustCompile(`url\(([^)]*)\)`).FindAllStringSubmatch(body(t, get(t, static.URL("console.css"))), -1)
	if len(refs) < 3 {
		t.Fatalf("found %d references", len(refs))
	}
	for _, ref := range refs {
		url := strings.Trim(ref[1], `"`)
		if got := get(t, url).StatusCode; got != http.StatusOK {
			t.Errorf("%s: status %d", url, got)
		}
	}
}

// What a first visit fetches stays small.
func TestBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		files []string
		most  int64
	}{
		{[]string{"console.css"}, 12_500},
		{[]string{"console.js", "htmx.js"}, 20_000},
		{[]string{"icons.svg"}, 4_500},
	} {
		var size int64
		for _, name := range tt.files {
			size += int64(len(body(t, get(t, static.URL(name), "Accept-Encoding", "gzip"))))
		}
		if size > tt.most {
			t.Errorf("%v: %d bytes, at most %d", tt.files, size, tt.most)
		}
	}
}

// The files taken over from elsewhere are those that VENDOR.md names.
func TestVendored(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("VENDOR.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$`).FindAllStringSubmatch(string(text), -1)
	if len(rows) == 0 {
		t.Fatal("no file is named")
	}
	for _, row := range rows {
		b, err := os.ReadFile(row[1])
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != row[2] {
			t.Errorf("%s is another file: %x", row[1], sum)
		}
	}
}
