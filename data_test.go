package steward_test

import (
	"slices"
	"testing"

	"steward/internal/db"
	"steward/internal/db/dbtest"
)

// classes are the classes of data that a column can have, in the order of the table.
var classes = []string{"secret", "personal", "project", "internal"}

// TestASVS_14_1_1: every column of the database has one class, and none has that is not there.
func TestASVS_14_1_1(t *testing.T) {
	t.Parallel()
	doc := map[string]string{}
	for _, r := range rows(section(t, document(t, "data.md"), "Columns")) {
		table := quoted.FindStringSubmatch(r[0])
		if len(r) != 1+len(classes) || table == nil {
			t.Fatalf("%v", r)
		}
		for i, class := range classes {
			for _, m := range quoted.FindAllStringSubmatch(r[i+1], -1) {
				column := table[1] + "." + m[1]
				if other, ok := doc[column]; ok {
					t.Errorf("%s is %s and %s", column, other, class)
				}
				doc[column] = class
			}
		}
	}
	dsn := dbtest.DSN(t)
	dbtest.OpenAt(t, dsn, db.Options{})
	n := 0
	for table, columns := range dbtest.Columns(t, dsn) {
		for _, c := range columns {
			if n++; doc[table+"."+c] == "" {
				t.Errorf("%s.%s has no class", table, c)
			}
			delete(doc, table+"."+c)
		}
	}
	for column := range doc {
		t.Errorf("%s has a class, and is not there", column)
	}
	if n < 200 {
		t.Errorf("only %d columns", n)
	}
}

// TestASVS_14_1_2: of every class it is said how it is kept, who sees it, whether it may be
// in the log, and for how long it is there.
func TestASVS_14_1_2(t *testing.T) {
	t.Parallel()
	var named []string
	for _, r := range rows(section(t, document(t, "data.md"), "Classes")) {
		if len(r) != 6 || (r[0] != "public" && slices.Contains(r, "")) {
			t.Errorf("a class of which not all is said: %v", r)
		}
		named = append(named, r[0])
	}
	if !slices.Equal(named, append(slices.Clone(classes), "public")) {
		t.Errorf("the classes are %v", named)
	}
}
