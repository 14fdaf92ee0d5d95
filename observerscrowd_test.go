// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/observe"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/udp"
)

// An audience is a Conn with very many clients behind it, which observe /v and
// acknowledge at once what they are sent, and one that asks for /plain all the time.
type audience struct {
	mu     sync.Mutex
	inbox  [][]byte // message and the number of the client, in its last 4 bytes
	heard  []byte   // what each has heard last
	paces  []time.Duration
	asked  time.Time
	mid    uint16
	until  time.Time
	number atomic.Int64 // of notifications
	closed bool
}

// The client that asks is number 0.
func (a *audience) addr(n uint32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 5683)
}

func (a *audience) put(n uint32, m *coap.Message) {
	a.inbox = append(a.inbox, binary.BigEndian.AppendUint32(must(m.AppendTo(nil)), n))
}

func (a *audience) Poll(batch []udp.Datagram) (n int, _ error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n < len(batch) && len(a.inbox) > 0 {
		m := a.inbox[0]
		a.inbox = a.inbox[1:]
		text, from := m[:len(m)-4], binary.BigEndian.Uint32(m[len(m)-4:])
		batch[n].N, batch[n].Remote, batch[n].Local = copy(batch[n].Buf, text), a.addr(from), netip.AddrFrom4([4]byte{10, 255, 255, 255})
		n++
	}
	return n, nil
}

func (a *audience) Recv(batch []udp.Datagram) (int, error) {
	for {
		n, _ := a.Poll(batch)
		a.mu.Lock()
		late := !a.until.IsZero() && time.Now().After(a.until) || a.closed
		a.mu.Unlock()
		if n > 0 || late {
			return n, nil
		}
		time.Sleep(50 * time.Microsecond)
	}
}

func (a *audience) Send(batch []udp.Datagram) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range batch {
		m, err := coap.Parse(batch[i].Payload())
		ip := batch[i].Remote.Addr().As4()
		who := binary.BigEndian.Uint32(ip[:]) & (1<<24 - 1)
		switch {
		case err != nil || m.Code == coap.Empty:
		case who == 0:
			a.paces = append(a.paces, time.Since(a.asked))
			a.asked = time.Time{}
		default:
			if m.Type == coap.Confirmable {
				a.number.Add(1)
				a.put(who, &coap.Message{Type: coap.Acknowledgement, MessageID: m.MessageID})
			}
			if len(m.Payload) > 0 {
				a.heard[who] = m.Payload[0]
			}
		}
	}
	return len(batch), nil
}

func (a *audience) SetReadDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.until = t
	return nil
}

func (a *audience) LocalAddr() netip.AddrPort { return netip.MustParseAddrPort("10.255.255.255:5683") }

func (a *audience) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	return nil
}

// ask has client 0 ask, unless it waits for an answer.
func (a *audience) ask() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked.IsZero() {
		a.mid++
		a.asked = time.Now()
		m := coap.Message{Type: coap.Confirmable, Code: coap.GET, MessageID: a.mid, Options: coap.OptionList{{Number: coap.URIPath, Value: []byte("plain")}}.Encode(nil)}
		a.put(0, &m)
	}
}

// gatherAudience has n clients observe.
func gatherAudience(t testing.TB, h Handler, n int) (*Server, *audience) {
	t.Helper()
	a := &audience{heard: make([]byte, n+1)}
	s := &Server{NoSec: true, Addr: "audience", Handler: h, Observers: n, ListenPacket: func(string, string) (udp.Conn, error) { return a, nil }}
	s.Limits.PlainPeers = n + 10
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	o := s.plain.shards[0].observers
	o.list = observe.New(observe.Limits{Observers: n, PerPeer: 1, Bytes: 1 << 20, RequestBytes: 100}, 0) // the plain port has room for fewer
	o.list.Watch = o.changes.watch
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context()) }()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	m := coap.Message{Type: coap.Confirmable, Code: coap.GET, MessageID: 1, Token: []byte("token"), Options: coap.OptionList{{Number: coap.Observe}, {Number: coap.URIPath, Value: []byte("v")}}.Encode(nil)}
	for i := range n {
		a.mu.Lock()
		a.put(uint32(i+1), &m)
		a.mu.Unlock()
		if i%1000 == 0 {
			time.Sleep(time.Millisecond) // as the pool has not room for all at once
		}
	}
	for began := time.Now(); s.Stats().Observers < n; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("%d observe", s.Stats().Observers)
		}
	}
	return s, a
}

