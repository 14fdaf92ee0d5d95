// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// A device that is not in memory is looked up, once, and its session keeps who it
// is over sleep without another look.
func TestLookUp(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.Limits.SleepAfter = 50 * time.Millisecond })
	c := s.with(d.add("sensor-7", "sensors"))
	want := "PreSharedKey sensor-7 device=sensor-7 groups=sensors"
	if got := get(t, c, s.secure+"/"); got != want {
		t.Errorf("got %s", got)
	}
	d.change(func(d *directory) { d.hangs = true })
	eventually(t, "sleep", func() bool { return s.server.Stats().Awake == 0 })
	if got := get(t, c, s.secure+"/"); got != want || d.asked() != 1 {
		t.Errorf("after sleep, with a dead store: %s, %d look-ups", got, d.asked())
	}
	s.wantLog(LogHandshakeAccepted, "identity=sensor-7", "device=sensor-7", "mode=PreSharedKey")
}

// While a store hangs, and as many handshakes wait for it as may, devices in
// memory, raw public keys, certificates and established sessions are served as
// ever. Those that wait are refused when their time is over, and those for whom
// there is no room at once; to a client both are an unknown identity.
func TestStoreThatHangs(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.LookupTime = time.Hour })
	s.onLoop(func() { s.server.lookups = newPool(2, 2) })
	old := s.with(d.add("old"))
	_ = get(t, old, s.secure+"/")
	cached := d.add("cached")
	d.remember("cached")
	d.change(func(d *directory) { d.hangs = true })
	for i := range 6 {
		c := s.with(d.add(fmt.Sprint("waits-", i)))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go c.Get(ctx, s.secure+"/")
	}
	eventually(t, "refusals", func() bool { return s.server.Stats().LookupsRefused == 2 })
	began := time.Now()
	clients := []*Client{old, s.with(cached), s.client(security.PreSharedKey)}
	d.change(func(d *directory) {
		d.cached["/"+keys.NameOf(s.clientKey.SPKI, keys.SHA256_120).String()] = true
		d.cached["/"+keys.CertificateName(s.clientChain.Leaf)] = true
	})
	for _, mode := range []security.Mode{security.RawPublicKey, security.Certificate} {
		clients = append(clients, s.client(mode))
	}
	for _, c := range clients {
		if got := get(t, c, s.secure+"/"); !strings.HasPrefix(got, "PreSharedKey ") && !strings.HasPrefix(got, "RawPublicKey ") && !strings.HasPrefix(got, "Certificate ") {
			t.Errorf("got %s", got)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("they took %v", took)
	}
	s.wantLog(LogHandshakeRefused, "reason=store_unavailable", "identity=waits-", "too many look-ups")
	if got := s.server.Stats(); got.LookupsRefused != 2 || got.LookupsFailed != 0 {
		t.Errorf("%d refused, %d failed", got.LookupsRefused, got.LookupsFailed)
	}
}

// onLoop runs f on the event loop of the secure port.
func (s *stage) onLoop(f func()) {
	s.t.Helper()
	done := make(chan struct{})
	_ = s.server.secure.shards[0].mail.post(note(func(tick.Time) { f(); close(done) }), true)
	<-done
}

// A look-up has an end, waiting for others included: who has waited too long is
// not looked up any more.
func TestLookUpsEnd(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.LookupTime = 100 * time.Millisecond })
	lookups := newPool(1, 100)
	s.onLoop(func() { s.server.lookups = lookups })
	d.change(func(d *directory) { d.hangs = true })
	free := make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	defer release()
	lookups.submit(job(func() { <-free }))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const waiting = 5
	for i := range waiting {
		c := s.with(d.add(fmt.Sprint("waits-", i)))
		go c.Get(ctx, s.secure+"/")
	}
	eventually(t, "all to wait", func() bool { return lookups.queue.last.Load() == 1+waiting })
	time.Sleep(s.server.LookupTime)
	release()
	eventually(t, "the end of all", func() bool { return s.server.Stats().LookupsFailed == waiting })
	if n := d.asked(); n != 0 {
		t.Errorf("%d that had waited too long were looked up all the same", n)
	}
	c := s.with(d.add("hangs"))
	go c.Get(ctx, s.secure+"/")
	eventually(t, "the end of one that is looked up", func() bool { return s.server.Stats().LookupsFailed == waiting+1 })
	if n := d.asked(); n != 1 {
		t.Errorf("%d look-ups", n)
	}
	s.wantLog(LogLookupFailed, "reason=store_unavailable")
	s.wantLog(LogHandshakeRefused, "reason=store_unavailable", "identity=waits-")
	s.wantLog(LogHandshakeRefused, "reason=store_unavailable", "identity=hangs")
}

