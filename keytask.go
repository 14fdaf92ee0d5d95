// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// A keyTask answers what a handshake waits for: a public-key operation and, on a
// client, the pre-shared key and the verdict on the server; a server looks up
// whose a credential is (lookup.go). It is run on a key worker, so that datagrams
// of others need not wait, and delivers its result as a letter. It holds copies:
// the session may end meanwhile.
type keyTask struct {
	loop   *loop
	peer   endpoint.PeerID
	policy *security.Policy
	kind   endpoint.EventKind

	job        *dtls.Job
	serverName string
	hint       []byte // the server's, nil if it sent none
	facts      dtls.Facts

	identity, key []byte
	err           error // of a verdict
	judged        func(endpoint.PeerID, error)
	relieved      func() // after each task on a worker; may be nil
}

func newKeyTask(l *loop, policy *security.Policy, ev *endpoint.Event) *keyTask {
	t := &keyTask{loop: l, peer: ev.Peer(), policy: policy, kind: ev.Kind, job: ev.DTLS.Job, serverName: ev.DTLS.ServerName}
	switch {
	case ev.Kind == endpoint.EventWantVerdict:
		t.facts = *ev.Facts
	case ev.DTLS.Hint != nil:
		t.hint = bytes.Clone(ev.DTLS.Hint)
	}
	return t
}

// run is on a key worker.
func (t *keyTask) run() {
	t.work()
	_ = t.loop.mail.post(t, true) // a loop that has ended needs it no more
	if t.relieved != nil {
		t.relieved()
	}
}

func (t *keyTask) work() {
	switch t.kind {
	case endpoint.EventNeedJob:
		t.job.Run()
	case endpoint.EventWantPSK:
		t.identity, t.key = t.policy.PSK(t.serverName, t.hint)
	case endpoint.EventWantVerdict:
		t.err = t.policy.Verify(&t.facts, time.Now())
	}
}

// deliver is on the event loop.
func (t *keyTask) deliver(now tick.Time) {
	switch t.kind {
	case endpoint.EventNeedJob:
		t.loop.ep.Complete(now, t.peer, t.job)
	case endpoint.EventWantPSK:
		t.loop.ep.ProvidePSK(now, t.peer, t.identity, t.key)
	case endpoint.EventWantVerdict:
		if t.err != nil {
			t.judged(t.peer, t.err)
		}
		t.loop.ep.ProvideVerdict(now, t.peer, keys.ReasonOf(t.err))
	}
}
