package demo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

const (
	registerBucket = "in.c-aviation"
	registerName   = "airport_register"
	register       = registerBucket + "." + registerName
)

const registerDescription = `# Airport register

One row for each airport of the United States, told apart by its **iata** code. A file with what is new or changed comes every week.

- source: the airports list of the authority
- read by: the weekly safety review
- when a file is wrong: *revert* on the Versions page, then tell Marcus

Names are kept as the authority writes them; ` + "`00M`" + ` is a code, not a number.
`

// history is the last week of the year: a table with a key and all that happened to it.
func (b *builder) history(flights tenancy.Project) error {
	marcus, err := b.scope("marcus@northwind.example", flights.ID)
	if err != nil {
		return err
	}
	hana, err := b.scope("hana@northwind.example", flights.ID)
	if err != nil {
		return err
	}
	gita, err := b.scope("gita@northwind.example", flights.ID)
	if err != nil {
		return err
	}
	airports, err := airportsOf()
	if err != nil {
		return err
	}
	if err := b.registered(hana, airports); err != nil {
		return err
	}
	if err := b.described(marcus); err != nil {
		return err
	}
	if err := b.badLoad(gita, marcus, airports); err != nil {
		return err
	}
	if err := b.reshaped(marcus); err != nil {
		return err
	}
	if err := b.rejected(hana); err != nil {
		return err
	}
	return b.dropped(gita)
}

// list is a CSV file, line by line: no cell has a line end in it.
type list struct {
	header string
	rows   []string
}

func airportsOf() (list, error) {
	content, err := read("airports.csv.gz")
	if err != nil {
		return list{}, err
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(content), "\r\n", "\n")), "\n")
	if len(lines) < 3000 {
		return list{}, fmt.Errorf("only %d airports", len(lines)-1)
	}
	return list{lines[0], lines[1:]}, nil
}

func (l list) file(rows ...string) []byte {
	return []byte(l.header + "\n" + strings.Join(rows, "\n") + "\n")
}

// registered loads the register with its key, and then what is new or changed.
func (b *builder) registered(s access.Project, airports list) error {
	b.step(8*time.Hour, "airport register, the first file")
	first := storage.Load{Bucket: registerBucket, Table: registerName, Dialect: csv.DefaultDialect(), Key: []string{"iata"}}
	if err := b.loadAs(s, "register-01.csv", airports.file(airports.rows[:2000]...), first, jobs.Success); err != nil {
		return err
	}
	next := first
	next.Append, next.Key = true, nil
	for i, from := range []int{1800, 2600} { // each file says some of the last again, and some of it otherwise
		b.step(day, fmt.Sprintf("airport register, file %d", i+2))
		rows := slices.Clone(airports.rows[from:min(from+1000, len(airports.rows))])
		for n := range 200 {
			rows[n] = strings.ReplaceAll(rows[n], "Municipal", "Regional")
		}
		if err := b.loadAs(s, fmt.Sprintf("register-%02d.csv", i+2), airports.file(rows...), next, jobs.Success); err != nil {
			return err
		}
	}
	return nil
}