// A Directory that dies has the next handshake of a device fail, and not more.
func TestStoreThatIsAway(t *testing.T) {
	s, d := newGuarded(t, say, nil)
	psk := d.add("sensor-7")
	d.change(func(d *directory) { d.away = true })
	c := s.with(psk)
	ctx, failed := newDeadline(t), make(chan error, 1)
	go func() { _, err := c.Get(ctx, s.secure+"/"); failed <- err }()
	s.wantLog(LogHandshakeRefused, "reason=store_unavailable", "identity=sensor-7", "detail=\"store_unavailable: the store is away\"")
	close(ctx.over)
	wantReason(t, <-failed, "bad_psk_or_unknown_identity")
	d.change(func(d *directory) { d.away = false })
	if got := get(t, s.with(psk), s.secure+"/"); !strings.Contains(got, "sensor-7") {
		t.Errorf("afterwards: %s", got)
	}
}

// The log says why a credential was refused. On the wire each is what an unknown
// identity and a wrong key are: the same datagrams, of the same sizes, in the
// same order.
//
// Proves rfc4279 §2: "Alternatively, if the server wishes to hide the fact that the
// PSK identity was not known, it MAY continue the protocol as if the PSK identity
// existed but the key was incorrect"
func TestReasonsAreForTheLogAlone(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.Security.Name = "here" })
	names := []string{"unknown_identity", "bad_psk", "credential_disabled", "credential_expired", "device_disabled", "wrong_node", "store_unavailable"}
	refused := map[string]keys.PSK{}
	for _, reason := range names {
		device := fmt.Sprintf("%-20s", reason) // all identities have one length
		psk := d.add(device)
		d.set(device, func(e *security.Entry) {
			switch reason {
			case "unknown_identity":
				e.Reason = dtls.ReasonUnknownIdentity
			case "bad_psk":
				e.Key = must(keys.RandomPSK(rand.Reader, []byte("x"))).Key
			case "credential_disabled":
				e.Reason = dtls.ReasonCredentialDisabled
			case "credential_expired":
				e.Reason = dtls.ReasonCredentialExpired
			case "device_disabled":
				e.Reason = dtls.ReasonDeviceDisabled
			case "wrong_node":
				e.Nodes = []string{"elsewhere"}
			case "store_unavailable":
				e.Reason = dtls.ReasonStoreUnavailable
			}
		})
		refused[reason] = psk
	}
	flights := s.watchAll(refused, names)
	for _, reason := range names {
		s.wantLog(LogHandshakeRefused, "reason="+reason+" ", "identity=", reason+" ")
	}
	for i, got := range flights {
		if !slices.Equal(got, flights[0]) || len(got) < 6 {
			t.Errorf("%s: %q, %s: %q", names[i], got, names[0], flights[0])
		}
	}
	if n := strings.Count(s.log.String(), LogHandshakeRefused); n != len(names) {
		t.Errorf("%d lines for %d refusals", n, len(names))
	}
}

// watchAll makes handshakes that fail, all at once, and tells which datagrams
// there were in each.
func (s *stage) watchAll(refused map[string]keys.PSK, names []string) [][]string {
	s.t.Helper()
	flights := make([][]string, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { flights[i] = s.watch(refused[name]) })
	}
	all.Wait()
	return flights
}