// One resource that very many observe, and that is said to change 10,000 times a
// second, does not keep requests from being answered, and all see the last state.
func TestStormOfChanges(t *testing.T) {
	for name, mark := range map[string]func(Handler) Handler{"worker": func(h Handler) Handler { return h }, "inline": Inline} {
		t.Run(name, func(t *testing.T) {
			var shows atomic.Uint32
			v := HandlerFunc(func(w ResponseWriter, _ *Request) { _, _ = w.Write([]byte{byte(shows.Load())}) })
			mux := NewMux()
			mux.Handle("/v", Observable(Inline(v)))
			mux.Handle("/plain", say)
			n := crowdSize(3000)
			s, a := gatherAudience(t, mux, n)
			next := NewMux()
			next.Handle("/v", mark(Observable(v)))
			next.Handle("/plain", say)
			s.SetHandler(next)
			for began := time.Now(); time.Since(began) < time.Second; time.Sleep(time.Millisecond) {
				a.ask()
				for range 10 {
					shows.Add(1)
					s.Notify("/v")
				}
			}
			sent := a.number.Load()
			shows.Store(200)
			s.Notify("/v")
			behind := func() (n int) {
				a.mu.Lock()
				defer a.mu.Unlock()
				for _, heard := range a.heard[1:] {
					if heard != 200 {
						n++
					}
				}
				return n
			}
			for began := time.Now(); behind() > 0; time.Sleep(10 * time.Millisecond) {
				if time.Since(began) > 30*time.Second {
					t.Fatalf("%d have not seen the last state", behind())
				}
			}
			a.mu.Lock()
			paces := slices.Sorted(slices.Values(a.paces))
			a.mu.Unlock()
			median, worst := paces[len(paces)/2], paces[len(paces)-1]
			t.Logf("%d observers: %d notifications in a second, a request takes %v, at worst %v of %d", n, sent, median, worst, len(paces))
			if len(paces) < 20 || median > 100*time.Millisecond && !instrumented() {
				t.Errorf("a request takes %v, of %d", median, len(paces))
			}
			if got := s.Stats(); got.HandlersRefused != 0 {
				t.Errorf("%d requests refused", got.HandlersRefused)
			}
		})
	}
}

// BenchmarkNotification is what a notification costs, with its acknowledgement,
// beside system calls and DTLS.
func BenchmarkNotification(b *testing.B) {
	v := HandlerFunc(func(w ResponseWriter, _ *Request) { _, _ = w.Write([]byte("22.5 Cel")) })
	for name, h := range map[string]Handler{"worker": Observable(v), "inline": Observable(Inline(v))} {
		b.Run(name, func(b *testing.B) {
			const n = 1000
			s, a := gatherAudience(b, muxOf(h), n)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += n {
				from := a.number.Load()
				for s.Notify("/v"); a.number.Load()-from < n; {
					time.Sleep(20 * time.Microsecond)
				}
			}
		})
	}
}

// seat has all sessions of a crowd observe, without their doing.
func (s *stage) seat(n int) {
	s.onLoop(func() {
		one := s.server.secure.shards[0]
		for place, more := 0, true; more; more = place != 0 {
			place = one.ep.Walk(place, math.MaxInt, func(at *endpoint.Resident) bool {
				i := must(one.observers.list.Add(at.ID.Number(), []byte("token"), &observe.Request{Path: "/v", Method: byte(coap.GET)}))
				one.observers.list.At(i).Format = noFormat
				one.observers.list.Done(i)
				s.server.observing.Add(1)
				return true
			})
		}
	})
	if got := s.server.Stats().Observers; got != n {
		s.t.Fatalf("%d observe", got)
	}
}

// judged waits until each observer has been decided again, and returns the longest
// turn of the loop meanwhile.
func (s *stage) judged(o *observers) (worst time.Duration) {
	for done := false; !done; {
		asked := time.Now()
		s.onLoop(func() { done = !o.judging.wanted() })
		worst = max(worst, time.Since(asked))
	}
	return worst
}

// BenchmarkAccessWithObservers is SetAccess with 100,000 sessions that sleep and
// observe: how long until all have been decided again, and how long a turn of the
// loop takes at worst meanwhile.
func BenchmarkAccessWithObservers(b *testing.B) {
	n := crowdSize(100_000)
	s, d := newGuarded(b, muxOf(Observable(say)), func(s *Server) {
		dozing(s)
		s.Logger = nil
		s.Limits.HandshakeRate, s.Limits.PrefixHandshakeRate, s.Limits.AnswerRate = -1, -1, -1
		s.Access = rules("allow authenticated GET,OBSERVE /v")
	})
	psk := must(keys.RandomPSK(rand.Reader, []byte("crowd")))
	s.crowd(func(name string) { d.addWith(name, psk) }, psk, n)
	s.asleep()
	s.seat(n)
	o := s.server.secure.shards[0].observers
	for _, c := range []struct {
		name  string
		rules []string
		left  int
	}{
		{"all stay", []string{"allow authenticated GET,OBSERVE /v", "deny device:nobody * /**"}, n},
		{"all go", []string{"allow anybody GET /w"}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took, worst time.Duration
			for range b.N {
				if s.server.observing.Load() == 0 {
					b.StopTimer()
					s.server.SetAccess(rules("allow authenticated GET,OBSERVE /v"))
					s.judged(o)
					s.seat(n)
					b.StartTimer()
				}
				began := time.Now()
				s.server.SetAccess(rules(c.rules...))
				worst = max(worst, s.judged(o))
				took += time.Since(began)
			}
			b.ReportMetric(took.Seconds()/float64(b.N), "s/change")
			b.ReportMetric(worst.Seconds()*1000, "ms/turn-worst")
			if got := s.server.Stats().Observers; got != c.left {
				b.Errorf("%d observe", got)
			}
		})
	}
}

// addWith makes a device with a key that others have, which is in memory.
func (d *directory) addWith(name string, psk keys.PSK) {
	d.change(func(d *directory) {
		d.entries["/"+name] = security.Entry{Key: psk.Key, Principal: security.Principal{Device: name, Groups: []string{"crowd"}, Credential: "psk"}}
		d.cached["/"+name] = true
	})
}
