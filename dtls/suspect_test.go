// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// splitEpochs cuts a datagram before its first protected record.
func splitEpochs(datagram []byte) (plain, protected []byte) {
	for rest := datagram; len(rest) > 0; {
		h, ok := wire.ParseRecordHeader(rest)
		if !ok || h.Epoch > 0 {
			return datagram[:len(datagram)-len(rest)], rest
		}
		rest = rest[wire.RecordHeaderLen+h.Length:]
	}
	return datagram, nil
}

// What a server says of a client without the key is said at its first
// Finished, once, and the server goes on as if that had been lost: the same
// datagrams and deadlines, whether the identity is known or not, and the same
// end at the same time. The client repeats its flight by its own timers alone.
//
// Proves rfc6347 §4.1.2.7: "In general, invalid records SHOULD be silently
// discarded, thus preserving the association; however, an error MAY be logged
// for diagnostic purposes."
// Pitfall A6: what the operator is told at once cannot be seen from outside
func TestSuspicionIsInvisible(t *testing.T) {
	const finishedLost = ReasonNone
	for _, id := range pskSuites {
		traces := map[Reason][]string{}
		for _, want := range []Reason{ReasonBadPSK, ReasonUnknownIdentity, finishedLost} {
			p := pskPair(t, id, nil)
			p.server.unknown, p.server.key = want == ReasonUnknownIdentity, []byte("another key of 16")
			start, tries := p.now, []tick.Time{}
			p.sent = func(fromClient bool, d []byte) bool {
				if p.server.Session != nil {
					traces[want] = append(traces[want], fmt.Sprint(p.now, p.server.Deadline(), fromClient, len(d), p.server.State()))
				}
				plain, protected := splitEpochs(d)
				if fromClient && protected != nil {
					tries = append(tries, p.now)
				}
				if fromClient && protected != nil && want == finishedLost {
					p.deliver(true, plain)
					return false
				}
				return true
			}
			p.exchange()
			if told := p.server.suspected; want != finishedLost && !slices.Equal(told, []Reason{want}) || want == finishedLost && told != nil {
				t.Errorf("%v, %v: at the first Finished the server says %v", id, want, told)
			}
			if p.server.State() != Handshaking || p.server.Deadline() != start.Add(2*time.Second) || p.server.closed != nil {
				t.Errorf("%v, %v: %v until %v, %v", id, want, p.server.State(), p.server.Deadline(), p.server.closed)
			}
			p.run()
			if len(p.server.suspected) > 1 || want != finishedLost && p.server.closed.Reason != want || p.now != start.Add(2*time.Second) {
				t.Errorf("%v, %v: told %v, ended at %v: %v", id, want, p.server.suspected, p.now, p.server.closed)
			}
			if p.client.suspected != nil || p.client.closed.Reason != ReasonBadPSKOrUnknownIdentity {
				t.Errorf("%v, %v: the client says %v, %v", id, want, p.client.suspected, p.client.closed)
			}
			ms := func(n time.Duration) tick.Time { return start.Add(n * time.Millisecond) }
			if tries = slices.Compact(tries); !slices.Equal(tries, []tick.Time{ms(0), ms(100), ms(300), ms(700)}) {
				t.Errorf("%v, %v: flight 5 is sent at %v", id, want, tries)
			}
		}
		for _, reason := range []Reason{ReasonUnknownIdentity, finishedLost} {
			if !slices.Equal(traces[reason], traces[ReasonBadPSK]) {
				t.Errorf("%v: bad_psk looks like\n%q\n%v like\n%q", id, traces[ReasonBadPSK], reason, traces[reason])
			}
		}
	}
}

// awaitingFinished is a handshake in which the server waits for the client's
// Finished, which it returns.
func awaitingFinished(t *testing.T, p *pair) (finished []byte) {
	p.sent = func(fromClient bool, d []byte) bool {
		plain, protected := splitEpochs(d)
		if !fromClient || protected == nil {
			return true
		}
		finished = bytes.Clone(protected)
		p.deliver(true, plain)
		return false
	}
	p.exchange()
	p.sent = nil
	if len(finished) == 0 || p.server.State() != Handshaking {
		t.Fatalf("no Finished; the server is %v", p.server.State())
	}
	return finished
}

