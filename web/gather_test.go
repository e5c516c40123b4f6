package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// pieces notes the sizes of what is written.
type pieces struct {
	*httptest.ResponseRecorder
	sizes []int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.sizes = append(p.sizes, len(b))
	return p.ResponseRecorder.Write(b)
}

func TestGather(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 10_000)
	run := func(h http.HandlerFunc) *pieces {
		p := &pieces{ResponseRecorder: httptest.NewRecorder()}
		gather(h).ServeHTTP(p, httptest.NewRequest(http.MethodGet, "/", nil))
		return p
	}

	t.Run("in few pieces, and whole", func(t *testing.T) {
		t.Parallel()
		for range 3 {
			p := run(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusTeapot)
				for i := 0; i < len(text); i += 10 {
					_, _ = io.WriteString(w, text[i:i+10])
				}
			})
			if p.Code != http.StatusTeapot || p.Body.String() != text || len(p.sizes) != 2 {
				t.Errorf("status %d, %d bytes in pieces of %v", p.Code, p.Body.Len(), p.sizes)
			}
		}
	})

	t.Run("at once when it is flushed", func(t *testing.T) {
		t.Parallel()
		var held []bool
		p := run(func(w http.ResponseWriter, _ *http.Request) {
			for range 2 {
				_, _ = io.WriteString(w, "message")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				held = append(held, w.(*gatherer).waiting != nil)
			}
		})
		if len(p.sizes) != 2 || !p.Flushed || held[0] || held[1] {
			t.Errorf("pieces of %v, flushed %v, buffer held %v", p.sizes, p.Flushed, held)
		}
	})

	t.Run("nothing of a handler that panics", func(t *testing.T) {
		t.Parallel()
		p := &pieces{ResponseRecorder: httptest.NewRecorder()}
		func() {
			defer func() { _ = recover() }()
			gather(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half")
				panic(http.ErrAbortHandler)
			})).ServeHTTP(p, httptest.NewRequest(http.MethodGet, "/", nil))
		}()
		if len(p.sizes) != 0 {
			t.Errorf("pieces of %v were sent", p.sizes)
		}
	})
}
