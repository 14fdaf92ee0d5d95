// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store/bolt"
	"github.com/coaps-go/coaps/tick"
)

const (
	oracleSamples = 300 // of each kind
	oracleBound   = 4.5 // standard deviations that chance does not reach
)

// TestNoOracle: whoever sends a key cannot tell by the time that the server takes
// whether the identity is known. Nothing is answered in either case, so the time
// is that of another question, sent right behind: it has to wait for what the
// server does about the handshake. The samples of both kinds are taken in turns
// that chance decides, and compared by their ranks (Mann and Whitney). That the
// comparison is fine enough shows a handshake with the right key, which makes the
// server do more.
//
// Pitfall A6: an unknown identity and a wrong key are alike in datagrams and time
func TestNoOracle(t *testing.T) {
	if testing.Short() {
		t.Skip("times mean nothing on a busy machine")
	}
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"met for the first time", "known", "unknown", true},
		{"met before", "known again", "unknown again", true},
		{"in memory and unknown", "known again", "unknown", true},
		{"no directory", "wrong", "unknown", true},
		{"no directory, the right key", "right", "unknown", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOracle(t, !strings.HasPrefix(c.name, "no directory"))
			var z float64
			for range 3 { // a machine with other things to do may have its way once
				z = o.compare(c.a, c.b)
				t.Logf("%s and %s: %.1f standard deviations apart", c.a, c.b, z)
				if math.Abs(z) < oracleBound == c.same {
					return
				}
			}
			if c.same {
				t.Errorf("the time tells %s from %s: %.1f standard deviations", c.a, c.b, z)
			} else {
				t.Errorf("the comparison is too coarse: %.1f standard deviations", z)
			}
		})
	}
}

// oracle is a server with devices in a store, and a client that asks it.
type oracle struct {
	t      *testing.T
	server *net.UDPAddr
	made   int // devices
	reg    *registry.Registry
	probe  *net.UDPConn
	hello  []byte
}

// newOracle has a server with a directory, or one that knows all keys at once.
func newOracle(t *testing.T, looksUp bool) *oracle {
	o := &oracle{t: t}
	config := &security.Config{PSK: rightKeys(t)}
	if looksUp {
		config = &security.Config{Directory: o.directory()}
	}
	server := &coaps.Server{SecureAddr: "127.0.0.1:0", Security: config, Loops: 1}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { server.Serve(t.Context()); close(ended) }()
	t.Cleanup(func() { server.Close(); <-ended })
	_, secure := server.Addrs()
	o.server = net.UDPAddrFromAddrPort(secure)
	o.probe = o.dial()
	o.hello = o.first(o.session("probe", make([]byte, 16)))
	return o
}

