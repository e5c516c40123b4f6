package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"steward/internal/control"
)

// A proof is a control with the test that has to fail without it.
type proof struct {
	control control.Name
	test    string
}

func proofs() []proof {
	return []proof{
		{control.OtherSites, "TestASVS_3_5_1"},
		{control.FormsAsForms, "TestASVS_3_5_2"},
		{control.ContentPolicy, "TestASVS_3_4_3"},
		{control.ContentTypes, "TestASVS_3_4_4"},
		{control.NoStore, "TestASVS_14_3_2"},
		{control.HostCookies, "TestASVS_3_3_3"},
		{control.OwnRedirects, "TestASVS_3_7_2"},
		{control.FilesAreSaved, "TestASVS_3_2_1"},
		{control.TrustedProxies, "TestASVS_4_1_3"},
		{control.PasswordThrottle, "TestASVS_6_3_1"},
		{control.CodeThrottle, "TestASVS_6_3_1_codes"},
		{control.SignInQueue, "TestASVS_2_4_1"},
		{control.NobodyTakesAsLong, "TestASVS_6_3_8"},
		{control.BreachedPasswords, "TestASVS_6_2_4_doors"},
		{control.OwnWords, "TestASVS_6_2_11"},
		{control.SecondFactor, "TestASVS_6_3_4"},
		{control.FactorDemanded, "TestASVS_6_3_3"},
		{control.CodesOnce, "TestASVS_6_5_1"},
		{control.LinksOnce, "TestASVS_6_4_3"},
		{control.ProviderNonce, "TestASVS_10_5_1"},
		{control.NewToken, "TestASVS_7_2_4"},
		{control.SignOut, "TestASVS_7_4_1"},
		{control.EndedByOthers, "TestASVS_7_4_2"},
		{control.IdleSessionsEnd, "TestASVS_7_3_1"},
		{control.SessionsEnd, "TestASVS_7_3_2"},
		{control.FreshProof, "TestASVS_7_5_1"},
		{control.OthersProjects, "TestASVS_8_2_2"},
		{control.SuperAdmins, "TestASVS_8_4_2"},
		{control.SealedInPlace, "TestASVS_11_3_3"},
		{control.CodesOutOfLogs, "TestASVS_14_2_1"},
		{control.PlainEvents, "TestASVS_16_4_1"},
	}
}

// try runs the test of each control with everything on, when it has to pass, and then
// with that control off, when it has to fail.
func try(ctx context.Context, out io.Writer, tests []test) error {
	named := map[string]test{}
	for _, t := range tests {
		named[t.name] = t
	}
	all := make([]test, 0, len(proofs()))
	for _, p := range proofs() {
		t, ok := named[p.test]
		if !ok {
			return fmt.Errorf("there is no test %s for %q", p.test, p.control)
		}
		all = append(all, t)
	}
	const tag = "-tags=uncontrolled"
	on, err := runTests(ctx, all, tag)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	defer func() { _ = table.Flush() }()
	_, _ = fmt.Fprintf(table, "control\ttest\twith it\twithout it\n")
	var failed error
	for i, p := range proofs() {
		off, err := without(ctx, p.control, all[i], tag)
		if err != nil {
			return err
		}
		with, less := on.of(all[i]), off.of(all[i])
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.control, p.test, with, less)
		if with != "pass" || less != "fail" {
			failed = errors.Join(failed, fmt.Errorf("%s proves nothing of %q: it has to pass with it and to fail without", p.test, p.control))
		}
	}
	return failed
}

func without(ctx context.Context, c control.Name, t test, tag string) (results, error) {
	if err := os.Setenv("STEWARD_CONTROL_OFF", string(c)); err != nil {
		return nil, err
	}
	defer func() { _ = os.Unsetenv("STEWARD_CONTROL_OFF") }()
	return runTests(ctx, []test{t}, tag)
}
