package steward_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// document reads a file of docs.
func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section is a document's part under a heading.
func section(t *testing.T, doc, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(doc, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	out, _, _ := strings.Cut(rest, "\n## ")
	return out
}

// rows are the cells of the tables of a text, without their heads.
func rows(text string) (out [][]string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		var cells []string
		for _, c := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(c))
		}
		if strings.HasPrefix(cells[0], "---") {
			out = out[:len(out)-1] // what stood above was the head
			continue
		}
		out = append(out, cells)
	}
	return out
}

var quoted = regexp.MustCompile("`([^`]+)`")

// cryptographic reports whether an import does cryptography, hashing or randomness. It
// looks for words, so that what nobody thought of is found too.
func cryptographic(path string) bool {
	if strings.HasPrefix(path, "steward/") {
		return false
	}
	return regexp.MustCompile(`(?i)(^|/)(crypto|hash)(/|$)|crypt|cipher|hmac|\bsha|md[245]|argon|pbkdf|\botp\b|totp|jwt|jose|oauth|oidc|openid|\brand\b|random|\brsa\b|x509|nacl|xxh|murmur|blake|uuid|bcrypt|ed25519|curve|aead|chacha`).MatchString(path)
}

// TestASVS_11_1_2: the inventory of cryptography names what the code imports, and no more.
func TestASVS_11_1_2(t *testing.T) {
	t.Parallel()
	doc := map[string]bool{}
	pkg := ""
	for _, r := range rows(section(t, document(t, "cryptography.md"), "Inventory")) {
		if len(r) != 3 || r[2] == "" {
			t.Fatalf("a row without a reason: %v", r)
		}
		if m := quoted.FindStringSubmatch(r[0]); m != nil {
			pkg = m[1]
		}
		for _, m := range quoted.FindAllStringSubmatch(r[1], -1) {
			doc[pkg+" "+m[1]] = true
		}
	}
	code := map[string]bool{}
	for _, f := range files(t) {
		for _, i := range f.imports {
			if !f.test && cryptographic(i) {
				code[f.pkg+" "+i] = true
			}
		}
	}
	if len(code) < 30 {
		t.Fatalf("only %d imports", len(code))
	}
	for use := range code {
		if !doc[use] {
			t.Errorf("the inventory does not name %s", use)
		}
	}
	for use := range doc {
		if !code[use] {
			t.Errorf("the inventory names %s, which is not there", use)
		}
	}
}

