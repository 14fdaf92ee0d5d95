// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/store"
)

// schemaVersion is the v of all JSON.
const schemaVersion = 1

// status is that of commander.
func (s *server) status(context.Context) *Status {
	g := s.current()
	status := &Status{
		V: schemaVersion, Name: g.config.Name, PID: os.Getpid(), Started: s.started,
		Config: s.path, Hash: g.config.Hash(), Refused: s.recorder.shared.refusals(),
		Keys: append([]KeyStatus{}, g.material.certs...), Stores: []StoreStatus{},
	}
	for i := range status.Keys {
		status.Keys[i].Expired = time.Now().After(status.Keys[i].Expires)
	}
	for _, l := range s.open() {
		status.add(l)
	}
	if p := g.provision; p != nil {
		status.Stores = append(status.Stores, storeStatusOf(p.storeStatus()))
		lookups := p.directory.Status()
		status.Lookups = &LookupStatus{OK: lookups.OK, Watching: lookups.Watching, Breaker: lookups.Breaker,
			Cached: lookups.Cached, Hits: lookups.Hits, Misses: lookups.Misses, Negative: lookups.Negative, Timeouts: lookups.Timeouts, Stale: lookups.Stale}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	status.Reload = s.result
	for _, about := range slices.Sorted(maps.Keys(s.troubles)) {
		status.Problems = append(status.Problems, s.troubles[about])
	}
	if !s.result.OK {
		status.Problems = append(status.Problems, "the last reload failed, the configuration before it is in force: "+s.result.Error)
	}
	return status
}

func (status *Status) add(l *listener) {
	stats := l.server.Stats()
	status.Denied += stats.RequestsDenied
	status.Revoked += stats.SessionsRevoked
	status.Listeners = append(status.Listeners, ListenerStatus{
		Addr: l.addr().String(), Security: l.Security, Sessions: stats.Sessions,
		Handshakes: stats.Handshakes, HandshakesFailed: stats.HandshakesFailed, Requests: stats.Requests, Observers: stats.Observers, Overflows: stats.ReceiveOverflows,
		Ignored: ignored(&stats),
	})
	status.Observers.add(&stats)
}

// ignoredNames are the drops for which a client gets no answer, or none that it
// understands, before there is a session and a line in the log. What belongs to
// each handshake, such as a hello without a cookie, is not among them.
var ignoredNames = map[string]bool{
	"not_a_client_hello": true, "malformed_client_hello": true, "fragmented_client_hello": true,
	"unsupported_version": true, "answer_too_large": true,
	"stranger": true, "malformed": true, "reply_queue": true, "half_open": true, "sessions": true,
	"handshake_rate": true, "prefix_handshake_rate": true, "answer_rate": true,
}

func ignored(stats *coaps.Stats) map[string]uint64 {
	counts := map[string]uint64{}
	for drop, n := range stats.DTLSDrops {
		if name := dtls.Drop(drop).String(); n > 0 && ignoredNames[name] {
			counts[name] += n
		}
	}
	for drop, n := range stats.Drops {
		if name := endpoint.Drop(drop).String(); n > 0 && ignoredNames[name] {
			counts[name] += n
		}
	}
	return counts
}

func (o *ObserverStatus) add(stats *coaps.Stats) {
	o.Now += stats.Observers
	o.Begun += stats.ObserversAdded
	o.Refused += stats.ObserversRefused
	o.Notifications += stats.Notifications
	o.Acknowledged += stats.NotificationsAcked
	o.Replaced += stats.NotificationsReplaced
	for reason, n := range map[string]uint64{
		"canceled": stats.ObserversCanceled, "timeout": stats.ObserversTimedOut, "disconnected": stats.ObserversDisconnected,
		"denied": stats.ObserversDenied, "failed": stats.ObserversFailed,
	} {
		if n == 0 {
			continue
		}
		if o.Ended == nil {
			o.Ended = map[string]uint64{}
		}
		o.Ended[reason] += n
	}
}

// modeNames are the words of access rules and of the command.
var modeNames = map[security.Mode]string{
	security.NoSec: "nosec", security.PreSharedKey: "psk", security.RawPublicKey: "rpk", security.Certificate: "certificate",
}

func modeName(m security.Mode) string { return modeNames[m] }

// sessionOf is what there is to show of a session.
func sessionOf(l *listener, info *coaps.SessionInfo) *Session {
	whose := info.Identity.Principal()
	one := &Session{
		V: schemaVersion, ID: strconv.Itoa(l.number) + "-" + info.ID.String(), Listener: l.addr().String(),
		Peer: info.Addr.String(), Mode: modeName(info.Mode), Identity: info.Identity.Name(),
		Device: whose.Device, Group: whose.Group, Tenant: whose.Tenant, Groups: whose.Groups, Credential: whose.Credential,
		Host: info.Identity.Host(), Since: info.Established, LastSeen: info.LastSeen, Asleep: info.Asleep,
		Forbidden: info.Forbidden, Authorized: info.Authorized, NotAfter: info.NotAfter, Observes: info.Observations,
	}
	if info.CipherSuite != 0 {
		one.Cipher = info.CipherSuite.String()
	}
	return one
}

// sessions is that of commander.
func (s *server) sessions(ctx context.Context, filter SessionFilter, yield func(*Session) error) error {
	for _, l := range s.open() {
		for info := range l.server.Sessions(ctx) {
			one := sessionOf(l, &info)
			if !filter.fits(one) {
				continue
			}
			if err := yield(one); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// drop is that of commander.
func (s *server) drop(ctx context.Context, filter SessionFilter) (int, error) {
	if filter.ID != "" && filter == (SessionFilter{ID: filter.ID}) {
		return s.dropOne(ctx, filter.ID)
	}
	dropped := 0
	for _, l := range s.open() {
		for info := range l.server.Sessions(ctx) {
			if !filter.fits(sessionOf(l, &info)) {
				continue
			}
			err := l.server.Drop(ctx, info.ID)
			if err == nil {
				dropped++
			} else if !errors.Is(err, coaps.ErrNoSession) { // it has ended by itself
				return dropped, err
			}
		}
	}
	return dropped, ctx.Err()
}

// dropOne needs no walk.
func (s *server) dropOne(ctx context.Context, text string) (int, error) {
	number, rest, _ := strings.Cut(text, "-")
	id, err := coaps.ParseSessionID(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is no session: coaps session list shows them", clip(text))
	}
	for _, l := range s.open() {
		if strconv.Itoa(l.number) != number {
			continue
		}
		err := l.server.Drop(ctx, id)
		if errors.Is(err, coaps.ErrNoSession) {
			return 0, nil
		}
		return 1, err
	}
	return 0, nil
}

// registryStore is that of commander.
func (s *server) registryStore() store.Store {
	if p := s.current().provision; p != nil {
		return p.store
	}
	return nil
}
