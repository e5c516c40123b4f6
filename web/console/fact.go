package console

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"steward/internal/audit"
	"steward/views/ui"
)

// pairNames are the names under which events hold what was and what is, one after the other. Other
// lists of two are lists.
var pairNames = []string{"autoJoin", "description", "displayName", "expires", "externalRoles", "name", "retentionDays", "value"}

// noTime is how old events hold a time that there is none of.
const noTime = "0001-01-01T00:00:00Z"

// factsOf are the parameters and results of an event as people read them: what is inside of one
// has a row of its own, and what did not change has none.
func factsOf(e audit.Event) []ui.Pair {
	return append(facts("", e.Params), facts("", e.Results)...)
}

// facts are those of a part of an event, whose names begin with the name of the part.
func facts(part string, set map[string]any) (out []ui.Pair) {
	was, before := set["from"].(map[string]any)
	is, after := set["to"].(map[string]any)
	if before && after {
		out = changedFacts(part, was, is)
	}
	for _, k := range sorted(set) {
		inner, nested := set[k].(map[string]any)
		list, _ := set[k].([]any)
		switch {
		case before && after && (k == "from" || k == "to"):
		case nested:
			out = append(out, facts(part+k+" ", inner)...)
		case len(list) == 2 && slices.Contains(pairNames, k):
			out = append(out, changedFact(part+k, list[0], list[1])...)
		default:
			out = append(out, ui.Pair{Name: part + k, Value: plain(set[k])})
		}
	}
	return out
}

// changedFacts are those of what was and what is.
func changedFacts(part string, was, is map[string]any) (out []ui.Pair) {
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, k := range sorted(all) {
		before, nestedBefore := was[k].(map[string]any)
		after, nestedAfter := is[k].(map[string]any)
		if nestedBefore && nestedAfter {
			out = append(out, changedFacts(part+k+" ", before, after)...)
		} else {
			out = append(out, changedFact(part+k, was[k], is[k])...)
		}
	}
	return out
}

// changedFact is the fact of a change, none if there was none.
func changedFact(name string, was, is any) []ui.Pair {
	if reflect.DeepEqual(was, is) {
		return nil
	}
	return []ui.Pair{{Name: name, Value: "from " + said(was) + " to " + said(is)}}
}

// said is plain for a sentence: what people wrote stands in quotes.
func said(v any) string {
	if text, ok := v.(string); ok {
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			return strconv.Quote(text)
		}
	}
	return plain(v)
}

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// plain writes a value of an event for people.
func plain(v any) string {
	switch x := v.(type) {
	case nil:
		return "none"
	case bool:
		return map[bool]string{true: "yes", false: "no"}[x]
	case string:
		if x == noTime {
			return "none"
		}
		return x
	case float64:
		if n := int64(x); float64(n) == x {
			return ui.Number(n)
		}
		return strconv.FormatFloat(x, 'f', -1, 64)
	case map[string]any:
		var parts []string
		for _, k := range sorted(x) {
			parts = append(parts, k+" "+plain(x[k]))
		}
		return strings.Join(parts, ", ")
	case []any:
		var parts []string
		between := ", "
		for _, y := range x {
			if _, nested := y.(map[string]any); nested {
				between = "; "
			}
			parts = append(parts, plain(y))
		}
		if len(parts) == 0 {
			return "none"
		}
		return strings.Join(parts, between)
	}
	return fmt.Sprint(v)
}
