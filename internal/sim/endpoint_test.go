// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/tick"
)

// fleet is a server and devices that ask it, and lose their state now and
// then.
type fleet struct {
	t       *testing.T
	net     *Network
	rand    *rand.Rand
	server  *Host
	devices []*device

	seen    map[string]int // by payload, how often the server's application got it
	reboots int            // how many are left
	tally   map[string]int
}

// device asks one question after the other. After a reboot it is the same
// device at the same address, and knows nothing any more.
type device struct {
	fleet *fleet
	host  *Host
	addr  netip.AddrPort
	peer  endpoint.PeerID
	name  string
	life  int
	asked int
	done  int
	goal  int
}

func newFleet(t *testing.T, seed uint64, mode *Mode, size, goal, reboots int) *fleet {
	t.Helper()
	f := &fleet{
		t: t, net: NewNetwork(seed), rand: rand.New(rand.NewPCG(seed, 2)),
		seen: map[string]int{}, tally: map[string]int{}, reboots: reboots,
	}
	f.net.Violation = func(what string) { t.Error(what) }
	var cfg *dtls.Config
	if mode != nil {
		cfg = mode.Config(TestParties(), true, Random(seed, true))
	}
	var err error
	f.server, err = NewHost(0, ServerAddr.Addr(), true, cfg, endpoint.Limits{}, Random(seed, true))
	if err != nil {
		t.Fatal(err)
	}
	f.server.News = f.serve
	f.net.Attach(ServerAddr, f.server)
	for i := range size {
		d := &device{
			fleet: f, name: fmt.Sprint("device ", i), goal: goal,
			addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 49152),
		}
		f.devices = append(f.devices, d)
		d.boot(mode)
	}
	return f
}

// serve answers each question with itself, some of them late.
func (f *fleet) serve(now tick.Time, ev *endpoint.Event) {
	if ev.Kind != endpoint.EventRequest {
		return
	}
	question, x := string(ev.Message.Payload), ev.Exchange
	f.seen[question]++
	if f.seen[question] > 1 {
		f.t.Errorf("the application got %q %d times", question, f.seen[question])
	}
	late := time.Duration(f.rand.IntN(4000)) * time.Millisecond
	if f.rand.IntN(2) == 0 {
		late = 0
	}
	f.server.After(now, late, func(now tick.Time) {
		if err := f.server.Answer(now, x, "answer to "+question); err != nil {
			f.tally["answer: "+err.Error()]++
		}
	})
}

// boot starts the device's endpoint and a session with the server.
func (d *device) boot(mode *Mode) {
	f, now := d.fleet, d.fleet.net.Now
	d.life++
	seed := f.rand.Uint64()
	host, err := NewHost(now, d.addr.Addr(), false, nil, endpoint.Limits{}, Random(seed, false))
	if err != nil {
		f.t.Fatal(err)
	}
	d.host, d.asked = host, 0
	host.News = func(now tick.Time, ev *endpoint.Event) {
		if d.host == host {
			d.news(now, ev, mode)
		}
	}
	var cfg *dtls.Config
	if mode != nil {
		cfg = mode.Config(TestParties(), false, Random(seed, false))
	}
	if d.peer, err = host.Endpoint.Connect(now, ServerAddr, d.addr.Addr(), cfg, "server.example"); err != nil {
		f.t.Fatal(err)
	}
	f.net.Attach(d.addr, host)
	d.ask(now)
}

func (d *device) question() string {
	return fmt.Sprintf("%s life %d question %d", d.name, d.life, d.asked)
}

func (d *device) ask(now tick.Time) {
	d.asked++
	if _, err := d.host.Ask(now, d.peer, d.question()); err != nil {
		d.fleet.t.Errorf("%s: %v", d.question(), err)
	}
}