// TestASVS_11_1_1: the policy for keys says of each where it is, who has it, and how it is
// changed, and it knows every purpose that the code derives a key for.
func TestASVS_11_1_1(t *testing.T) {
	t.Parallel()
	doc := document(t, "cryptography.md")
	policy := section(t, doc, "Keys")
	named := map[string]bool{}
	for _, r := range rows(policy) {
		if len(r) != 5 || slices.Contains(r, "") {
			t.Errorf("a key of which not all is said: %v", r)
		}
		if m := quoted.FindStringSubmatch(r[0]); m != nil {
			named[m[1]] = true
		}
	}
	purposes := 0
	inspectFile(t, "internal/keys/keys.go", func(n ast.Node) {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Type == nil {
			return
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Purpose" {
			return
		}
		purposes++
		if text := strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`); !named[text] {
			t.Errorf("the policy does not know the purpose %q", text)
		} else {
			delete(named, text)
		}
	})
	if purposes < 5 || len(named) > 0 {
		t.Errorf("%d purposes; the policy knows %v, which the code does not", purposes, named)
	}
	for _, word := range []string{"**Rotation.**", "**A key that got out**", "**Loss.**", "0600", "HKDF-SHA-256"} {
		if !strings.Contains(policy, word) {
			t.Errorf("the policy says nothing of %s", word)
		}
	}
}

func inspectFile(t *testing.T, path string, each func(ast.Node)) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if n != nil {
			each(n)
		}
		return true
	})
}

// proven are the implementations of cryptography that others have looked at.
var proven = []string{"crypto", "hash", "math/rand/v2", "golang.org/x/crypto", "golang.org/x/oauth2", "github.com/alexedwards/argon2id", "github.com/minio/argon2",
	"github.com/pquerna/otp", "github.com/coreos/go-oidc/v3", "github.com/markbates/goth", "github.com/zeebo/xxh3", "github.com/google/uuid"}

// TestASVS_11_2_1: all cryptography is Go's own or of libraries that are known for it; none
// is written here.
func TestASVS_11_2_1(t *testing.T) {
	t.Parallel()
	looked := 0
	for _, f := range files(t) {
		if f.test {
			continue
		}
		for _, i := range f.imports {
			if !cryptographic(i) {
				continue
			}
			looked++
			if !slices.ContainsFunc(proven, func(p string) bool { return i == p || strings.HasPrefix(i, p+"/") }) {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
		if f.pkg == "cmd/bench" || f.pkg == "web/webtest" {
			continue
		}
		// What a cipher or a hash of one's own would be called, or implement.
		inspectFile(t, f.path, func(n ast.Node) {
			d, ok := n.(*ast.FuncDecl)
			if !ok || d.Recv == nil {
				return
			}
			if name := d.Name.Name; slices.Contains([]string{"BlockSize", "CryptBlocks", "XORKeyStream", "Encrypt", "Decrypt", "NonceSize", "Overhead", "Sum32", "Sum64"}, name) {
				t.Errorf("%s implements %s", f.path, name)
			}
		})
	}
	if looked < 40 {
		t.Errorf("only %d imports", looked)
	}
}

// uses gives the names that the code takes out of a package, with where.
func uses(t *testing.T, path string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	short := path[strings.LastIndexByte(path, '/')+1:]
	for _, f := range files(t) {
		if f.test || !slices.Contains(f.imports, path) || f.pkg == "web/webtest" {
			continue
		}
		inspectFile(t, f.path, func(n ast.Node) {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == short {
				out[s.Sel.Name] = append(out[s.Sel.Name], f.path)
			}
		})
	}
	return out
}

// takesOnly fails for what is taken out of a package besides some names, and where nothing is.
func takesOnly(t *testing.T, path, where string, names ...string) {
	t.Helper()
	found := uses(t, path)
	if len(found) == 0 {
		t.Errorf("nothing is taken out of %s", path)
	}
	for name, places := range found {
		for _, p := range places {
			if !slices.Contains(names, name) || !strings.HasPrefix(p, where) {
				t.Errorf("%s takes %s out of %s", p, name, path)
			}
		}
	}
}

// TestASVS_11_3_1_uses: no mode of a cipher is there but the one that authenticates, and no
// padding of old: keys_test.go proves what comes out of it.
func TestASVS_11_3_1_uses(t *testing.T) {
	t.Parallel()
	takesOnly(t, "crypto/cipher", "internal/keys/", "AEAD", "NewGCMWithRandomNonce")
	takesOnly(t, "crypto/aes", "internal/keys/", "NewCipher")
	for _, f := range files(t) {
		for _, i := range f.imports {
			if !f.test && f.pkg != "web/webtest" && slices.Contains([]string{"crypto/des", "crypto/rc4", "crypto/dsa", "crypto/rsa", "crypto/elliptic", "crypto/ecdsa"}, i) {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
	}
}

// TestASVS_11_4_1_uses: what is broken hashes nothing but what others have chosen: a list
// of passwords that is published so, and one-time passwords, an HMAC.
func TestASVS_11_4_1_uses(t *testing.T) {
	t.Parallel()
	takesOnly(t, "crypto/sha1", "internal/breached/", "Sum", "New", "Size")
	for name, places := range uses(t, "github.com/pquerna/otp") {
		if strings.HasPrefix(name, "Algorithm") && (name != "AlgorithmSHA1" || !slices.Equal(slices.Compact(places), []string{"internal/accounts/factor.go"})) {
			t.Errorf("%v take %s", places, name)
		}
	}
	for _, f := range files(t) {
		for _, i := range f.imports {
			if !f.test && (i == "crypto/md5" || strings.HasPrefix(i, "golang.org/x/crypto/md4") || strings.HasPrefix(i, "golang.org/x/crypto/ripemd160")) {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
	}
}

// TestASVS_11_4_4_uses: a key is derived from random bytes in one place, and a password is
// stretched in one place, which makes no key.
func TestASVS_11_4_4_uses(t *testing.T) {
	t.Parallel()
	takesOnly(t, "crypto/hkdf", "internal/keys/", "Key")
	takesOnly(t, "github.com/alexedwards/argon2id", "internal/accounts/hasher.go", "Params", "DecodeHash", "ComparePasswordAndHash")
	takesOnly(t, "github.com/minio/argon2", "internal/accounts/hasher.go", "NewIDKey", "Version")
	for _, f := range files(t) {
		for _, i := range f.imports {
			if !f.test && (strings.Contains(i, "pbkdf2") || strings.Contains(i, "scrypt") || strings.Contains(i, "bcrypt")) {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
	}
}

// TestASVS_11_5_1_uses: randomness is the system's, and is drawn where secrets and names
// are made.
func TestASVS_11_5_1_uses(t *testing.T) {
	t.Parallel()
	takesOnly(t, "crypto/rand", "", "Read", "Text")
	for _, f := range files(t) {
		for _, i := range f.imports {
			if f.test || f.pkg == "cmd/bench" || f.path == "internal/storage/engine/copy.go" { // the number of a table, which Iceberg wants so
				continue
			}
			if strings.HasPrefix(i, "math/rand") || strings.HasSuffix(i, "/uuid") {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
	}
}

// TestASVS_11_6_1_uses: signatures are checked by two algorithms, and none is made.
func TestASVS_11_6_1_uses(t *testing.T) {
	t.Parallel()
	var algorithms []string
	for name := range uses(t, "github.com/coreos/go-oidc/v3/oidc") {
		if regexp.MustCompile(`^(RS|PS|ES|HS)\d{3}$|^EdDSA$`).MatchString(name) {
			algorithms = append(algorithms, name)
		}
	}
	if slices.Sort(algorithms); !slices.Equal(algorithms, []string{"ES256", "RS256"}) {
		t.Errorf("signatures by %v", algorithms)
	}
	for _, f := range files(t) {
		for _, i := range f.imports {
			if !f.test && f.pkg != "web/webtest" && slices.Contains([]string{"crypto/rsa", "crypto/ecdsa", "crypto/ed25519", "crypto/ecdh", "crypto/dsa"}, i) {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
	}
}
