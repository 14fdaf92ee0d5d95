// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
)

// Kind is what the clients do.
type Kind uint8

// Kinds.
const (
	Requests   Kind = iota // all connect, then all ask
	Handshakes             // connect, close, and again
	Sessions               // connect, rest, and ask once more
	Echo                   // send raw datagrams to who sends them back; no CoAP: the limit to compare with
)

var kindNames = [...]string{"requests", "handshakes", "sessions", "echo"}

// String returns the lower-case name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText makes the name the kind's form in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("load: no such kind: %q", text)
}

// Config says what to do. Zero fields take the defaults named.
type Config struct {
	Kind   Kind
	Server netip.AddrPort
	// Host is the name of the server that certificates are checked against and
	// that the hello names; the default is the address.
	Host string
	// Secure says that the server is to be talked to over DTLS: coaps.
	Secure bool
	// Security is what client number i, from 0, has been provisioned with. It
	// is called once a connection; each pointer it returns costs memory once.
	Security func(client int) *security.Config
	// PSK, if set, gives each client an identity and a key of its own, which
	// cost no memory. Security may then be nil; else it says the rest.
	PSK func(client int) (identity, key []byte)

	// Clients is how many are emulated; 1.
	Clients int
	// Sockets is how many sockets they have: one each, which is the default up
	// to 64 clients, or, with any smaller number, one a loop that sends from
	// all of their addresses. Clients that cannot have a source address each
	// are told apart by their ports, so they need a socket each.
	Sockets int
	// Sources are the IPv4 prefixes that the source addresses come from, one a
	// client; over IPv6 each client has a socket. The default for a server on
	// 127.0.0.0/8 is all of that, neighbours in different /24; else the system
	// chooses, and each client has a socket.
	Sources []netip.Prefix
	// Loops is how many event loops share the clients; 1. Each is worth a core.
	Loops int

	// Window is how many requests a client has in flight in a closed loop
	// (NSTART); 1. With Handshakes and Sessions: how many handshakes are in
	// progress, of all clients together; 32.
	Window int
	// Rate is how many requests (of Handshakes: handshakes; of Sessions:
	// connections, and the requests after Hold) are begun a second, by all
	// clients together, whether earlier ones have been answered or not: an open
	// loop. Latency counts from when a request was due, so a server that
	// stalls is seen to stall. 0: a closed loop.
	Rate float64
	// Mix are the requests to choose from; GET of the root. With Echo only the
	// PayloadSize of the first counts.
	Mix []Request
	// Duration is how long to measure; 10 s, unless Count is set.
	Duration time.Duration
	// Count ends the measured part after so many operations.
	Count uint64
	// Warmup is how long to run before measuring.
	Warmup time.Duration
	// Ramp is the time over which the connections of Requests are spread.
	Ramp time.Duration
	// Timeout is how long a request or a handshake may take; 30 s, or 2 s if
	// all requests of the mix are Non-confirmable, or 1 s for an echo.
	Timeout time.Duration

	// Greet lets each client of Sessions ask once when it has connected.
	Greet bool
	// Hold is how long the clients of Sessions rest; Touch lets each ask once
	// after that.
	Hold  time.Duration
	Touch bool
	// Abandon leaves the sessions open on the server at the end, where
	// otherwise each gets its close_notify.
	Abandon bool

	// Loss and Reorder are the parts, from 0 to 1, of datagrams that are lost
	// or overtaken, on the clients' side in each direction. Seed makes what
	// happens to them, and the order of the mix, the same in each run.
	Loss, Reorder float64
	Seed          uint64

	// Params are the transmission parameters of the clients, but for NStart,
	// which is Window; Timers those of their handshakes. PROBING_RATE is 1 MB/s
	// unless set, so that a Non-confirmable request that is lost does not hold
	// its client up.
	Params message.Params
	Timers dtls.Timers
	// MTU of the clients' sessions, in bytes of UDP payload; that of package dtls.
	MTU int

	// ServerPID is the server's process, whose CPU time and memory are to be
	// reported. It must be on this machine; 0 for none.
	ServerPID int

	// Progress is called about twice a second, on a goroutine of its own. It
	// must not block for long.
	Progress func(Snapshot)
}

// A Request is one kind of request in a mix.
type Request struct {
	Weight         int          // how often beside the others; 1
	Method         coap.Code    // GET
	Path           string       // "/a/b?c=d": Uri-Path and Uri-Query options
	Options        coap.Options // further ones; Path must be empty
	PayloadSize    int          // bytes
	NonConfirmable bool
}

// Phase is a part of a run.
type Phase uint8

// Phases, in order. Not every run has all.
const (
	Connecting Phase = iota
	WarmingUp
	Measuring
	Holding
	Touching
	Draining // what is in flight may end
	Closing
	Done
)

var phaseNames = [...]string{"connecting", "warming up", "measuring", "holding", "touching", "draining", "closing", "done"}

// String returns the lower-case name.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("Phase(%d)", uint8(p))
}

// MarshalText makes the name the phase's form in JSON.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// A Snapshot is how far a run has come.
type Snapshot struct {
	Phase      Phase
	Elapsed    time.Duration // since the run began
	Left       time.Duration // of the measured part or the hold; 0 if not known
	Connected  int           // sessions that are up
	InFlight   int           // handshakes or requests
	Operations uint64        // so far, in the measured part
	Touched    uint64        // so far, of Sessions
	Rate       float64       // operations, or touches, a second since the last Snapshot
	P50, P99   time.Duration // of them, since the last Snapshot
	Failures   uint64        // so far
}
