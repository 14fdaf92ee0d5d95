// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"fmt"
	"testing"
)

// A session that gets into a log or a test's failure shows no keys.
func TestSessionPrintsNoSecrets(t *testing.T) {
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{Credentials: with(Credentials{PSK: true})})
	p.establish()
	type holder struct{ S *Session }
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{p.client.Session, *p.client.Session} {
			if got := fmt.Sprintf(format, v); got != "dtls.Session" {
				t.Errorf("%s: %.60q", format, got)
			}
		}
		if got := fmt.Sprintf(format, holder{p.server.Session}); len(got) > 100 {
			t.Errorf("%s inside a struct: %.60q", format, got)
		}
	}
}

// A session may end while its job runs: it leaves the job alone then. The race
// detector is the judge.
func TestSessionEndsWhileItsJobRuns(t *testing.T) {
	k := testKeys()
	p := newPair(t,
		&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256), AcceptRawKeys: true})},
		&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256b), AcceptRawKeys: true, RequirePeerKey: true})})
	p.server.holdJobs = true
	p.exchange()
	p.server.jobs[0].Run() // signs
	p.server.Complete(p.now, p.server.jobs[0])
	p.exchange()
	if len(p.server.jobs) != 2 || p.server.jobs[1].PeerPoint == nil {
		t.Fatalf("%d jobs, the second does not agree on a secret", len(p.server.jobs))
	}
	job, ran := p.server.jobs[1], make(chan struct{})
	go func() {
		defer close(ran)
		job.Run()
	}()
	p.server.Abort(p.now, ReasonLimit)
	<-ran
	p.server.Complete(p.now, job)
	if job.Secret != nil {
		t.Error("the job that came too late is not wiped")
	}
}
