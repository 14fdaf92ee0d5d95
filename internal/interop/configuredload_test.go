// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package interop

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/load"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

const (
	loadDevices  = 100_000
	loadSessions = 256
)

// BenchmarkConfiguredReload changes one in a hundred of 100,000 devices under a
// server of its own process, while 64 other devices ask without a pause, each in a
// session of its own:
//
//	file  a JSON file is replaced by one that differs in 1,000 devices
//	bolt  all 100,000 are imported over themselves through the admin socket
//
// It reports, as medians of the rounds: requests a second and the p99 of half
// seconds, before, while the change is on its way, and after; and seconds from the
// beginning of the change until the next request of a device that it concerns is
// judged by it. Nothing may fail and no session be lost.
//
//	go test ./internal/interop -run '^$' -bench ConfiguredReload -benchtime 5x -timeout 20m
func BenchmarkConfiguredReload(b *testing.B) {
	for _, kind := range []string{"file", "bolt"} {
		b.Run(kind, func(b *testing.B) { benchmarkReload(b, kind) })
	}
}

// fleetServer is a server of its own process with many devices.
type fleetServer struct {
	dir, command string
	cmd          *exec.Cmd
	secure       netip.AddrPort
	kind         string
}

func benchmarkReload(b *testing.B, kind string) {
	f := newFleetServer(b, kind)
	marked := newMarked(b, f)
	var rounds roundFigures
	b.ResetTimer()
	for i := range b.N {
		rounds.add(b, f.round(b, marked, i+1))
	}
	b.StopTimer()
	rounds.report(b)
}

func newFleetServer(b *testing.B, kind string) *fleetServer {
	b.Helper()
	f := &fleetServer{dir: b.TempDir(), kind: kind}
	f.command = filepath.Join(f.dir, "coaps")
	if out, err := exec.Command("go", "build", "-o", f.command, "github.com/coaps-go/coaps/cmd/coaps").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	store := "bolt:devices.db"
	if kind != "bolt" {
		store = "file:devices.json"
		f.write(b, "devices.json", f.fleetFile(0))
	}
	f.write(b, "coaps.yaml", `listen: [{addr: "127.0.0.1:0", security: dtls}]
store: {url: "`+store+`"}
acl: {rules: ["allow authenticated GET /hello", "allow group:round-0 GET /time"]}
log: {level: warn, audit: audit.log}
admin: {socket: admin.sock}
limits: {prefix-handshakes: 0}
`)
	if kind == "bolt" {
		f.write(b, "fleet.csv", f.importFile(0))
		f.run(b, "device", "import", "fleet.csv", "--config", "coaps.yaml")
	}
	f.serve(b)
	return f
}

func (f *fleetServer) write(b *testing.B, name, content string) {
	b.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path+".part", []byte(content), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		b.Fatal(err)
	}
}

func (f *fleetServer) run(b *testing.B, args ...string) {
	b.Helper()
	cmd := exec.Command(f.command, args...)
	cmd.Dir = f.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("coaps %v: %v\n%s", args, err, out)
	}
}

