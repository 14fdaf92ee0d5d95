// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds one case: twenty percent of loss and timers of a second make
// some of them slow.
const patience = 150 * time.Second

// TestMain lets a dozen cases run at once: most of them wait for timers.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// parallel lets a case run beside others and returns its context, which ends
// with the case.
func parallel(t *testing.T) context.Context {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// need skips the test if a tool is missing, or fails it where peers are
// required.
func need(t *testing.T, tools ...string) {
	t.Helper()
	if os.Getenv("COAPS_INTEROP") == "off" {
		t.Skip("COAPS_INTEROP=off")
	}
	required := os.Getenv("COAPS_INTEROP") == "required" || os.Getenv("CI") == "true"
	if testing.Short() && !required {
		t.Skip("foreign peers are left out of short runs")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if required {
			t.Fatalf("%s is not installed, and foreign peers are required here", tool)
		}
		t.Skipf("%s is not installed (Debian: apt-get install libcoap3-bin gnutls-bin openssl tshark)", tool)
	}
}

// freePort returns a UDP port of 127.0.0.1 that is free, as is the next one,
// which coap-server takes for DTLS. Both lie below the ports that the system
// gives to sockets that ask for any.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 20000 + 2*rand.IntN(6000)
		if claim(port) && isFree(port) && isFree(port+1) {
			return port
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}

func isFree(port int) bool {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return false
	}
	return c.Close() == nil
}

var (
	claimsLock sync.Mutex
	claims     = map[int]bool{}
)

// claim keeps two cases from taking the same pair of ports, which is free again
// until the peer has bound it.
func claim(port int) bool {
	claimsLock.Lock()
	defer claimsLock.Unlock()
	if claims[port] {
		return false
	}
	claims[port] = true
	return true
}

// process is a foreign program at work.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
}

// start runs a program until it ends by itself or the case does. Its output
// is logged if the case fails.
func start(ctx context.Context, t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, exited: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, name, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.WaitDelay = 5 * time.Second
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.stop)
	return p
}

// Write implements io.Writer for the program's output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// say writes a line to the program's input.
func (p *process) say(line string) { _, _ = io.WriteString(p.stdin, line+"\n") }

// shows reports whether the output matches already.
func (p *process) shows(pattern string) bool {
	return regexp.MustCompile(pattern).MatchString(p.text())
}

// await waits until the output matches, and reports whether it did before the
// program and the case ended.
func (p *process) await(ctx context.Context, pattern string) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !p.shows(pattern) {
		select {
		case <-ctx.Done():
			return false
		case <-p.exited:
			return p.shows(pattern)
		case <-tick.C:
		}
	}
	return true
}

// stop kills the program if it still runs.
func (p *process) stop() {
	select {
	case <-p.exited:
	default:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	if p.t.Failed() {
		p.t.Logf("%v:\n%s", p.cmd.Args, p.text())
	}
}

// awaitPort waits until something has bound a UDP port. It looks at the
// kernel's table: to try the port would be to take it away.
func awaitPort(ctx context.Context, t *testing.T, p *process, port int) {
	t.Helper()
	entry := fmt.Sprintf(":%04X ", port)
	for {
		for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
			if b, err := os.ReadFile(table); err == nil && strings.Contains(string(b), entry) {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not bind port %d", p.name, port)
		case <-p.exited:
			t.Fatalf("%s ended before it bound port %d:\n%s", p.name, port, p.text())
		case <-time.After(30 * time.Millisecond):
		}
	}
}
