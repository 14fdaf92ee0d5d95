// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/udp"
)

// A drill is a server and one client whose requests are made by hand, so that
// only the server's path is measured: Receive, Next, Respond, Transmit.
type drill struct {
	server  *party
	remote  netip.AddrPort
	session *dtls.Session // the client's; nil in NoSec mode
	mid     uint16
	message []byte
	in, out udp.Datagram
}

func newDrill(t testing.TB, secure bool) *drill {
	n := newNetwork(t)
	d := &drill{remote: netip.MustParseAddrPort("198.51.100.2:40000")}
	d.in, d.out = udp.Datagram{Buf: make([]byte, 2048), Remote: d.remote, Local: netip.MustParseAddr("192.0.2.1")}, udp.Datagram{Buf: make([]byte, 2048)}
	request := coap.Message{Type: coap.Confirmable, Code: coap.GET, Token: []byte("token"), Payload: []byte("payload of the question")}
	request.Options = coap.OptionList{{Number: coap.URIPath, Value: []byte("time")}}.Encode(nil)
	d.message, _ = request.AppendTo(nil)
	if !secure {
		d.server = n.server("192.0.2.1:5683", nil, Limits{})
		return d
	}
	d.server = n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	d.server.keys["device"] = key1
	d.session = handshake(t, d.server, d.remote, 2)
	return d
}

// handshake makes a session with a server in PreSharedKey mode.
func handshake(t testing.TB, server *party, remote netip.AddrPort, seed byte) *dtls.Session {
	t.Helper()
	n := server.net
	s, err := dtls.NewClient(pskConfig(seed), n.now, "")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2048)
	out := udp.Datagram{Buf: make([]byte, 2048)}
	var ev dtls.Event
	for range 10 {
		for length := s.Transmit(n.now, buf); length > 0; length = s.Transmit(n.now, buf) {
			n.inject(remote, server, buf[:length])
		}
		for server.Transmit(n.now, &out) {
			if out.Remote != remote {
				continue
			}
			s.Receive(n.now, slices.Clone(out.Payload()))
			for s.Next(n.now, &ev) {
				if ev.Kind == dtls.EventWantPSK {
					s.ProvidePSK(n.now, []byte("device"), []byte(key1))
				}
			}
		}
		if s.State() == dtls.Established {
			return s
		}
	}
	t.Fatal("no session")
	return nil
}

// arrive puts the next request into d.in.
func (d *drill) arrive() {
	d.mid++
	binary.BigEndian.PutUint16(d.message[2:], d.mid)
	if d.session == nil {
		d.in.N = copy(d.in.Buf, d.message)
		return
	}
	record, err := d.session.Seal(d.in.Buf[:0], d.message)
	if err != nil {
		panic(err)
	}
	d.in.N = len(record)
}

var answer = []byte("payload of the answer")

// serve carries one request up and its response down.
func (d *drill) serve(ev *Event) (sent int) {
	e, now := d.server.Endpoint, d.server.net.now
	e.Receive(now, &d.in)
	for e.Next(ev) {
		if ev.Kind == EventRequest {
			if err := e.Respond(now, ev.Exchange, request.Outgoing{Code: coap.Content, Payload: answer}); err != nil {
				panic(err)
			}
		}
	}
	for e.Transmit(now, &d.out) {
		sent++
	}
	return sent
}

// The server path does not allocate, whatever the mode.
func TestRequestDoesNotAllocate(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("secure=%v", secure), func(t *testing.T) {
			d := newDrill(t, secure)
			var ev Event
			sent := 0
			n := testing.AllocsPerRun(2000, func() {
				d.server.net.now = d.server.net.now.Add(10 * time.Millisecond)
				d.arrive()
				sent += d.serve(&ev)
			})
			if n != 0 {
				t.Errorf("a request costs %v allocations", n)
			}
			if sent != 2001 {
				t.Errorf("%d answers to 2001 requests", sent)
			}
		})
	}
}

