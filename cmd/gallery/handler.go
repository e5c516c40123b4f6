package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"steward/static"
	"steward/views/errors"
	"steward/views/layout"
	"steward/views/storage"
	"steward/views/ui"
)

// policy is the content security policy that the console is served with.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"

// Handler serves an index at /, each screen at /<name>, and the stream of the screen that is live.
// ?theme=light or ?theme=dark sets the theme of a screen.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(static.Prefix, static.Handler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		render(w, r, http.StatusOK, index())
	})
	mux.HandleFunc("GET /live", live)
	for _, s := range Screens() {
		mux.HandleFunc("GET /"+s.Name, func(w http.ResponseWriter, r *http.Request) {
			render(w, r, s.Status, s.Component)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // forms and uploads can be sent, and lead nowhere
		render(w, r, http.StatusNotFound, errors.Page(errors.Error{Status: http.StatusNotFound}))
	})
	return mux
}

func render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	var page bytes.Buffer
	if err := c.Render(r.Context(), &page); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	html := page.String()
	if theme := r.URL.Query().Get("theme"); theme == "light" || theme == "dark" {
		html = strings.Replace(html, "<html", `<html data-theme="`+theme+`"`, 1)
	}
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, html)
}

// index links all screens.
func index() templ.Component {
	var items []ui.Item
	for _, s := range Screens() {
		items = append(items, ui.Item{Icon: "file-text", Text: s.Title, URL: "/" + s.Name, Sub: s.Name})
	}
	card := ui.CardOf(ui.Card{ID: "screens", Title: "Screens"})
	page := layout.PublicPage(layout.Public{Title: "Gallery", Wide: true})
	body := templ.Join(ui.PageHeader(ui.Header{Title: "Gallery", Lede: "Every screen with sample content."}), nest(card, ui.List(items)))
	return nest(page, body)
}

// nest renders a component with another as its children.
func nest(outer, inner templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return outer.Render(templ.WithChildren(ctx, inner), w)
	})
}

// live streams a job that loads a little more every time and ends after about a minute.
func live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	for percent := 64; percent <= 100; percent += 3 {
		card, log := runningJob(percent)
		if err := send(r.Context(), w, percent, storage.JobUpdate(card, log)); err != nil {
			return
		}
		if err := flush.Flush(); err != nil {
			return
		}
		select {
		case <-time.After(5 * time.Second):
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprint(w, "event: end\ndata:\n\n")
}

// send writes one message of the stream.
func send(ctx context.Context, w io.Writer, id int, c templ.Component) error {
	var html bytes.Buffer
	if err := c.Render(ctx, &html); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", id, strings.ReplaceAll(html.String(), "\n", "\ndata: "))
	return err
}
