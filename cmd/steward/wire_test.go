package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"steward/internal/db/dbtest"
)

// talk writes what no client would, and reads until the server closes the connection.
func talk(t *testing.T, conn net.Conn, raw string) (answers []string, closed bool) {
	t.Helper()
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	for _, status := range regexp.MustCompile(`(?m)^HTTP/1\.[01] (\d{3})`).FindAllSubmatch(b, -1) {
		answers = append(answers, string(status[1]))
	}
	return answers, err == nil || !os.IsTimeout(err)
}

func dial(t *testing.T, s *server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.URL[strings.Index(s.URL, "//")+2:])
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestASVS_4_2_1, the smuggling of a request past a proxy (case 56): where the end of a
// message can be read in two ways, the server answers once and closes; what follows is no
// request.
func TestASVS_4_2_1(t *testing.T) {
	t.Parallel()
	s := startServe(t, t.TempDir(), dbtest.DSN(t))
	const smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	form := func(headers, body string) string {
		return "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" + headers + "\r\n" + body + smuggled
	}
	upload := func(headers, body string) string {
		return "POST /projects/1/storage/load HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n" + headers + "\r\n" + body + smuggled
	}
	for what, c := range map[string]struct {
		raw  string
		want string // of the only answer
	}{
		"both lengths":               {form("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400"},
		"both, the other way round":  {form("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), "400"},
		"both of an upload":          {upload("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "303"},
		"chunks":                     {form("Transfer-Encoding: chunked\r\n", "3\r\na=1\r\n0\r\n\r\n"), "400"},
		"a bad chunk":                {form("Transfer-Encoding: chunked\r\n", "zz\r\na=1\r\n0\r\n\r\n"), "400"},
		"a bad chunk of an upload":   {upload("Transfer-Encoding: chunked\r\n", "zz\r\na=1\r\n0\r\n\r\n"), "303"},
		"two lengths":                {form("Content-Length: 3\r\nContent-Length: 40\r\n", "a=1"), "400"},
		"a list of lengths":          {form("Content-Length: 3, 40\r\n", "a=1"), "400"},
		"a signed length":            {form("Content-Length: +3\r\n", "a=1"), "400"},
		"a negative length":          {form("Content-Length: -3\r\n", "a=1"), "400"},
		"a length in hex":            {form("Content-Length: 0x3\r\n", "a=1"), "400"},
		"an unknown encoding":        {form("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), "501"},
		"two encodings":              {form("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), "501"},
		"an encoding in a list":      {form("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"), "501"},
		"a space before the colon":   {form("Transfer-Encoding : chunked\r\nContent-Length: 3\r\n", "a=1"), "400"},
		"a sign that no name has":    {form("Content\x00-Length: 3\r\n", "a=1"), "400"},
		"a line end within a header": {form("X: y\rContent-Length: 3\r\nContent-Length: 40\r\n", "a=1"), "400"},
		"no host":                    {"POST /login HTTP/1.1\r\nContent-Length: 3\r\n\r\na=1" + smuggled, "400"},
		"two hosts":                  {"POST /login HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 3\r\n\r\na=1" + smuggled, "400"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if got, closed := talk(t, dial(t, s), c.raw); len(got) != 1 || got[0] != c.want || !closed {
				t.Errorf("answered %v, closed %t; want only %s", got, closed, c.want)
			}
		})
	}
	t.Run("an honest one", func(t *testing.T) { // so that the others prove something
		t.Parallel()
		got, _ := talk(t, dial(t, s), form("Content-Length: 3\r\n", "a=1")+"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if fmt.Sprint(got) != "[422 200 200]" {
			t.Errorf("answered %v", got)
		}
	})
}

// TestSlowClients are attacks by slowness and size (case 57): who sends headers or a body
// a byte at a time is cut off, headers have a size, and others do not notice.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := startServe(t, t.TempDir(), dbtest.DSN(t))
	began := time.Now()
	ended := make(chan time.Duration, 100)
	hold := func(begin string) {
		conn := dial(t, s)
		go func() {
			defer func() { _ = conn.Close(); ended <- time.Since(began) }()
			for i := 0; ; i++ {
				text := begin
				if i > 0 {
					text = "x"
				}
				_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
				if _, err := io.WriteString(conn, text); err != nil {
					return
				}
				b := make([]byte, 1000)
				for {
					_, err := conn.Read(b)
					if os.IsTimeout(err) {
						break
					}
					if err != nil {
						return
					}
				}
				if time.Since(began) > 90*time.Second {
					t.Error("a slow client is never cut off")
					return
				}
			}
		}()
	}
	for range 60 {
		hold("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	}
	for range 20 {
		hold("POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10000\r\n\r\nemail=")
	}
	for range 10 {
		asked := time.Now()
		s.Anonymous().Get("/login").Want(http.StatusOK)
		if took := time.Since(asked); took > 3*time.Second {
			t.Errorf("others wait %s", took)
		}
	}
	for i := range 80 {
		if took, most := <-ended, map[bool]time.Duration{true: 25 * time.Second, false: 60 * time.Second}[i < 60]; took > most {
			t.Errorf("a slow client is read for %s", took)
		}
	}
	for what, raw := range map[string]string{
		"a huge header": "GET / HTTP/1.1\r\nHost: x\r\nX-Huge: " + strings.Repeat("x", 100<<10) + "\r\n\r\n",
		"many headers":  "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: x\r\n", 10<<10) + "\r\n",
		"a huge line":   "GET /" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		if got, closed := talk(t, dial(t, s), raw); len(got) > 1 || (len(got) == 1 && got[0] != "431") || !closed {
			t.Errorf("%s: answered %v, closed %t", what, got, closed)
		}
	}
}

// certificate makes one that nobody has signed.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestASVS_4_1_2_tls: who speaks plain HTTP to the port that speaks TLS is told so, and not
// led on as if nothing had been sent in the clear.
func TestASVS_4_1_2_tls(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	s := startServe(t, t.TempDir(), dbtest.DSN(t), "--tls-cert", cert, "--tls-key", key)
	for _, path := range []string{"/", "/login", "/projects/1", "/healthz"} {
		conn := dial(t, s)
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nCookie: session=secret\r\n\r\n", path)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		b, _ := io.ReadAll(conn)
		_ = conn.Close()
		if !bytes.HasPrefix(b, []byte("HTTP/1.0 400 ")) || bytes.Contains(b, []byte("Location")) {
			t.Errorf("%s: %q", path, b)
		}
	}
}

// TestASVS_16_3_4_tls: a TLS handshake that fails is in the log.
func TestASVS_16_3_4_tls(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	s := startServe(t, t.TempDir(), dbtest.DSN(t), "--tls-cert", cert, "--tls-key", key)
	_, err := tls.Dial("tcp", strings.TrimPrefix(s.URL, "https://"), &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true})
	if err == nil {
		t.Fatal("an old TLS was spoken")
	}
	poll(t, "the log tells of it", func() bool { return strings.Contains(s.log.String(), "TLS handshake error") })
	for line := range strings.Lines(s.log.String()) {
		var l struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || (strings.Contains(l.Msg, "TLS handshake error") && l.Level != "WARN") {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// TestASVS_3_5_4_ops: metrics and profiles have an address of their own, on which there is
// nothing of the console, no cookie counts, and no page of any site gets an answer.
func TestASVS_3_5_4_ops(t *testing.T) {
	t.Parallel()
	s := startServe(t, t.TempDir(), dbtest.DSN(t), "--ops-addr", "127.0.0.1:0")
	_, ada, project := setup(t, s.Site, &s.out)
	var ops string
	poll(t, "the other address is told", func() bool {
		m := regexp.MustCompile(`"msg":"operations","address":"([^"]+)"`).FindStringSubmatch(s.log.String())
		if m != nil {
			ops = "http://" + m[1]
		}
		return m != nil
	})
	get := func(path string, change func(*http.Request)) *http.Response {
		t.Helper()
		r := ada.Request(http.MethodGet, path, nil)
		for _, k := range ada.HTTP.Jar.Cookies(r.URL) {
			r.AddCookie(k)
		}
		r.URL.Host, r.Host = strings.TrimPrefix(ops, "http://"), ""
		change(r)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if len(res.Cookies()) > 0 {
			t.Errorf("%s sets a cookie", path)
		}
		return res
	}
	as := func(*http.Request) {}
	if res := get("/metrics", as); res.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %s", res.Status)
	}
	for _, path := range []string{"/", "/login", "/account", "/admin", project, "/healthz", "/static/nothing"} {
		if res := get(path, as); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s is there: %s", path, res.Status)
		}
	}
	for what, change := range map[string]func(*http.Request){
		"a page of another site": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"a page of the console":  func(r *http.Request) { r.Header.Set("Origin", s.URL) },
		"another name":           func(r *http.Request) { r.Host = "evil.example" },
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/profile?seconds=1"} {
			if res := get(path, change); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s gets %s: %s", what, path, res.Status)
			}
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		ada.Get(path).Want(http.StatusNotFound)
	}
}
