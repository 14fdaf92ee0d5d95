// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/security/keys"
)

// TestMain makes this test binary also the coaps command of the scripts.
func TestMain(m *testing.M) {
	// Scripts wait for servers and for what never comes; few of them compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"coaps": func() { os.Exit(runProcess()) },
	})
}

// TestScripts runs every testdata/*.txtar: whole commands, as a shell would run
// them, good and bad.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               setupScript,
		Condition:           condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fails":      cmdFails,
			"exits":      cmdExits,
			"ready":      cmdReady,
			"silent":     cmdSilent,
			"resets":     cmdResets,
			"codes":      cmdCodes,
			"mode":       cmdMode,
			"interrupts": cmdInterrupts,
			"lines":      cmdLines,
			"pins":       cmdPins,
			"pki":        cmdPKI,
			"absent":     cmdAbsent,
			"recipient":  cmdRecipient,
			"soon":       cmdSoon,
		},
	})
}

func setupScript(env *testscript.Env) error {
	env.Setenv("NO_COLOR", "1")
	env.Setenv("TMPDIR", env.WorkDir)
	return nil
}

// condition: [foreign:NAME] holds where that program is installed, and where
// foreign peers are required, so that a script fails there that would skip
// elsewhere.
func condition(cond string) (bool, error) {
	name, ok := strings.CutPrefix(cond, "foreign:")
	if !ok {
		return false, fmt.Errorf("no condition %q", cond)
	}
	_, err := exec.LookPath(name)
	return err == nil || os.Getenv("COAPS_INTEROP") == "required", nil
}

// runCoaps runs one command and returns its exit code, stdout and stderr.
func runCoaps(ts *testscript.TestScript, args []string) (code int, stdout, stderr string) {
	err := ts.Exec("coaps", args...)
	stdout, stderr = ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), stdout, stderr
	}
	ts.Check(err)
	return 0, stdout, stderr
}

// cmdFails: fails CODE REASON ARGS... runs coaps and wants that exit code, three
// lines of error with that reason word (behind warnings, if any), and nothing on
// stdout.
func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails CODE REASON ARGS...")
	}
	code, stdout, stderr := runCoaps(ts, args[2:])
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
	if stdout != "" {
		ts.Fatalf("stdout is not empty")
	}
	checkThreeLines(ts, stderr, args[1])
}

var errorShape = regexp.MustCompile(`\Acoaps: .+\nreason: (\S+) \(.+\)\ntry: .+\n\z`)

// beforeError is what may stand in front of an error: warnings, traces, and the
// summary of ping.
var beforeError = regexp.MustCompile(`\A(warning: |bad line: |INSECURE: |\* |[0-9]+ sent, )`)

func checkThreeLines(ts *testscript.TestScript, stderr, reason string) {
	for beforeError.MatchString(stderr) {
		_, stderr, _ = strings.Cut(stderr, "\n")
	}
	match := errorShape.FindStringSubmatch(stderr)
	if match == nil {
		ts.Fatalf("not three lines of error: %q", stderr)
	}
	if match[1] != reason {
		ts.Fatalf("reason %s, want %s", match[1], reason)
	}
}

// cmdExits: exits CODE ARGS... looks at the exit code alone.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	if code, _, _ := runCoaps(ts, args[1:]); fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// cmdSoon: soon CODE PROGRAM ARGS... runs a program until it ends with that exit
// code, for what another program brings about. What it prints the last time can
// be looked at.
func cmdSoon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: soon CODE PROGRAM ARGS...")
	}
	for deadline := time.Now().Add(readyTimeout); ; time.Sleep(50 * time.Millisecond) {
		code := 0
		if exit, ok := errors.AsType[*exec.ExitError](ts.Exec(args[1], args[2:]...)); ok {
			code = exit.ExitCode()
		}
		if fmt.Sprint(code) == args[0] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("exit code %d after %v, want %s", code, readyTimeout, args[0])
		}
	}
}

// readyTimeout is how long a server may take to start on a busy machine.
const readyTimeout = 30 * time.Second

// cmdReady: ready FILE [PREFIX] waits for the ready file of coaps serve and sets
// its variables.
func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: ready FILE [PREFIX]")
	}
	prefix := ""
	if len(args) == 2 {
		prefix = args[1]
	}
	path := ts.MkAbs(args[0])
	deadline := time.Now().Add(readyTimeout)
	for {
		content, err := os.ReadFile(path)
		if err == nil {
			for line := range strings.Lines(string(content)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				value = strings.Trim(value, "'")
				ts.Setenv(prefix+name, value)
				if _, port, err := net.SplitHostPort(value); err == nil {
					ts.Setenv(prefix+name+"_PORT", port)
				}
			}
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no %s after %v", args[0], readyTimeout)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cmdSilent: silent VAR opens a port that never answers.
func cmdSilent(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	ts.Setenv(args[0], conn.LocalAddr().String())
}

// cmdResets: resets VAR opens a port that answers everything with a Reset.
func cmdResets(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	ts.Setenv(args[0], conn.LocalAddr().String())
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n >= 4 {
				_, _ = conn.WriteTo([]byte{0x70, 0, buf[2], buf[3]}, from) // RFC 7252 section 3: RST, the same Message ID
			}
		}
	}()
}

