package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// recalled is a word that the note of one row in 50,000 has.
const recalled = "recalled"

// ordersHeader are the columns of the large file, and ordersKey the one that tells its
// rows apart.
const (
	ordersHeader = "id,name,email,city,amount,status,date,note"
	ordersKey    = "id"
)

// writeLarge writes the large CSV file and gives its path.
func (b *bench) writeLarge() (string, error) {
	b.say("writing a file of %d rows", b.rows)
	name := filepath.Join(b.dir, "orders.csv")
	return name, writeOrders(name, b.rows)
}

func writeOrders(name string, rows int) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := orders(f, rows); err != nil {
		return err
	}
	return f.Sync() // what is still to be written would disturb the first round
}

// orders writes rows as shops have them, about 115 bytes each: numbers in order, names
// and addresses that come again and again, amounts, a state of few values, times that
// grow, and free text, of which some is missing and some is quoted. The same rows come
// each time.
func orders(w io.Writer, rows int) error {
	r := rand.New(rand.NewPCG(11, 7))
	given := strings.Fields("Ada Boris Clara Dmitri Elena Farid Greta Hana Ivo Jana Karim Lena Marcus Nadia Oskar Petra")
	family := strings.Fields("Achterberg Conti Dvorak Fischer Haddad Lindqvist Nyman Okonkwo Oyelaran Raman Svoboda Tanaka")
	cities := strings.Fields("Amsterdam Bergen Brno Cairo Dublin Graz Hamburg Krakow Lagos Lyon Osaka Porto Prague Quito Seville Turin")
	states := strings.Fields("new paid paid shipped shipped shipped returned")
	words := strings.Fields("parcel left with neighbour please ring twice fragile glass token returned damaged box repaid partly late delivery gift wrap invoice separate")
	out := bufio.NewWriterSize(w, 1<<20)
	fmt.Fprintln(out, ordersHeader)
	date := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		date = date.Add(time.Duration(r.IntN(60)) * time.Second)
		customer := r.IntN(80_000)
		g, f := given[customer%len(given)], family[customer%len(family)]
		fmt.Fprintf(out, "%d,%s %s,%s.%s%d@example.org,%s,%d.%02d,%s,%s,", i+1, g, f, g, f, customer, cities[customer%len(cities)],
			r.IntN(5000), r.IntN(100), states[r.IntN(len(states))], date.Format(time.DateTime))
		switch kind := r.IntN(20); {
		case i%50_000 == 25_000:
			fmt.Fprintf(out, "%s by the maker\n", recalled)
		case kind < 2: // no note
			fmt.Fprintln(out)
		case kind < 4:
			fmt.Fprintf(out, "\"%s, %s \"\"%s\"\"\"\n", words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))])
		default:
			note := make([]string, 3+r.IntN(3))
			for i := range note {
				note[i] = words[r.IntN(len(words))]
			}
			fmt.Fprintln(out, strings.Join(note, " "))
		}
	}
	return out.Flush()
}
