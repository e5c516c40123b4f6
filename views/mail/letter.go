package mail

import (
	"context"
	"strings"
)

// HTML is the letter as HTML.
func (m Letter) HTML() (string, error) {
	var b strings.Builder
	err := Page(m).Render(context.Background(), &b)
	return b.String(), err
}

// Text is the letter as plain text. The link stands whole on a line of its own.
func (m Letter) Text() string {
	blocks := append([]string{m.Hello}, m.Said...)
	if m.Button.URL != "" {
		blocks = append(blocks, m.Button.Label+":\n"+m.Button.URL)
	}
	if m.Note != "" {
		blocks = append(blocks, m.Note)
	}
	var facts []string
	for _, f := range m.Facts {
		facts = append(facts, f.Name+": "+f.Value)
	}
	if len(facts) > 0 {
		blocks = append(blocks, strings.Join(facts, "\n"))
	}
	for _, a := range m.Advice {
		blocks = append(blocks, strings.TrimSpace(a.Label+" "+a.URL))
	}
	return strings.Join(blocks, "\n\n") + "\n\n-- \n" + m.Why + "\n"
}
