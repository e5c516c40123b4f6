package console

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/storage"
)

// fileDownload gives a file's own bytes. A download is the reader's activity, and ends
// when they may not read the file any more.
func (c *Console) fileDownload(ec echo.Context, s access.Project) error {
	id, err := number(ec, "file")
	if err != nil {
		return err
	}
	var f storage.File
	err = c.view(ec, func(tx *db.Tx) (err error) { f, err = c.app.Storage.File(tx, s, id); return err })
	if err != nil {
		return err
	}
	if err := savable(ec); err != nil {
		return err
	}
	r, err := c.app.Storage.Download(ec.Request().Context(), s, f)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	saved(ec, f.Name, "application/octet-stream") // nobody knows what its bytes mean
	h := ec.Response().Header()
	h.Set(echo.HeaderContentLength, strconv.FormatInt(f.Bytes, 10))
	h.Set("No-Gzip-Compression", "1") // it would hide the length, and most files are compressed
	ec.Response().WriteHeader(http.StatusOK)
	_, err = io.Copy(ec.Response(), c.patientReading(ec, s, id, r))
	return err
}

// patientReading reads a file that is being downloaded for as long as that goes on: the
// connection's deadline moves with it, and every few seconds it is asked again whether
// the reader may still have the file.
func (c *Console) patientReading(ec echo.Context, s access.Project, file int64, r io.Reader) io.Reader {
	rc := http.NewResponseController(ec.Response())
	checked := time.Now()
	return readerFunc(func(p []byte) (int, error) {
		now := time.Now()
		_ = rc.SetWriteDeadline(now.Add(time.Minute))
		if now.Sub(checked) > 5*time.Second {
			checked = now
			still, err := c.stillIn(ec, s, access.StorageRead, true)
			if err != nil {
				return 0, err
			}
			if err := c.view(ec, func(tx *db.Tx) error { _, err := c.app.Storage.File(tx, still, file); return err }); err != nil {
				return 0, err
			}
		}
		return r.Read(p)
	})
}

// savable is Forbidden when a page wants a file for a part of itself, as a frame, an image
// or a script.
func savable(ec echo.Context) error {
	if !control.On(control.FilesAreSaved) {
		return nil
	}
	switch ec.Request().Header.Get("Sec-Fetch-Dest") {
	case "", "document", "empty":
		return nil
	}
	return fault.New(fault.Forbidden, "http.destination", "This is a file to be saved, and no part of a page.")
}

// saved makes an answer a file that a browser saves. It is not drawn, not even by a browser
// that does not save it: whoever made its content may have meant it for a page of ours.
func saved(ec echo.Context, name, kind string) {
	h := ec.Response().Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set(echo.HeaderContentType, kind)
	h.Set(echo.HeaderContentDisposition, attachment(name))
}

// attachment is the Content-Disposition of a download under a name, as RFC 6266 has it:
// a name in ASCII for all, and the whole name for those who know UTF-8 there.
func attachment(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	header := fmt.Sprintf(`attachment; filename="%s"`, plain)
	if plain != name {
		header += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return header
}
