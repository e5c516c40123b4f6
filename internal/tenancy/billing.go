package tenancy

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
)

// Billing is what an organization is billed by.
type Billing struct {
	Company, Address, Registration, VAT, Email, Phone, Order, Note string
}

// BillingChange is billing details as they were after a change.
type BillingChange struct {
	ID int64
	Billing
	At time.Time
	By Who
}

// Bounds of billing details, in characters.
const (
	billingLineMax = 200
	billingTextMax = 2000
)

// BillingField is one of the details by its name in forms, and as people read it.
type BillingField struct {
	Name, Label string
	Long        bool // of several lines
	of          func(*Billing) *string
}

// BillingFields are all details.
func BillingFields() []BillingField {
	return []BillingField{
		{"company", "Company", false, func(b *Billing) *string { return &b.Company }},
		{"address", "Address", true, func(b *Billing) *string { return &b.Address }},
		{"registration", "Registration number", false, func(b *Billing) *string { return &b.Registration }},
		{"vat", "VAT number", false, func(b *Billing) *string { return &b.VAT }},
		{"email", "Billing email", false, func(b *Billing) *string { return &b.Email }},
		{"phone", "Phone", false, func(b *Billing) *string { return &b.Phone }},
		{"order", "Order number", false, func(b *Billing) *string { return &b.Order }},
		{"note", "Note", true, func(b *Billing) *string { return &b.Note }},
	}
}

// Value is the field's value in some details.
func (f BillingField) Value(b Billing) string { return *f.of(&b) }

// Set puts a value into the field of some details.
func (f BillingField) Set(b *Billing, value string) { *f.of(b) = value }

// check trims the details. Invalid by field.
func (b *Billing) check() error {
	var c fault.Check
	for _, f := range BillingFields() {
		v := strings.TrimSpace(f.Value(*b))
		f.Set(b, v)
		most := billingLineMax
		if f.Long {
			most = billingTextMax
		}
		c.Field(utf8.RuneCountInString(v) <= most, f.Name, fmt.Sprintf("At most %d characters.", most))
		c.Field(utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) && (!f.Long || r != '\n') }), f.Name, "Leave out control characters.")
	}
	if b.Email != "" {
		email, err := accounts.NormalizeEmail(b.Email)
		c.Field(err == nil, "email", "Enter a full email address, like name@example.com.")
		if err == nil {
			b.Email = email
		}
	}
	return c.Err()
}

const selectBilling = "SELECT b.id, b.company, b.address, b.registration_number, b.vat_number, b.email, b.phone, b.order_number, b.note, b.changed_at, u.id, u.email, u.name FROM billing_details b JOIN users u ON u.id = b.changed_by WHERE b.organization_id = $1"

func scanBilling(r db.Row) (BillingChange, error) {
	var c BillingChange
	return c, r.Scan(&c.ID, &c.Company, &c.Address, &c.Registration, &c.VAT, &c.Email, &c.Phone, &c.Order, &c.Note, db.Time(&c.At), &c.By.ID, &c.By.Email, &c.By.Name)
}

// BillingHistory gives the billing details of the scope's organization after each change,
// the newest first, those before a change with a number, or all for 0. Forbidden without
// OrganizationBilling.
func BillingHistory(tx *db.Tx, s access.Organization, before int64, limit int) ([]BillingChange, error) {
	if err := s.Require(access.OrganizationBilling); err != nil {
		return nil, err
	}
	if before == 0 {
		return db.All(tx, scanBilling, selectBilling+fmt.Sprintf(" ORDER BY b.id DESC LIMIT %d", limit), s.ID())
	}
	return db.All(tx, scanBilling, selectBilling+fmt.Sprintf(" AND b.id < $2 ORDER BY b.id DESC LIMIT %d", limit), s.ID(), before)
}

// SetBilling changes what the scope's organization is billed by, and gives what it was, which
// stays in its history, and is. Forbidden without OrganizationBilling; Invalid by field.
func SetBilling(tx *db.Tx, s access.Organization, to Billing) (was, is Billing, err error) {
	if s, err = anew(tx, s, access.OrganizationBilling); err != nil {
		return was, to, err
	}
	if err := to.check(); err != nil {
		return was, to, err
	}
	last, err := BillingHistory(tx, s, 0, 1)
	if err != nil {
		return was, to, err
	}
	if len(last) > 0 {
		was = last[0].Billing
	}
	if was == to {
		return was, to, nil
	}
	id, err := tx.NewID("billing_details")
	if err != nil {
		return was, to, err
	}
	if _, err := tx.Exec("INSERT INTO billing_details (id, organization_id, company, address, registration_number, vat_number, email, phone, order_number, note, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		id, s.ID(), to.Company, to.Address, to.Registration, to.VAT, to.Email, to.Phone, to.Order, to.Note, tx.Now, s.Actor().UserID); err != nil {
		return was, to, err
	}
	o, err := DescribeOrganization(tx, s)
	if err != nil {
		return was, to, err
	}
	// What they are stays out of the events, which more people read.
	e := inOrganization(s, "organization.billingChanged", o.Name)
	e.Params = map[string]any{"fields": was.Differs(to)}
	return was, to, audit.Record(tx, e.Says("%s changed the billing details of the organization %q: %s.", s.Actor().Name, o.Name, strings.Join(was.Differs(to), ", ")))
}

// Differs names the fields that are not the same in other details, as people read them.
func (b Billing) Differs(to Billing) (out []string) {
	for _, f := range BillingFields() {
		if f.Value(b) != f.Value(to) {
			out = append(out, lowered(f.Label))
		}
	}
	return out
}

// lowered writes a label within a sentence: "registration number", "VAT number".
func lowered(label string) string {
	first, rest, _ := strings.Cut(label, " ")
	if first == strings.ToUpper(first) {
		return label
	}
	return strings.TrimSpace(strings.ToLower(first) + " " + rest)
}