// A request costs the same beside any number of idle sessions.
func BenchmarkServe(b *testing.B) {
	for _, bm := range []struct {
		name   string
		secure bool
		idle   int
	}{
		{"NoSec", false, 0}, {"NoSec/idle=50000", false, 50_000}, {"PSK", true, 0}, {"PSK/idle=2000", true, 2000},
	} {
		b.Run(bm.name, func(b *testing.B) {
			d := newDrill(b, bm.secure)
			for i := range bm.idle {
				d.addIdle(b, i)
			}
			var ev Event
			now := &d.server.net.now
			b.ReportAllocs()
			for b.Loop() {
				*now = now.Add(10 * time.Millisecond)
				d.arrive()
				d.serve(&ev)
			}
		})
	}
}

// addIdle makes a peer that has asked once.
func (d *drill) addIdle(b *testing.B, i int) {
	remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5683)
	if d.session != nil {
		handshake(b, d.server, remote, byte(i))
		return
	}
	asker := *d
	asker.in.Remote = remote
	asker.arrive()
	var ev Event
	asker.serve(&ev)
}

// Both ends of a request in memory.
func BenchmarkRoundTrip(b *testing.B) {
	for _, mode := range []string{"NoSec", "PSK"} {
		b.Run(mode, func(b *testing.B) {
			n := newNetwork(b)
			var cfg *dtls.Config
			if mode == "PSK" {
				cfg = pskConfig(1)
			}
			server := n.server("192.0.2.1:5684", cfg, Limits{})
			server.keys["device"] = key1
			client := n.client("198.51.100.2:40000")
			client.keys["device"] = key1
			if cfg != nil {
				cfg = pskConfig(2)
			}
			id := client.connect(server, cfg)
			r := &roundTripper{n: n, client: client.Endpoint, server: server, id: id, d: udp.Datagram{Buf: make([]byte, 2048)}}
			b.ReportAllocs()
			for b.Loop() {
				n.now = n.now.Add(10 * time.Millisecond)
				r.run()
			}
			if r.responses < b.N {
				b.Fatalf("%d responses to %d requests", r.responses, b.N)
			}
		})
	}
}

type roundTripper struct {
	n         *network
	client    *Endpoint
	server    *party
	id        PeerID
	d         udp.Datagram
	ev        Event
	responses int
}

func (r *roundTripper) run() {
	now := r.n.now
	out := request.Outgoing{Type: coap.Confirmable, Code: coap.GET, Payload: answer}
	if _, err := r.client.Request(now, r.id, out); err != nil {
		panic(err)
	}
	r.client.Transmit(now, &r.d)
	r.d.Remote, r.d.Local = netip.MustParseAddrPort("198.51.100.2:40000"), netip.Addr{}
	r.server.Receive(now, &r.d)
	for r.server.Next(&r.ev) {
		if r.ev.Kind == EventRequest {
			r.server.Respond(now, r.ev.Exchange, request.Outgoing{Code: coap.Content, Payload: answer})
		}
	}
	r.server.Transmit(now, &r.d)
	r.d.Remote = r.server.addr
	r.client.Receive(now, &r.d)
	for r.client.Next(&r.ev) {
		if r.ev.Kind == EventResponse {
			r.responses++
		}
	}
	for r.client.Transmit(now, &r.d) || r.server.Transmit(now, &r.d) {
	}
}

// An idle session is the peer, its place in the address table and what DTLS has
// to keep: keys, windows, the facts. Nothing is left of handshake or exchanges.
func TestIdleSessionIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(peer{}); size > 256 {
		t.Errorf("a peer has %d bytes", size)
	}
	const sessions = 1000
	d := newDrill(t, true)
	server := d.server
	before := heapInUse()
	for i := range sessions {
		other := *d
		other.in.Remote = address(i)
		other.session = handshake(t, server, address(i), byte(i))
		other.arrive()
		var ev Event
		other.serve(&ev)
	}
	server.net.sleep(10 * time.Minute) // EXCHANGE_LIFETIME and the last flight's are over
	server.events, server.requests = nil, nil
	if got := server.Stats().Sessions; got != sessions+1 {
		t.Fatalf("%d sessions", got)
	}
	each := (int64(heapInUse()) - int64(before)) / sessions
	runtime.KeepAlive(server)
	t.Logf("%d bytes an idle session, clients' halves not counted", each)
	if each > 3200 { // 1,024 of them the two expanded AES keys
		t.Errorf("an idle session holds %d bytes", each)
	}
}