// A forged record can make a server suspect the client once, and does not keep
// a client with the key out.
func TestForgeriesRaiseOneSuspicion(t *testing.T) {
	for _, id := range pskSuites {
		p := pskPair(t, id, nil)
		finished := awaitingFinished(t, p)
		for seq := range uint64(50) {
			for _, typ := range []wire.ContentType{wire.ContentChangeCipherSpec, wire.ContentAlert, wire.ContentHandshake, wire.ContentApplicationData} {
				p.deliver(true, plainRecord(typ, 1, 1000+seq, make([]byte, 16+seq)))
			}
		}
		if n := p.server.Transmit(p.now, p.buf); n != 0 || !slices.Equal(p.server.suspected, []Reason{ReasonBadPSK}) {
			t.Errorf("%v: 200 forgeries: %v, answered with %d bytes", id, p.server.suspected, n)
		}
		p.deliver(true, finished)
		p.establish()
		p.echo()
		if len(p.server.suspected) != 1 {
			t.Errorf("%v: then %v", id, p.server.suspected)
		}
	}
}

// Nobody is suspected for a record that had to wait, for one that a client
// gets, or where there is no PSK.
func TestNoSuspicion(t *testing.T) {
	k := testKeys()
	rpk := func() *Config {
		return &Config{Credentials: with(Credentials{RawKey: rawKey(k.p256), AcceptRawKeys: true})}
	}
	forged := plainRecord(wire.ContentHandshake, 1, 1000, make([]byte, 40))
	for name, p := range map[string]*pair{"PSK": pskPair(t, pskSuite, nil), "RPK": newPair(t, rpk(), rpk())} {
		finished := awaitingFinished(t, p)
		p.deliver(false, forged)
		if name == "RPK" {
			p.deliver(true, forged)
		}
		if p.client.suspected != nil || p.server.suspected != nil {
			t.Errorf("%s: %v, %v", name, p.client.suspected, p.server.suspected)
		}
		p.deliver(true, finished)
		p.establish()
	}
}

// The end of the session does not swallow the suspicion that came with it.
func TestSuspicionBeforeTheEnd(t *testing.T) {
	p := pskPair(t, pskSuite, nil)
	p.gate.cfg.RecordLimits.Failures = 1
	awaitingFinished(t, p)
	p.server.Receive(p.now, plainRecord(wire.ContentHandshake, 1, 1000, make([]byte, 40)))
	var ev Event
	for _, want := range []string{"suspect bad_psk", "closed forgery_limit", "none"} {
		got := "none"
		if p.server.Next(p.now, &ev) {
			got = ev.Kind.String() + " " + ev.Reason.String()
			if ev.Err != nil {
				got = ev.Kind.String() + " " + ev.Err.Reason.String()
			}
		}
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A caller who gives up learns what the silence means so far.
func TestSilenceOfACanceledHandshake(t *testing.T) {
	begun := pskPair(t, pskSuite, nil)
	wrong := pskPair(t, pskSuite, nil)
	wrong.server.key = []byte("another key of 16")
	wrong.exchange()
	done := pskPair(t, pskSuite, nil)
	done.establish()
	for want, s := range map[Reason]*Session{
		ReasonForFlight(1): begun.client.Session, ReasonBadPSKOrUnknownIdentity: wrong.client.Session,
		ReasonBadPSK: wrong.server.Session, ReasonNone: done.client.Session,
	} {
		for range 2 {
			s.Close(begun.now)
			if e := s.Err(); e.Reason != ReasonCanceled || e.Silence != want {
				t.Errorf("canceled: %+v, want silence to mean %v", e, want)
			}
		}
	}
}