// described writes down what the register is, and keeps it as it is.
func (b *builder) described(s access.Project) error {
	b.step(5*time.Hour, "a description, metadata and a snapshot")
	err := b.app.DB.Update(b.request(), func(tx *db.Tx) error {
		if _, err := b.app.Storage.DescribeTable(tx, s, register, registerDescription); err != nil {
			return err
		}
		for _, m := range []storage.Metadata{
			{Provider: storage.ProviderUser, Key: "owner", Value: "marcus@northwind.example"},
			{Provider: storage.ProviderUser, Key: "refresh", Value: "weekly, Mondays"},
			{Column: "iata", Provider: storage.ProviderUser, Key: "description", Value: "Location identifier; letters and digits, zeros in front count"},
			{Column: "latitude", Provider: storage.ProviderUser, Key: "unit", Value: "degrees north, WGS 84"},
			{Column: "longitude", Provider: storage.ProviderUser, Key: "unit", Value: "degrees east, WGS 84"},
		} {
			if _, _, err := b.app.Storage.SetMetadata(tx, s, register, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.do(s, func(tx *db.Tx) (jobs.Job, error) {
		return b.app.Storage.CreateSnapshot(tx, s, register, "As checked for the yearly safety review")
	})
}

// badLoad is a wrong file over a good table, which somebody notices and takes back.
func (b *builder) badLoad(careless, careful access.Project, airports list) error {
	b.step(20*time.Hour, "a wrong file, and its revert")
	var wrong []string
	for i, row := range airports.rows {
		if cells := strings.Split(row, ","); len(cells) == 7 && i%4 == 0 {
			cells[2], cells[3] = cells[3], cells[2] // cities and states changed places
			wrong = append(wrong, strings.Join(cells[:5], ","))
		}
	}
	file := list{header: "iata,name,city,state,country"}.file(wrong...)
	load := storage.Load{Bucket: registerBucket, Table: registerName, Dialect: csv.DefaultDialect(), DropColumns: []string{"latitude", "longitude"}}
	if err := b.loadAs(careless, "airports-final-v2.csv", file, load, jobs.Success); err != nil {
		return err
	}
	b.clock.Forward(90 * time.Minute)
	return b.do(careful, func(tx *db.Tx) (jobs.Job, error) {
		t, err := b.app.Storage.Table(tx, careful, register)
		if err != nil {
			return jobs.Job{}, err
		}
		return b.app.Storage.Revert(tx, careful, register, t.Version-1, t.Version)
	})
}

// reshaped changes the register's columns and rows, and makes a table and a file of it.
func (b *builder) reshaped(s access.Project) error {
	b.step(3*time.Hour, "a column renamed, rows deleted, a copy and an export")
	outside := []engine.Condition{{Column: "country", Op: engine.NotEqual, Value: "USA"}}
	for _, start := range []func(tx *db.Tx) (jobs.Job, error){
		func(tx *db.Tx) (jobs.Job, error) {
			return b.app.Storage.RenameColumn(tx, s, register, "name", "airport")
		},
		func(tx *db.Tx) (jobs.Job, error) {
			return b.app.Storage.DeleteRows(tx, s, register, outside, false, 0)
		},
		func(tx *db.Tx) (jobs.Job, error) {
			return b.app.Storage.Copy(tx, s, storage.Source{Table: register, Version: 1}, registerBucket, registerName+"_first")
		},
		func(tx *db.Tx) (jobs.Job, error) {
			return b.app.Storage.StartExport(tx, s, storage.Export{Table: register, Where: []engine.Condition{{Column: "state", Op: engine.Equal, Value: "TX"}},
				Order: []engine.Order{{Column: "latitude", Descending: true, Number: true}}, Format: storage.FormatGzip})
		},
	} {
		b.clock.Forward(20 * time.Minute)
		if err := b.do(s, start); err != nil {
			return err
		}
	}
	return nil
}

// rejected loads files with rows that cannot be read: one that stops at the first, and
// the same without them.
func (b *builder) rejected(s access.Project) error {
	b.step(day, "files with rows that cannot be read")
	file := bytes.Join([][]byte{[]byte("station,opened,elevation"), []byte("SEA,1945-01-01,130"), []byte("PDX,1938-05-01,9,feet"), []byte("OLM,1941-06-15,63"),
		[]byte("YKM"), []byte("GEG,1947-01-01,721"), nil}, []byte("\n"))
	load := storage.Load{Bucket: "in.c-weather", Table: "stations", Dialect: csv.DefaultDialect()}
	if err := b.loadAs(s, "stations.csv", file, load, jobs.Failed); err != nil {
		return err
	}
	b.clock.Forward(10 * time.Minute)
	load.SkipBad = true
	return b.loadAs(s, "stations.csv", file, load, jobs.Success)
}

// dropped is a table that somebody tried things with and dropped.
func (b *builder) dropped(s access.Project) error {
	b.step(6*time.Hour, "a table in the trash")
	if err := b.load(s, "try.csv", []byte("iata,strikes\nSEA,12\nPDX,7\n"), registerBucket+".strikes_try", false, csv.DefaultDialect()); err != nil {
		return err
	}
	b.clock.Forward(time.Hour)
	return b.do(s, func(tx *db.Tx) (jobs.Job, error) {
		return b.app.Storage.DropTable(tx, s, registerBucket+".strikes_try")
	})
}

// tidied runs the round of maintenance: versions that are past their time expire.
func (b *builder) tidied() error {
	b.step(2*day, "maintenance")
	err := b.update(func(tx *db.Tx) error {
		_, err := b.app.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: storage.Maintain, Params: struct{}{}})
		return err
	})
	if err != nil {
		return err
	}
	return b.app.Jobs.Drain(b.ctx, jobs.System)
}
