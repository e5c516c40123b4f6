package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/tenancy"
	"steward/views/ui"
)

// billingForm are the fields of the form: those of tenancy.BillingFields.
var billingForm = []string{"company", "address", "registration", "vat", "email", "phone", "order", "note"}

func billingFields() []field[tenancy.BillingChange] {
	out := []field[tenancy.BillingChange]{
		{"changed", func(b tenancy.BillingChange) any { return b.At }},
		{"by", func(b tenancy.BillingChange) any { return b.By.Email }},
	}
	for _, f := range tenancy.BillingFields() {
		out = append(out, field[tenancy.BillingChange]{f.Name, func(b tenancy.BillingChange) any { return f.Value(b.Billing) }})
	}
	return out
}

func (c *Console) billing(ec echo.Context, s access.Organization) error {
	return c.billingPage(ec, s, http.StatusOK, nil, nil)
}

// billingPage shows the details, with what was typed in place of what is set. When that was
// overtaken, it shows both.
func (c *Console) billingPage(ec echo.Context, s access.Organization, status int, typed map[string]string, errs ui.Errors) error {
	list := func(limit int, before int64) (out []tenancy.BillingChange, err error) {
		err = c.view(ec, func(tx *db.Tx) error { out, err = tenancy.BillingHistory(tx, s, before, limit); return err })
		return out, err
	}
	done, err := exported(ec, "billing", billingFields(), func(last *tenancy.BillingChange) ([]tenancy.BillingChange, error) {
		if last == nil {
			return list(1000, 0)
		}
		return list(1000, last.ID)
	})
	if done || err != nil {
		return err
	}
	before := int64(0)
	if text := ec.QueryParam("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before <= 0 {
			return fault.New(fault.Invalid, "list.cursor", "This page of the list cannot be found. Start at its first page.")
		}
	}
	history, err := list(21, before)
	if err != nil {
		return err
	}
	newest, err := list(1, 0)
	if err != nil {
		return err
	}
	next := ""
	shown := history
	if len(history) > 20 {
		shown, next = history[:20], itoa(history[19].ID)
	}
	shell, err := c.organizationShell(ec, s)
	if err != nil {
		return err
	}
	m := view.Billing{Shell: shell, URL: paths.Organization(s.ID()), Tabs: organizationTabs(s, "billing"), Action: paths.Billing(s.ID()), Key: key(), Errors: errs, Download: downloads(ec)}
	m.Pager = more(ec, ui.Count(int64(len(shown)), "change", "changes")+" on this page", "before", next, "Earlier ones")
	var now tenancy.Billing
	if len(newest) > 0 {
		now = newest[0].Billing
	}
	m.Seen = seenIn(status, typed, now)
	for _, f := range tenancy.BillingFields() {
		value := f.Value(now)
		if status == http.StatusConflict {
			m.Now = append(m.Now, ui.Pair{Name: f.Label, Value: value})
		}
		if typed != nil {
			value = typed[f.Name]
		}
		m.Fields = append(m.Fields, view.BillingField{ID: f.Name, Label: f.Label, Value: value, Long: f.Long})
	}
	for i, h := range shown {
		var was tenancy.Billing
		if i+1 < len(history) {
			was = history[i+1].Billing
		}
		m.History = append(m.History, c.billingChange(h, was))
	}
	err = c.view(ec, func(tx *db.Tx) error {
		o, err := tenancy.DescribeOrganization(tx, s)
		m.Name = o.Name
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.BillingPage(m))
}

func (c *Console) billingChange(h tenancy.BillingChange, was tenancy.Billing) view.BillingChange {
	row := view.BillingChange{Who: h.By.Name, When: c.when(h.At), What: strings.Join(was.Differs(h.Billing), ", ")}
	for _, f := range tenancy.BillingFields() {
		if v := f.Value(h.Billing); v != "" {
			row.Values = append(row.Values, ui.Pair{Name: f.Label, Value: v})
		}
	}
	return row
}

func (c *Console) billingUpdate(ec echo.Context, s access.Organization) error {
	typed, err := form(ec, append([]string{"seen"}, billingForm...)...)
	if err != nil {
		return err
	}
	var to tenancy.Billing
	for _, f := range tenancy.BillingFields() {
		f.Set(&to, plainLines(typed[f.Name]))
	}
	says := "The billing details are saved."
	err = c.update(ec, func(tx *db.Tx) error {
		was, is, err := tenancy.SetBilling(tx, s, to)
		if was == is {
			says = asBefore
		}
		if err == nil {
			err = overtaken(typed, was)
		}
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.billingPage(ec, s, formStatus(err), typed, errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, says, paths.Billing(s.ID()))
}
