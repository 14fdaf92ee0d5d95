// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store/bolt"
)

// BenchmarkReload replaces 100,000 devices in a store while 10,000 of them have
// sessions, which sleep, and a client asks all the time. What it reports is the
// time until the store has taken them, the time from then until all sessions have
// been looked at again, and how long the client waits for an answer meanwhile.
func BenchmarkReload(b *testing.B) {
	const devices, sessions = 100_000, 10_000
	file, err := bolt.Open(filepath.Join(b.TempDir(), "devices.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	reg := registry.New(file)
	psk := must(keys.RandomPSK(rand.Reader, []byte("crowd")))
	if _, err := reg.Import(b.Context(), fleet(devices, "first", &psk), registry.ImportOptions{}); err != nil {
		b.Fatal(err)
	}
	directory := registry.NewDirectory(file, registry.Options{})
	s := newStage(b, say, func(s *Server) {
		s.Security.Directory, s.Logger = directory, nil
		dozing(s)
		s.Limits.HandshakeRate, s.Limits.PrefixHandshakeRate, s.Limits.AnswerRate = -1, -1, -1
	})
	var told atomic.Int64
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- directory.Run(ctx, func([]registry.Change) { told.Add(1); s.server.Recheck(nil) })
	}()
	defer func() { cancel(); <-ended }()
	// What is fetched before the watch begins is forgotten when it does.
	eventually(b, "the watch", func() bool { return directory.Status().Watching })
	for i := range sessions {
		claim := security.Claim{PSKIdentity: []byte(fmt.Sprint("crowd-", i))}
		directory.Fetch(b.Context(), &claim, time.Now())
	}
	s.crowd(nil, psk, sessions)
	c := newBareClient(b, s, true)
	asking, asked := make(chan struct{}), make(chan []time.Duration)
	go func() {
		var paces []time.Duration
		for {
			select {
			case <-asking:
				asked <- paces
				return
			default:
				paces = append(paces, c.once())
			}
		}
	}()
	var stored, checked time.Duration
	b.ResetTimer()
	for i := range b.N {
		before, began := told.Load(), time.Now()
		if _, err := reg.Import(b.Context(), fleet(devices, fmt.Sprint("group-", i), &psk), registry.ImportOptions{Replace: true}); err != nil {
			b.Fatal(err)
		}
		stored += time.Since(began)
		began = time.Now()
		for last := fmt.Sprint("group-", i); !s.allIn(last) || told.Load() == before; {
			time.Sleep(time.Millisecond)
		}
		checked += time.Since(began)
	}
	b.StopTimer()
	close(asking)
	paces := <-asked
	slices.Sort(paces)
	b.ReportMetric(stored.Seconds()/float64(b.N), "s/store")
	b.ReportMetric(checked.Seconds()/float64(b.N), "s/sessions")
	b.ReportMetric(float64(paces[len(paces)/2].Microseconds()), "µs/request")
	b.ReportMetric(float64(paces[len(paces)*99/100].Microseconds()), "µs/request-p99")
	if got := s.server.Stats(); got.SessionsRevoked != 0 || got.Sessions != sessions+1 {
		b.Errorf("%d revoked, %d sessions", got.SessionsRevoked, got.Sessions)
	}
}

// fleet is devices that are in one group and share a key, which no fleet should.
func fleet(n int, group string, psk *keys.PSK) iter.Seq2[registry.Device, error] {
	return func(yield func(registry.Device, error) bool) {
		for i := range n {
			name := fmt.Sprint("crowd-", i)
			d := registry.Device{Name: name, Groups: []string{group}, Credentials: []registry.Credential{
				{ID: "psk", PSK: &registry.PSK{Identity: []byte(name), Key: psk.Key}},
			}}
			if !yield(d, nil) {
				return
			}
		}
	}
}

// allIn reports whether all devices with sessions are known to be in a group.
func (s *stage) allIn(group string) bool {
	for session := range s.server.Sessions(context.Background()) {
		if groups := session.Identity.Groups(); session.Identity.Device() != "" && (len(groups) != 1 || groups[0] != group) {
			return false
		}
	}
	return true
}
