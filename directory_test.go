// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/keys"
)

// A directory is a security.Directory in memory, whose store can hang and be
// away.
type directory struct {
	mu      sync.Mutex
	entries map[string]security.Entry // by identity, or by the name of a raw key
	cached  map[string]bool           // what needs no Fetch
	hangs   bool
	away    bool
	stale   map[string]security.Entry // what it remembers and the store cannot be asked about
	fetches int
}

func newDirectory() *directory {
	return &directory{entries: map[string]security.Entry{}, cached: map[string]bool{}}
}

func claimKey(c *security.Claim) string {
	switch {
	case c.PSKIdentity != nil:
		return c.Host + "/" + string(c.PSKIdentity)
	case c.RawKey != nil:
		return c.Host + "/" + keys.NameOf(c.RawKey, keys.SHA256_120).String()
	case c.Chain != nil:
		return c.Host + "/" + keys.CertificateName(c.Chain[0])
	case c.Principal != nil:
		return c.Host + "/credential " + c.Principal.Credential
	}
	return ""
}

func (d *directory) Cached(c *security.Claim, _ time.Time) (security.Entry, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entry(c), d.cached[claimKey(c)]
}

func (d *directory) entry(c *security.Claim) security.Entry {
	e, ok := d.entries[claimKey(c)]
	if !ok {
		e.Reason = dtls.ReasonUnknownIdentity
	}
	return e
}

func (d *directory) Fetch(ctx context.Context, c *security.Claim, _ time.Time) security.Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fetches++
	if d.hangs {
		d.mu.Unlock()
		<-ctx.Done()
		d.mu.Lock()
	}
	if e, ok := d.stale[claimKey(c)]; ok {
		e.Stale = true
		return e
	}
	if d.away || d.hangs {
		return security.Entry{Reason: dtls.ReasonStoreUnavailable, Err: errors.New("the store is away")}
	}
	return d.entry(c)
}

func (d *directory) change(f func(*directory)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func (d *directory) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fetches
}

// add makes a device with a pre-shared key.
func (d *directory) add(device string, groups ...string) keys.PSK {
	psk := must(keys.RandomPSK(rand.Reader, []byte(device)))
	d.change(func(d *directory) {
		d.entries["/"+device] = security.Entry{Principal: security.Principal{Device: device, Groups: groups, Credential: "psk"}, Key: psk.Key}
	})
	return psk
}

// set changes the entry of a device.
func (d *directory) set(device string, f func(*security.Entry)) {
	d.change(func(d *directory) {
		e := d.entries["/"+device]
		f(&e)
		d.entries["/"+device] = e
	})
}

func (d *directory) remember(device string) {
	d.change(func(d *directory) { d.cached["/"+device] = true })
}

// newGuarded is a stage whose keys are in a directory, besides those that it
// has.
func newGuarded(t testing.TB, handler Handler, prepare func(*Server)) (*stage, *directory) {
	d := newDirectory()
	s := newStage(t, handler, func(s *Server) {
		s.Security.Directory = d
		if prepare != nil {
			prepare(s)
		}
	})
	return s, d
}

// with returns a client that has a key, and is closed with the test.
func (s *stage) with(psk keys.PSK) *Client {
	c := &Client{Security: &security.Config{ClientPSK: &psk}, Timers: unhurried, Params: patient}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// anonymous returns a client that shows no key.
func (s *stage) anonymous() *Client {
	c := &Client{Security: &security.Config{Pins: pin(s.serverKey)}, Timers: unhurried, Params: patient}
	s.t.Cleanup(func() { c.Close() })
	return c
}

func rules(lines ...string) *acl.List {
	var list []acl.Rule
	for _, line := range lines {
		list = append(list, must(acl.ParseRule(line)))
	}
	return must(acl.Compile(list))
}

// say tells who asks, as access rules and handlers see it.
var say = HandlerFunc(func(w ResponseWriter, r *Request) {
	who := r.Peer.Identity
	fmt.Fprintf(w, "%v %s device=%s groups=%s", who.Mode(), who.Name(), who.Device(), strings.Join(who.Groups(), ","))
})

// get asks and returns the answer as text, such as "4.03 Forbidden".
func get(t testing.TB, c *Client, uri string) string {
	t.Helper()
	r, err := c.Get(timeout(t), uri)
	if err != nil {
		t.Fatalf("%s: %v", uri, err)
	}
	if r.Code == coap.Content {
		return string(r.Payload)
	}
	return r.Code.String()
}