// directory is one on an empty store.
func (o *oracle) directory() *registry.Directory {
	o.t.Helper()
	s, err := bolt.Open(filepath.Join(o.t.TempDir(), "devices.db"), bolt.Options{})
	if err != nil {
		o.t.Fatal(err)
	}
	o.reg = registry.New(s)
	d := registry.NewDirectory(s, registry.Options{Negative: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { d.Run(ctx, func([]registry.Change) {}); close(ended) }()
	o.t.Cleanup(func() { cancel(); <-ended; s.Close() })
	return d
}

// rightKeys has a key for every other identity.
func rightKeys(t *testing.T) *keys.PSKMap {
	all := new(keys.PSKMap)
	for i := 0; i < 8*oracleSamples; i += 2 {
		psk, err := keys.NewPSK(identity(i), make([]byte, 16))
		if err == nil {
			err = all.Add(psk)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// identity has one length for all numbers.
func identity(i int) []byte { return fmt.Appendf(nil, "device-%06d", i) }

// compare takes samples of two kinds and tells how far apart they are, in
// standard deviations of what chance would make of samples of one kind.
func (o *oracle) compare(a, b string) float64 {
	o.t.Helper()
	kinds := append(slices.Repeat([]string{a}, oracleSamples), slices.Repeat([]string{b}, oracleSamples)...)
	mathrand.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	identities := o.identities(kinds)
	for i, identity := range identities {
		if strings.HasSuffix(kinds[i], " again") {
			o.sample(kinds[i], identity)
		}
	}
	var samples []sample
	for i, identity := range identities {
		samples = append(samples, sample{kinds[i] == a, o.sample(kinds[i], identity)})
	}
	return apart(samples)
}

// identities makes an identity for each sample, and its device unless it is to
// be unknown.
func (o *oracle) identities(kinds []string) (identities []string) {
	o.t.Helper()
	for _, kind := range kinds {
		known := !strings.HasPrefix(kind, "unknown")
		o.made += 2
		name := identity(o.made)
		if !known {
			name = identity(o.made + 1)
		}
		identities = append(identities, string(name))
		if !known || o.reg == nil {
			continue
		}
		psk, err := keys.RandomPSK(rand.Reader, name)
		if err == nil { // another than the client's
			_, err = o.reg.AddDevice(o.t.Context(), registry.Device{Name: string(name), Credentials: []registry.Credential{
				{PSK: &registry.PSK{Identity: name, Key: psk.Key}}}})
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
	return identities
}

// session is a client's.
func (o *oracle) session(identity string, key []byte) *dtls.Session {
	o.t.Helper()
	psk, err := keys.NewPSK([]byte(identity), key)
	if err != nil {
		o.t.Fatal(err)
	}
	policy, err := (&security.Config{ClientPSK: &psk, CipherSuites: []dtls.CipherSuite{psk8}}).Client(keys.Authority{Host: "127.0.0.1"})
	if err != nil {
		o.t.Fatal(err)
	}
	session, err := dtls.NewClient(policy.DTLS(rand.Reader), now(), "")
	if err != nil {
		o.t.Fatal(err)
	}
	return session
}

// first is a session's next datagram.
func (o *oracle) first(s *dtls.Session) []byte {
	buf := make([]byte, 2048)
	return buf[:s.Transmit(now(), buf)]
}

func (o *oracle) dial() *net.UDPConn {
	o.t.Helper()
	conn, err := net.DialUDP("udp", nil, o.server)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	return conn
}

// sample goes through a handshake up to the client's last flight, and tells how
// long the answer to another hello takes that is sent right behind it.
func (o *oracle) sample(kind, identity string) time.Duration {
	o.t.Helper()
	conn := o.dial()
	defer conn.Close()
	key := make([]byte, 16) // the right one, if any is
	if kind == "wrong" {
		key[0] = 1
	}
	last := o.lastFlight(conn, o.session(identity, key), identity, key)
	buf := make([]byte, 2048)
	began := time.Now()
	for _, datagram := range append(last, o.hello) {
		to := conn
		if &datagram[0] == &o.hello[0] {
			to = o.probe
		}
		if _, err := to.Write(datagram); err != nil {
			o.t.Fatal(err)
		}
	}
	if _, err := o.probe.Read(buf); err != nil {
		o.t.Fatal(err)
	}
	took := time.Since(began)
	if kind != "right" {
		_ = conn.SetReadDeadline(time.Now().Add(500 * time.Microsecond))
		if n, err := conn.Read(buf); err == nil {
			o.t.Fatalf("a %s identity with a wrong key is answered by %d bytes", kind, n)
		}
	}
	return took
}

// lastFlight makes the handshake up to the datagrams of the client's last
// flight, which it does not send.
func (o *oracle) lastFlight(conn *net.UDPConn, s *dtls.Session, identity string, key []byte) (datagrams [][]byte) {
	o.t.Helper()
	buf := make([]byte, 2048)
	for asked := false; ; {
		for datagram := o.first(s); len(datagram) > 0; datagram = o.first(s) {
			if asked {
				datagrams = append(datagrams, datagram)
			} else if _, err := conn.Write(datagram); err != nil {
				o.t.Fatal(err)
			}
		}
		if asked {
			return datagrams
		}
		n, err := conn.Read(buf)
		if err != nil {
			o.t.Fatal(err)
		}
		s.Receive(now(), buf[:n])
		for ev := (dtls.Event{}); s.Next(now(), &ev); {
			if ev.Kind == dtls.EventWantPSK {
				asked = true
				s.ProvidePSK(now(), []byte(identity), slices.Clone(key))
			}
		}
	}
}

// psk8 is TLS_PSK_WITH_AES_128_CCM_8, which asks for no public-key operations.
const psk8 dtls.CipherSuite = 0xc0a8

var epoch = time.Now()

func now() tick.Time { return tick.Time(time.Since(epoch)) + 1 }

// sample is one time, of the first kind or the second.
type sample struct {
	first bool
	took  time.Duration
}

// apart is the statistic of Mann and Whitney, which has mean 0 and standard
// deviation 1 if both kinds are alike.
func apart(samples []sample) float64 {
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.took, b.took) })
	n, first, ranks := float64(len(samples)), 0.0, 0.0
	for i, s := range samples {
		if s.first {
			first++
			ranks += float64(i + 1)
		}
	}
	mean := first * (n + 1) / 2
	deviation := math.Sqrt(first * (n - first) * (n + 1) / 12)
	return (ranks - mean) / deviation
}
