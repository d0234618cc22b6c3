package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
)

// approved has Ann approve something in the database of a workspace, and returns the handle.
func approved(t *testing.T, file string) string {
	t.Helper()
	ctx := context.Background()
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: filepath.Join(filepath.Dir(file), "postern.db"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	trail, err := audit.NewWriter(ctx, audit.WriterOptions{Store: db, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer trail.Close(ctx)
	s, err := authn.New(authn.Options{Users: db, Approvers: db, Ephemeral: db, Counters: db, Sealer: authntest.NewSealer(), Audit: trail, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.PutUser(ctx, authn.User{ID: "ann", Username: "ann"}); err != nil {
		t.Fatal(err)
	}
	app, env := authntest.NewApp(t), ident.Env{}
	code, err := s.BeginAppEnrolment(ctx, "ann", env)
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://id.example.org/approver/enrol"
	a, err := s.EnrolApp(ctx, app.Request(t, "POST", url, app.Enrolment(t, code, "Phone"), time.Now()), env)
	if err != nil {
		t.Fatal(err)
	}
	app.ID = a.ID
	handle, number, err := s.AskApproval(ctx, authn.Ask{Kind: authn.ApproveSignIn, User: "ann", Bind: "b", App: "Shop", Host: "shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.AppQuestions(ctx, a)
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	if _, err := s.ApproveByKey(ctx, a.ID, handle, app.Approve(t, list[0], number), env); err != nil {
		t.Fatal(err)
	}
	return handle
}

func TestAuditShow(t *testing.T) {
	file, do := workspace(t, "")
	handle := approved(t, file)
	out := must(t, do("", "audit", "show", "--handle="+handle))
	for _, want := range []string{"approval.approved", "shop.example", "Phone", "signature verified", handle} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	export := filepath.Join(t.TempDir(), "export")
	must(t, do("", "audit", "export", "-f", export))
	if out := must(t, call(t, "", nil, "audit", "show", "--handle="+handle, "--file", export)); !strings.Contains(out, "signature verified") {
		t.Errorf("without the database: %s", out)
	}
	entry := regexp.MustCompile(`entry +(\S+:\d+)`).FindStringSubmatch(out)[1]
	if again := must(t, do("", "audit", "show", entry)); again != out {
		t.Errorf("by its name: %s", again)
	}
	for _, args := range [][]string{{"--handle=x"}, {"x:1"}, {"x"}, {}, {entry, "--handle=" + handle}} {
		if r := do("", append([]string{"audit", "show"}, args...)...); r.code == exitOK {
			t.Errorf("%q: %s", args, r.out)
		}
	}

	raw, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	// The evidence of the entry, changed by one character of the signature; the entry is then not intact either.
	at := strings.LastIndex(string(raw), `\",\"jwk\"`)
	if at < 0 {
		t.Fatal("no evidence")
	}
	raw[at-5] ^= 1
	write(t, export, string(raw))
	r := call(t, "", nil, "audit", "show", "--handle="+handle, "--file", export)
	if r.code != exitFailed || !strings.Contains(r.out, "NOT verified") || !strings.Contains(r.err, "altered") {
		t.Errorf("changed: %+v", r)
	}
}