// cmdCodes: codes VAR starts a plain server that answers /4.29 with that code.
func cmdCodes(ts *testscript.TestScript, _ bool, args []string) {
	server := &coaps.Server{Addr: "127.0.0.1:0", NoSec: true, Handler: coaps.HandlerFunc(answerCode)}
	ts.Check(server.Listen())
	done := make(chan error, 1)
	go func() { done <- server.Serve(context.Background()) }()
	ts.Defer(func() {
		server.Close()
		<-done
	})
	plain, _ := server.Addrs()
	ts.Setenv(args[0], plain.String())
}

func answerCode(w coaps.ResponseWriter, r *coaps.Request) {
	code, err := coap.ParseCode(strings.TrimPrefix(r.Path, "/"))
	if err != nil {
		coaps.WriteError(w, coap.BadRequest, "name a code, such as /5.03")
		return
	}
	coaps.WriteError(w, code, "as you asked")
}

// cmdMode: mode OCTAL FILE wants exactly these permissions.
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// cmdInterrupts: interrupts CODE REASON ARGS... runs coaps, sends SIGINT as soon
// as it has sent its first datagram, and wants what fails wants. REASON - means
// that the command ends without an error, after its first line of output.
func cmdInterrupts(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command("coaps", append(args[2:], "-vvv")...)
	var stdout, stderr testlog.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ts.Check(cmd.Start())
	begun := func() bool { return strings.Contains(stderr.String(), "* > 127.0.0.1") }
	if args[1] == "-" {
		begun = func() bool { return stdout.String() != "" }
	}
	for deadline := time.Now().Add(readyTimeout); !begun(); {
		if time.Now().After(deadline) {
			ts.Fatalf("nothing was sent: %q", stderr.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s: %s", code, args[0], stderr.String())
	}
	if args[1] != "-" {
		checkThreeLines(ts, stderr.String(), args[1])
	}
}

// cmdLines: lines N FILE wants that many newlines.
func cmdLines(ts *testscript.TestScript, _ bool, args []string) {
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); fmt.Sprint(got) != args[0] {
		ts.Fatalf("%d newlines in %s, want %s", got, args[1], args[0])
	}
}

// cmdPins: pins FILE ARGS... runs coaps once for each line of FILE, which is the
// output of coaps key id, with that name as --peer-key, and wants success.
// Thumbprints are no names.
func cmdPins(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if strings.Contains(line, " thumbprint ") {
			continue
		}
		fields := strings.Fields(line)
		name := fields[len(fields)-1]
		if code, _, stderr := runCoaps(ts, append(args[1:], "--peer-key", name)); code != 0 {
			ts.Fatalf("%s: exit code %d: %s", name, code, stderr)
		}
	}
}

// cmdPKI: pki DIR makes a CA and certificates of a server at 127.0.0.1 that are
// good, expired, future, for another name, and not for a server, all with the
// key server.key.
func cmdPKI(ts *testscript.TestScript, _ bool, args []string) {
	const life = 24 * time.Hour
	now := time.Now()
	path := func(name string) string { return filepath.Join(ts.MkAbs(args[0]), name) }
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o700))
	ca, err := keys.NewCA(rand.Reader, "plant CA", now.Add(-10*life), 20*life)
	ts.Check(err)
	pair, err := keys.NewKey(rand.Reader)
	ts.Check(err)
	text, err := keys.MarshalKeyFile(pair)
	ts.Check(err)
	ts.Check(keys.WriteSecretFile(path("server.key"), text))
	ts.Check(keys.WriteFile(path("ca.crt"), keys.MarshalCertificates(ca.Certificate)))
	write := func(name string, chain dtls.Chain, err error) {
		ts.Check(err)
		ts.Check(keys.WriteFile(path(name+".crt"), keys.MarshalCertificates(chain.Leaf)))
	}
	issue := func(host string, from time.Time) (dtls.Chain, error) {
		return ca.IssueServer(rand.Reader, pair, []keys.Authority{{Host: host}}, from, life)
	}
	chain, err := issue("127.0.0.1", now)
	write("good", chain, err)
	chain, err = issue("127.0.0.1", now.Add(-5*life))
	write("expired", chain, err)
	chain, err = issue("127.0.0.1", now.Add(5*life))
	write("future", chain, err)
	chain, err = issue("gw.plant.example", now)
	write("name", chain, err)
	chain, err = ca.IssueClient(rand.Reader, pair, "127.0.0.1", now, life)
	write("usage", chain, err)
}
