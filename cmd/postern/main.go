// Command postern is the one binary: the server, the demo, and every command of an operator. It owns the configuration,
// the construction of all parts (wire.go, which alone reads the clock) and what an operator sees. It decides nothing
// about identities, and never prints a secret except the one time when it is made.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// The exit codes, stable for scripts.
const (
	exitOK          = 0
	exitFailed      = 1 // the command ran and failed, or found something wrong
	exitUsage       = 2 // the command line is wrong
	exitConfig      = 3 // the configuration or a seed file is wrong
	exitUnreachable = 4 // a server, database or Redis does not answer
)

type cli struct {
	Dev         devCmd         `cmd:"" help:"Run everything on this machine with no configuration: server, demo user, demo wallet."`
	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database up to date, or show what is pending."`
	Apply       applyCmd       `cmd:"" help:"Make clients, users and resources as a seed file declares them."`
	Client      clientCmd      `cmd:"" help:"Clients: the applications that people sign in to."`
	User        userCmd        `cmd:"" help:"Users: the people who sign in."`
	Session     sessionCmd     `cmd:"" help:"Sessions: who is signed in, and where."`
	Keys        keysCmd        `cmd:"" help:"Signing keys and their rotation."`
	Resource    resourceCmd    `cmd:"" help:"Resources: the APIs that tokens are meant for."`
	Config      configCmd      `cmd:"" help:"Print, check or describe the configuration."`
	Doctor      doctorCmd      `cmd:"" help:"Look for everything that commonly goes wrong."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running server whether it is ready; for containers."`
	Credential  credentialCmd  `cmd:"" help:"Credentials and presentations: verify one from a file."`
	Audit       auditCmd       `cmd:"" help:"Verify, export or checkpoint the audit trail."`
	Risk        riskCmd        `cmd:"" help:"Decisions about risk: explain one, or try another policy on all."`
	Secrets     secretsCmd     `cmd:"" help:"Master keys: generate one, or seal everything under the new one."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// terminal is what a command talks to.
type terminal struct {
	ctx     context.Context // ends at SIGINT and SIGTERM
	in      io.Reader
	out     io.Writer
	err     io.Writer
	environ []string
}

// coded is an error that ends the process with its code.
type coded struct {
	code int
	error
}

func (c coded) Unwrap() error { return c.error }

func unreachable(format string, args ...any) error {
	return coded{exitUnreachable, fmt.Errorf(format, args...)}
}

func usage(format string, args ...any) error { return coded{exitUsage, fmt.Errorf(format, args...)} }

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // requests leave much garbage and little behind: a tenth of the CPU for a few megabytes
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &terminal{ctx, stdin, stdout, stderr, environ}
	var c cli
	code := -1
	parser, err := kong.New(&c,
		kong.Name("postern"),
		kong.Description("An identity server: OAuth 2, OpenID Connect, and the proof of who somebody is.\n\nStart with: postern dev"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { code = c }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
		kong.Vars{"config": lookup(environ, "POSTERN_CONFIG")},
	)
	if err != nil {
		fmt.Fprintln(stderr, "postern: "+err.Error())
		return exitUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if code >= 0 { // --help was answered
		return code
	}
	if err == nil {
		err = k.Run()
	} else {
		err = coded{exitUsage, fmt.Errorf("%w\nSee 'postern --help'", err)}
	}
	return t.report(err)
}

// report prints err, if there is one, and returns the exit code that it deserves.
func (t *terminal) report(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var c coded
	var fs faults
	switch {
	case errors.As(err, &c):
		code = c.code
	case errors.As(err, &fs):
		code = exitConfig
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		prefix := "postern: "
		if i > 0 && len(fs) == 0 {
			prefix = "         "
		}
		fmt.Fprintln(t.err, prefix+line)
	}
	return code
}

func lookup(environ []string, name string) string {
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// configFlags choose the configuration of a command.
type configFlags struct {
	Config string   `short:"c" type:"path" placeholder:"FILE" default:"${config}" help:"Configuration file. Also POSTERN_CONFIG."`
	Set    []string `short:"s" sep:"none" placeholder:"PATH=VALUE" help:"Override one setting, for example --set log.level=debug. May be repeated."`
}

func (f configFlags) load(t *terminal, more ...string) (*sourced, error) {
	return loadConfig(f.Config, t.environ, append(more, f.Set...))
}
