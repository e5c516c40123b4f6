package main

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

//go:embed requirements.csv
var requirementsCSV string

// A requirement is one of the standard.
type requirement struct {
	id      string // as 6.2.1
	chapter int
	level   int
	applies bool
	text    string
	reason  string // why it does not apply, or why nothing proves it
}

// chapters are the standard's.
func chapters() map[int]string {
	return map[int]string{
		1: "Encoding and sanitization", 2: "Validation and business logic", 3: "Web front end", 4: "API and web service", 5: "Files",
		6: "Authentication", 7: "Sessions", 8: "Authorization", 9: "Self-contained tokens", 10: "OAuth and OpenID Connect", 11: "Cryptography",
		12: "Communication", 13: "Configuration", 14: "Data protection", 15: "Code and architecture", 16: "Logging and errors",
	}
}

// catalogue reads the requirements. An error names the line.
func catalogue() ([]requirement, error) {
	rows, err := csv.NewReader(strings.NewReader(requirementsCSV)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("requirements.csv: %w", err)
	}
	var out []requirement
	seen := map[string]bool{}
	for i, row := range rows[1:] {
		r := requirement{id: row[0], applies: row[2] == "yes", text: row[3], reason: row[4]}
		var e1, e2 error
		r.level, e1 = strconv.Atoi(row[1])
		chapter, _, _ := strings.Cut(r.id, ".")
		r.chapter, e2 = strconv.Atoi(chapter)
		switch {
		case e1 != nil || e2 != nil || r.level < 1 || r.level > 3 || chapters()[r.chapter] == "":
			return nil, fmt.Errorf("requirements.csv line %d: no such chapter or level", i+2)
		case seen[r.id]:
			return nil, fmt.Errorf("requirements.csv line %d: %s is there twice", i+2, r.id)
		case r.applies && r.text == "" || !r.applies && r.reason == "":
			return nil, fmt.Errorf("requirements.csv line %d: %s says neither what it demands nor why it does not apply", i+2, r.id)
		}
		seen[r.id] = true
		out = append(out, r)
	}
	return out, nil
}