// watch makes one handshake, and gives it time for what should not come.
func (s *stage) watch(psk keys.PSK) (datagrams []string) {
	s.t.Helper()
	c := &Client{
		Security: &security.Config{ClientPSK: &psk}, Timers: dtls.Timers{Initial: 5 * time.Second, Handshake: 10 * time.Second},
		Trace: &Trace{
			DatagramSent:     func(_ netip.AddrPort, n int) { datagrams = append(datagrams, fmt.Sprint("sent ", n)) },
			DatagramReceived: func(_ netip.AddrPort, n int) { datagrams = append(datagrams, fmt.Sprint("received ", n)) },
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err := c.Get(ctx, s.secure+"/")
	c.Close()
	wantReason(s.t, err, "bad_psk_or_unknown_identity")
	return datagrams
}

// A raw public key and a certificate are looked up as well, after they have been
// verified, and what their handshakes fail for is in the log.
//
// Proves rfc7252 §9.1.3.2.1: "The identifier is used for two purposes, to associate
// the endpoint with further device information and to perform access control."
func TestLookUpOfKeys(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.Security.RequireKnownCertificates = true })
	name := keys.NameOf(s.clientKey.SPKI, keys.SHA256_120).String()
	leaf := keys.CertificateName(s.clientChain.Leaf)
	d.change(func(d *directory) {
		d.entries["/"+name] = security.Entry{Principal: security.Principal{Device: "raw", Credential: "rpk"}}
	})
	if got := get(t, s.client(security.RawPublicKey), s.secure+"/"); !strings.HasSuffix(got, " device=raw groups=") {
		t.Errorf("got %s", got)
	}
	_, err := s.client(security.Certificate).Get(timeout(t), s.secure+"/")
	wantReason(t, err, "alert_certificate_unknown")
	s.wantLog(LogHandshakeRefused, "reason=unknown_identity", "identity="+leaf)
	d.change(func(d *directory) {
		d.entries["/"+leaf] = security.Entry{Principal: security.Principal{Device: "cert", Credential: "c"}}
		d.entries["/"+name] = security.Entry{Reason: dtls.ReasonCredentialDisabled, Principal: security.Principal{Device: "raw"}}
	})
	if got := get(t, s.client(security.Certificate), s.secure+"/"); !strings.HasSuffix(got, " device=cert groups=") {
		t.Errorf("got %s", got)
	}
	_, err = s.client(security.RawPublicKey).Get(timeout(t), s.secure+"/")
	wantReason(t, err, "alert_certificate_unknown")
	s.wantLog(LogHandshakeRefused, "reason=credential_disabled", "identity="+name)
}

// A PSKSource of an application's own may take its time, and holds up nobody.
func TestSlowPSKSource(t *testing.T) {
	release := make(chan struct{})
	slow := slowSource{release, must(keys.RandomPSK(rand.Reader, []byte("slow")))}
	s := newStage(t, say, func(s *Server) { s.Security.PSK = slow })
	done := make(chan string, 1)
	go func() { done <- get(t, s.with(slow.psk), s.secure+"/") }()
	if got := get(t, s.client(security.RawPublicKey), s.secure+"/"); !strings.HasPrefix(got, "RawPublicKey") {
		t.Errorf("got %s", got)
	}
	close(release)
	if got := <-done; !strings.HasPrefix(got, "PreSharedKey slow") {
		t.Errorf("got %s", got)
	}
}

type slowSource struct {
	release chan struct{}
	psk     keys.PSK
}

func (s slowSource) LookupPSK(string, []byte) ([]byte, bool) {
	<-s.release
	return s.psk.Key.Bytes(), true
}

// Two virtual hosts know the same identity by different keys, and each leads to a
// device of its own.
func TestVirtualHostsOfADirectory(t *testing.T) {
	d := newDirectory()
	var psk [2]keys.PSK
	hosts := []string{"a.example", "b.example"}
	s := newStage(t, say, func(s *Server) {
		s.Security.Directory, s.Security.Hosts = d, map[string]*security.Config{}
		for i, host := range hosts {
			psk[i] = must(keys.RandomPSK(rand.Reader, []byte("device")))
			s.Security.Hosts[host] = &security.Config{Directory: d}
			d.entries[host+"/device"] = security.Entry{Key: psk[i].Key, Principal: security.Principal{Device: fmt.Sprint("device-of-", host)}}
		}
	})
	for i := range hosts {
		for j, host := range hosts {
			c := s.with(psk[i])
			if c.ServerName = host; i != j {
				c.Timers = hasty
			}
			r, err := c.Get(timeout(t), s.secure+"/")
			switch {
			case i != j:
				wantReason(t, err, "bad_psk_or_unknown_identity")
			case err != nil || !strings.Contains(string(r.Payload), "device=device-of-"+host):
				t.Errorf("%s: %v, %v", host, r, err)
			}
		}
	}
}
