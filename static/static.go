// Package static holds the files a browser fetches beside the pages: style, scripts, icons and fonts.
//
// Every file is served under a name that carries a hash of its content, so browsers may keep it for ever.
// Pages ask for that name with URL; references inside the style sheets are rewritten to such names too.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Prefix is the path below which Handler answers.
const Prefix = "/static/"

//go:embed css js icons fonts
var files embed.FS

// URL returns the address of a file, given by its base name ("console.css").
// It panics for a name that is not embedded: that is a typing error, which any rendering test finds.
func URL(name string) string {
	a, ok := shelf().byName[name]
	if !ok {
		panic(fmt.Sprintf("static: no file named %q", name))
	}
	return a.url
}

// Handler serves the files below Prefix under their hashed names, compressed where that helps.
// Other names are not found, other methods than GET and HEAD not allowed.
func Handler() http.Handler {
	byURL := shelf().byURL
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := byURL[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
			return
		}
		a.serve(w, r)
	})
}

// asset is one file as it is sent.
type asset struct {
	url, contentType, hash string
	plain, zipped          []byte // zipped is nil where compression gains nothing
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", a.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	body, tag := a.plain, a.hash
	if a.zipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body, tag = a.zipped, a.hash+"-gz"
		}
	}
	tag = `"` + tag + `"`
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// acceptsGzip reads an Accept-Encoding header: gzip counts unless it is refused with q=0.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q := strings.ReplaceAll(params, " ", "")
		return q != "q=0" && !strings.HasPrefix(q, "q=0.0")
	}
	return false
}

// assets is the table of all files.
type assets struct {
	byName map[string]*asset
	byURL  map[string]*asset
}

// shelf builds the table on first use. The files are compiled in, so a failure is a fault of the build.
var shelf = sync.OnceValue(func() *assets {
	s, err := load(files)
	if err != nil {
		panic("static: " + err.Error())
	}
	return s
})

// load reads all files, style sheets last: they name the others.
func load(fsys fs.FS) (*assets, error) {
	s := &assets{byName: map[string]*asset{}, byURL: map[string]*asset{}}
	var sheets []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if path.Ext(name) == ".css" {
			sheets = append(sheets, name)
			return nil
		}
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		return s.add(name, body)
	})
	if err != nil {
		return nil, err
	}
	for _, name := range sheets {
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if body, err = s.resolve(name, body); err != nil {
			return nil, err
		}
		if err := s.add(name, body); err != nil {
			return nil, err
		}
	}
	return s, nil
}

var reference = regexp.MustCompile(`url\("([^"]+)"\)`)

// resolve puts hashed addresses in place of the relative ones of a style sheet.
func (s *assets) resolve(name string, sheet []byte) ([]byte, error) {
	var missing error
	out := reference.ReplaceAllFunc(sheet, func(m []byte) []byte {
		ref := string(reference.FindSubmatch(m)[1])
		a, ok := s.byName[path.Base(ref)]
		if !ok {
			missing = fmt.Errorf("%s refers to %s, which is not here", name, ref)
			return m
		}
		return []byte(`url("` + a.url + `")`)
	})
	return out, missing
}

func (s *assets) add(name string, body []byte) error {
	contentType, compress, err := kind(path.Ext(name))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	base := path.Base(name)
	if _, taken := s.byName[base]; taken {
		return fmt.Errorf("two files are named %s", base)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:4])
	ext := path.Ext(base)
	a := &asset{
		url:         Prefix + strings.TrimSuffix(base, ext) + "-" + hash + ext,
		contentType: contentType,
		hash:        hash,
		plain:       body,
	}
	if compress {
		if a.zipped, err = zip(body); err != nil {
			return err
		}
	}
	s.byName[base], s.byURL[a.url] = a, a
	return nil
}

// kind tells how files with an extension are sent.
func kind(ext string) (contentType string, compress bool, err error) {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8", true, nil
	case ".js":
		return "text/javascript; charset=utf-8", true, nil
	case ".svg":
		return "image/svg+xml", true, nil
	case ".woff2":
		return "font/woff2", false, nil
	}
	return "", false, fmt.Errorf("no content type for %q", ext)
}

func zip(body []byte) ([]byte, error) {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
