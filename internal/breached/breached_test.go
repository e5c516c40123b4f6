package breached_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/breached"
)

func open(t testing.TB, file string) *breached.List {
	t.Helper()
	l, err := breached.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func check(t testing.TB, l *breached.List, password string) breached.Reason {
	t.Helper()
	r, err := l.Check(password)
	if err != nil {
		t.Fatalf("%q: %v", password, err)
	}
	return r
}

// common is the embedded list, read from its file.
func common(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("list/common.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}

// TestMemory runs apart from the others, which would be counted too.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	l := open(t, "")
	check(t, l, "")
	if took := heap() - before; took > 2<<20+200<<10 {
		t.Errorf("the list takes %d bytes", took)
	}
	runtime.KeepAlive(l)
}

// TestSources holds list/SOURCES.md and the list together.
func TestSources(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("list/common.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := os.ReadFile("list/SOURCES.md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); !strings.Contains(string(sources), hex.EncodeToString(sum[:])) {
		t.Errorf("SOURCES.md does not name the checksum %x", sum)
	}
	list := common(t)
	if len(list) != 414_351 || !strings.Contains(string(sources), "414,351") {
		t.Errorf("%d entries", len(list))
	}
	for i, e := range list {
		if len(e) < 3 || len(e) > 64 || strings.ToLower(e) != e {
			t.Errorf("entry %q", e)
		}
		if i > 0 && list[i-1] >= e {
			t.Errorf("%q comes after %q", e, list[i-1])
		}
	}
}

// TestASVS_6_2_4: common passwords, and what people make of them to have fifteen
// characters, are refused; passphrases are not.
func TestASVS_6_2_4(t *testing.T) {
	t.Parallel()
	l, list, random := open(t, ""), common(t), rand.New(rand.NewPCG(1, 2))
	for range 200 {
		entry := list[random.IntN(len(list))]
		padded := entry + "2026"
		for _, p := range []string{
			entry, strings.ToUpper(entry),
			padded + strings.Repeat("!", max(0, 15-len(padded))),
			strings.Repeat("*", max(0, 15-len(entry))) + entry,
			strings.Repeat(entry, 15/len(entry)+1),
			entry + "-" + strings.ToUpper(entry) + strings.Repeat("1", max(0, 14-2*len(entry))),
		} {
			if check(t, l, p) == breached.None {
				t.Errorf("%q is not refused, made of %q", p, entry)
			}
		}
	}
	for _, p := range strings.Fields(`
		password2026!!!! Passwordpassword1 iloveyou-iloveyou letmein123456789 p4ssw0rd-p4ssw0rd P@$$w0rd12345678
		qwertyqwertyqwerty abcabcabcabcabc aaaaaaaaaaaaaaa 1234567890123456 qwertyuiopasdfgh abcdefghijklmnop
		zyxwvutsrqponmlk 1qaz2wsx3edc4rfv zaqwsxcderfvbgtyhn 1q2w3e4r5t6y7u8i a1b2c3d4e5f6g7h8 !@#$%^&*()_+!@#
		0987654321098765 monkeymonkey2026 Summer2026Winter2026 adminadminadmin2 changeme-changeme mnbvcxzlkjhgfdsa
		football_baseball 111111111111111 monkey19841203!! Welcome123456789 p@ssw0rdP@ssw0rd dragon...........`) {
		if check(t, l, p) == breached.None {
			t.Errorf("%q is not refused", p)
		}
	}
	for _, p := range passphrases {
		if r := check(t, l, p); r != breached.None {
			t.Errorf("%q is refused: %s", p, r)
		}
	}
	if len(passphrases) < 50 {
		t.Errorf("only %d passphrases", len(passphrases))
	}
}

// TestThreeWords: three different words are accepted, however common they are, unless one
// of them is a part of another, or two are listed as one ("blue house").
func TestThreeWords(t *testing.T) {
	t.Parallel()
	l := open(t, "")
	words := strings.Fields(`
		quick brown house water summer winter love happy green blue red cat horse apple orange dragon master shadow
		princess football welcome freedom whatever computer flower cookie butter pepper ginger silver golden diamond
		tiger angel garden river mountain ocean coffee window table chair lamp door street city train plane boat paper
		pencil school teacher doctor nurse money bank market bread cheese honey sugar music dance piano drum second
		third night morning friday january march april august the and monkey book dog sing ring forest`)
	random := rand.New(rand.NewPCG(9, 10))
	for range 3000 {
		random.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		a, b, c := words[0], words[1], words[2]
		contained := strings.Contains(a+" "+b, c) || strings.Contains(b+" "+c, a) || strings.Contains(c+" "+a, b)
		if contained || len(a+b+c) < 13 || check(t, l, a+" "+b) == breached.Common || check(t, l, b+" "+c) == breached.Common {
			continue
		}
		for _, p := range []string{a + " " + b + " " + c, a + "-" + b + "-" + c} {
			if r := check(t, l, p); r != breached.None {
				t.Errorf("%q is refused: %s", p, r)
			}
		}
	}
}

var passphrases = []string{
	"correct horse battery", "a-quiet-river-runs", "correct horse battery staple", "another long password",
	"a guest's long password", "three blind mice sing", "purple-elephant-dances", "CoffeeTableWindowLamp",
	"seven tall ships sail", "the kettle never boils", "my cat hates Mondays", "lantern.orchid.gravel",
	"winter bread and honey", "copper_kettle_morning", "we walked home in rain", "Zebras don't play chess",
	"granite maple whisper", "under the old bridge", "eleven paper boats", "salt-pepper-cinnamon",
	"nobody reads my diary", "green tea at midnight", "bicycle fog umbrella", "yellow brick cathedral",
	"sunday trains run late", "she sells blue shells", "marble tiger notebook", "ocean pencil forgotten",
	"Die Katze schläft im Schrank", "der Mond ist aufgegangen", "le chat dort sur le toit", "el perro come manzanas",
	"dlouhá cesta domů vlakem", "kissa nukkuu ikkunalla", "Тихая река бежит", "静かな川が流れていく夜の町で鳥が歌う",
	"🙂🚗🌲🎈🐟🍞🎻📎🔑🧊🧲🪁🛶🥁🦔", "      a          long    stretch of spaces", "x7#Kq9!vLm2$Rt5", "xkqvwzjrmplbtcd",
	"f3a91c0b7e62d845", "Tr0mbone&Gravel+Fjord", "hT9vQ2mZx8LrW4c", "837162940571839", "qr8-zn3k-wv5t-b6md",
	"ultramarine sandpaper choir", "eight geese, one farmer", "plum / walnut / anvil", "return the borrowed ladder",
	"velvet hammer orchard", "quartz moss and thunder", "sixteen candles flicker slowly",
}

// TestChance: what is made by chance is accepted.
func TestChance(t *testing.T) {
	t.Parallel()
	l, random := open(t, ""), rand.New(rand.NewPCG(3, 4))
	for _, of := range []struct {
		alphabet      string
		length        int
		refusedOf2000 int
	}{
		{"abcdefghijklmnopqrstuvwxyz", 15, 0},
		{"abcdefghijklmnopqrstuvwxyz", 10, 6},
		{"abcdefghijklmnopqrstuvwxyz0123456789", 15, 0},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&*+-.:?@_", 15, 0},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&*+-.:?@_", 10, 15},
		{"0123456789abcdef", 16, 15},
		{"0123456789abcdef", 32, 0},
	} {
		refused := 0
		for range 2000 {
			p := make([]byte, of.length)
			for i := range p {
				p[i] = of.alphabet[random.IntN(len(of.alphabet))]
			}
			if check(t, l, string(p)) != breached.None {
				refused++
			}
		}
		if refused > of.refusedOf2000 {
			t.Errorf("%d of 2000 with %d of %s are refused", refused, of.length, of.alphabet)
		}
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	l := open(t, "")
	for p, want := range map[string]breached.Reason{
		"Password": breached.Common, "xkqvxkqvxkqvxkqv": breached.Repeated, "password2026!!!!": breached.Guessable,
		"a-quiet-river-runs": breached.None, "": breached.Guessable,
	} {
		if got := check(t, l, p); got != want {
			t.Errorf("%q is %s", p, got)
		}
	}
}

// hard are passwords that take long to judge.
func hard() []string {
	random := rand.New(rand.NewPCG(5, 6))
	noise := make([]byte, 256)
	for i := range noise {
		noise[i] = byte(33 + random.IntN(94))
	}
	return []string{
		string(noise), strings.Repeat("a", 256), strings.Repeat("p4$$w0rd", 32), strings.Repeat("1q", 128),
		strings.Repeat("correct horse battery ", 12)[:256], strings.Repeat("qwertyu", 37)[:256], strings.Repeat("é", 128),
		strings.Repeat("\xff", 256), strings.Repeat("İ", 128), strings.Repeat("a", 1<<20),
	}
}

// TestTime finds what takes ten times as long as it should, also with the race detector;
// what it takes is for BenchmarkHas to say.
func TestTime(t *testing.T) {
	t.Parallel()
	l := open(t, "")
	check(t, l, "") // unpacks
	for _, p := range hard() {
		least := time.Hour // of several, since others compute too
		for range 20 {
			began := time.Now()
			check(t, l, p)
			least = min(least, time.Since(began))
		}
		if least > 20*time.Millisecond {
			t.Errorf("%.20q… takes %s", p, least)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, p := range slices.Concat(passphrases[:10], hard()[:9], []string{"", "p", "\xc3", "a\xcc\x81", "\x00\x00\x00"}) {
		f.Add(p)
	}
	l := open(f, "")
	f.Fuzz(func(t *testing.T, p string) {
		r := check(t, l, p)
		if again := check(t, l, p); again != r {
			t.Errorf("%q is %s, then %s", p, r, again)
		}
		up := strings.ToUpper(p)
		if small, too := strings.ToLower(p), strings.ToLower(up); small == too && check(t, l, up) != r {
			t.Errorf("%q is %s, and in capitals not", p, r)
		}
		if found, err := l.Has(p); found != (r != breached.None) || err != nil {
			t.Errorf("%q is %s, and Has says %v, %v", p, r, found, err)
		}
	})
}

func BenchmarkHas(b *testing.B) {
	file := breached.File(b.TempDir())
	mustLoad(b, file, hashes(numbered(1_000_000)...))
	for name, file := range map[string]string{"alone": "", "imported": file} {
		l := open(b, file)
		check(b, l, "") // unpacks
		for kind, password := range map[string]string{
			"common": "passwordpassword1", "passphrase": "correct horse battery", "noise": hard()[0],
		} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				for b.Loop() {
					if _, err := l.Has(password); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