func (f *fleetServer) serve(b *testing.B) {
	b.Helper()
	f.cmd = exec.Command(f.command, "serve", "--config", "coaps.yaml", "--ready-file", "ready")
	f.cmd.Dir, f.cmd.Stdout, f.cmd.Stderr = f.dir, io.Discard, os.Stderr
	if err := f.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.cmd.Process.Signal(syscall.SIGINT); _ = f.cmd.Wait() })
	for range 600 {
		if text, err := os.ReadFile(filepath.Join(f.dir, "ready")); err == nil {
			for line := range strings.Lines(string(text)) {
				if value, ok := strings.CutPrefix(strings.TrimSpace(line), "SECURE="); ok {
					f.secure = netip.MustParseAddrPort(strings.Trim(value, "'"))
					return
				}
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("the server is not ready")
}

// fleetKey is the pre-shared key of a device.
func fleetKey(n int) []byte { return fmt.Appendf(nil, "key of fleet-%06d", n) }

// fleetGroup is the group of a device in a round: of one in a hundred it is
// another one in each round.
func fleetGroup(n, round int) string {
	if n%100 == 0 {
		return fmt.Sprint("round-", round)
	}
	return "fleet"
}

// fleetFile is the file store of a round.
func (f *fleetServer) fleetFile(round int) string {
	var s strings.Builder
	s.WriteString(`{"devices":{`)
	for n := range loadDevices {
		if n > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, "\n"+`"fleet-%06d":{"groups":[%q],"psk":[{"key":"hex:%x"}]}`, n, fleetGroup(n, round), fleetKey(n))
	}
	s.WriteString("}}\n")
	return s.String()
}

// importFile is the same for device import.
func (f *fleetServer) importFile(round int) string {
	var s strings.Builder
	s.WriteString("name,group,identity,key\n")
	for n := range loadDevices {
		fmt.Fprintf(&s, "fleet-%06d,%s,fleet-%06d,%x\n", n, fleetGroup(n, round), n, fleetKey(n))
	}
	return s.String()
}

// marked is a device that each round concerns, which asks for what only the
// group of the round may have.
type marked struct {
	client *coaps.Client
	uri    string
}

func newMarked(b *testing.B, f *fleetServer) *marked {
	b.Helper()
	psk, err := keys.NewPSK([]byte("fleet-000000"), fleetKey(0))
	if err != nil {
		b.Fatal(err)
	}
	m := &marked{&coaps.Client{Security: &security.Config{ClientPSK: &psk}}, "coaps://" + f.secure.String() + "/time"}
	b.Cleanup(func() { m.client.Close() })
	if got := m.ask(b); got != coap.Content {
		b.Fatalf("the marked device gets %v", got)
	}
	return m
}

func (m *marked) ask(b *testing.B) coap.Code {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	response, err := m.client.Do(ctx, &coaps.Request{Method: coap.GET, URI: m.uri})
	if err != nil {
		b.Fatal(err)
	}
	return response.Code
}

// figures are those of one round.
type figures struct{ before, during, after, p99Before, p99During, p99After, stored, inForce float64 }

// The marked device is in the group round-0, which may GET /time, in even rounds:
// its answers change with each.
func groupOfRound(round int) int { return round % 2 }

// round is one change under load.
func (f *fleetServer) round(b *testing.B, m *marked, round int) figures {
	b.Helper()
	before, whole := 4*time.Second, 16*time.Second
	if f.kind == "bolt" {
		whole = time.Minute // all of them take longer than one in a hundred
	}
	content := f.fleetFile(groupOfRound(round))
	if f.kind == "bolt" {
		content = f.importFile(groupOfRound(round))
	}
	done := make(chan *load.Report, 1)
	go func() {
		report, err := load.Run(b.Context(), load.Config{
			Server: f.secure, Secure: true, Clients: loadSessions, Duration: whole, Warmup: time.Second,
			PSK: func(client int) (identity, key []byte) {
				return fmt.Appendf(nil, "fleet-%06d", client+1), fleetKey(client + 1)
			},
			Mix: []load.Request{{Path: "/hello"}},
		})
		if err != nil {
			b.Error(err)
		}
		done <- report
	}()
	time.Sleep(time.Second + before)
	var begin time.Time
	var stored time.Duration
	if f.kind == "bolt" {
		f.write(b, "fleet.csv", content)
		begin = time.Now()
		f.run(b, "device", "import", "fleet.csv", "--replace", "--config", "coaps.yaml", "--progress", "off")
		stored = time.Since(begin)
	} else {
		f.write(b, "devices.json", content)
		begin = time.Now()
	}
	want := map[int]coap.Code{0: coap.Content, 1: coap.Forbidden}[groupOfRound(round)]
	for m.ask(b) != want {
		if time.Since(begin) > whole {
			b.Fatal("the change is not in force")
		}
		time.Sleep(5 * time.Millisecond)
	}
	end := time.Now()
	report := <-done
	if report == nil {
		b.FailNow()
	}
	if report.Failed() != 0 || report.Errors != 0 || report.Connected != loadSessions || report.Handshakes.Completed != loadSessions {
		b.Errorf("%v failed, %d errors, %d of %d sessions, %d handshakes", report.Failures, report.Errors, report.Connected, loadSessions, report.Handshakes.Completed)
	}
	return measure(report, begin, end, stored)
}

// measure divides the half seconds of a run.
func measure(r *load.Report, begin, end time.Time, stored time.Duration) figures {
	var ops, p99 [3][]float64
	for _, step := range r.Series {
		to := r.Began.Add(time.Duration(step.At * float64(time.Second)))
		from := to.Add(-load.SeriesStep)
		part := 1
		switch {
		case to.Before(begin):
			part = 0
		case from.After(end):
			part = 2
		}
		ops[part] = append(ops[part], float64(step.Operations)/load.SeriesStep.Seconds())
		p99[part] = append(p99[part], time.Duration(step.P99).Seconds()*1000)
	}
	return figures{
		before: median(ops[0]), during: median(ops[1]), after: median(ops[2]),
		p99Before: median(p99[0]), p99During: median(p99[1]), p99After: median(p99[2]),
		stored: stored.Seconds(), inForce: end.Sub(begin).Seconds(),
	}
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// roundFigures are those of all rounds, by name.
type roundFigures map[string][]float64

func (all *roundFigures) add(b *testing.B, f figures) {
	b.Helper()
	if *all == nil {
		*all = roundFigures{}
	}
	for name, value := range map[string]float64{
		"req/s-before": f.before, "req/s-during": f.during, "req/s-after": f.after,
		"ms-p99-before": f.p99Before, "ms-p99-during": f.p99During, "ms-p99-after": f.p99After,
		"s-stored": f.stored, "s-in-force": f.inForce,
	} {
		(*all)[name] = append((*all)[name], value)
	}
	b.Logf("%+v", f)
}

func (all *roundFigures) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	for name, values := range *all {
		b.ReportMetric(median(values), name)
	}
}