func (d *device) news(now tick.Time, ev *endpoint.Event, mode *Mode) {
	f := d.fleet
	switch ev.Kind {
	case endpoint.EventResponse:
		if got, want := string(ev.Message.Payload), "answer to "+d.question(); got != want || ev.Message.Code != coap.Changed {
			f.t.Errorf("%s got %q, want %q", d.name, got, want)
		}
		f.tally["answered"]++
		d.next(now, mode)
	case endpoint.EventFailed:
		f.tally["failed: "+ev.Reason.String()]++
		d.next(now, mode)
	case endpoint.EventDisconnected:
		if d.done >= d.goal {
			return // its own goodbye
		}
		reason := ev.Cause.String()
		if ev.Err != nil {
			reason = ev.Err.Reason.String()
		}
		if reason == "none" {
			f.t.Errorf("%s was disconnected without a reason", d.name)
		}
		f.tally["disconnected: "+reason]++
		d.done = d.goal // it gives up
	}
}

// next asks the next question, perhaps after a reboot, or says goodbye.
func (d *device) next(now tick.Time, mode *Mode) {
	d.done++
	switch f := d.fleet; {
	case d.done >= d.goal:
		d.host.Endpoint.Close(now)
	case f.reboots > 0 && f.rand.IntN(3) == 0:
		f.reboots--
		f.tally["reboots"]++
		d.ask(now) // its answer may come when the device has forgotten
		old := d.host
		old.After(now, time.Duration(f.rand.IntN(100))*time.Millisecond, func(tick.Time) { d.boot(mode) })
	default:
		d.ask(now)
	}
}

// settle runs until all devices are done and checks that nothing is left.
func (f *fleet) settle() {
	f.t.Helper()
	f.net.Run(f.net.Now.Add(2 * time.Hour))
	for _, d := range f.devices {
		if d.done < d.goal {
			f.t.Errorf("%s hangs at question %d", d.name, d.asked)
		}
		if at := d.host.Deadline(); at != tick.Never && d.host.Endpoint.Active() {
			f.t.Errorf("%s has a deadline at %v", d.name, at)
		}
	}
	if f.server.Endpoint.Active() {
		f.t.Error("the server has exchanges in progress")
	}
	f.server.Endpoint.Close(f.net.Now)
	f.net.Run(f.net.Now.Add(time.Hour))
	if s := f.server.Endpoint.Stats(); s.Sessions != 0 || s.HalfOpen != 0 || s.PlainPeers != 0 {
		f.t.Errorf("the server keeps %d sessions, %d handshakes, %d plain peers", s.Sessions, s.HalfOpen, s.PlainPeers)
	}
}

// TestFleet lets devices with all layers ask a server over a bad network,
// some of them losing their memory in between and coming back from the same
// address. Every question is answered once, by its own answer, or ends with a
// named reason; the application never gets a question twice; nothing is left.
//
// Pitfall S5, A21: an answer for a session never reaches the session that has its address now
// Pitfall L4, A15: a device that has rebooted is never given an answer from before
// Pitfall L1, P20: sessions of devices that went away are gone in the end
//
// Proves rfc7252 §9.1.2: "This means the response to a DTLS secured request MUST
// always be DTLS secured using the same security session and epoch."
func TestFleet(t *testing.T) {
	for _, mode := range []*Mode{nil, ModeByName("psk"), ModeByName("rpk")} {
		name := "nosec"
		if mode != nil {
			name = mode.Name
		}
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				cryptotest.SetGlobalRandom(t, seed)
				f := newFleet(t, seed, mode, 25, 8, 20)
				f.net.Faults = Faults{Loss: 0.15, Duplicate: 0.2, Reorder: 0.2, Delay: 20 * time.Millisecond, Jitter: 20 * time.Millisecond}
				f.settle()
				t.Log(f.tally)
				if f.tally["answered"] < 100 {
					t.Error("few questions were answered")
				}
			})
		}
	}
}

// TestFleetOnGoodNetwork has no failures to hide behind.
func TestFleetOnGoodNetwork(t *testing.T) {
	f := newFleet(t, 1, ModeByName("psk"), 50, 10, 0)
	f.settle()
	if f.tally["answered"] != 500 || len(f.tally) != 1 {
		t.Errorf("%v, want 500 answers and nothing else", f.tally)
	}
	for question, n := range f.seen {
		if n != 1 || !strings.HasPrefix(question, "device ") {
			t.Errorf("%q came %d times", question, n)
		}
	}
}
