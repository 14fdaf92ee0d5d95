// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/security"
)

// slowDirectory remembers one token that is nobody's, and needs a long time for all
// others.
type slowDirectory struct{ asked int }

func (*slowDirectory) Cached(c *security.Claim, _ time.Time) (security.Entry, bool) {
	return security.Entry{Reason: dtls.ReasonUnknownIdentity}, string(c.Token) == "known"
}

func (d *slowDirectory) Fetch(context.Context, *security.Claim, time.Time) security.Entry {
	d.asked++
	time.Sleep(time.Second)
	return security.Entry{Reason: dtls.ReasonUnknownIdentity}
}

// bring has a token answered, and returns the answer when it is there.
func (a *authorizer) bring(token string) <-chan *answer {
	done := make(chan *answer, 1)
	go func() {
		w := new(answer)
		a.ServeCOAP(w, &coaps.Request{Payload: []byte(token), Peer: coaps.Peer{Mode: security.RawPublicKey}})
		done <- w
	}()
	return done
}

// Who has no credential sends tokens that only a slow store knows: most handlers are
// there for others all the same, and whoever finds no place is told to come again.
func TestTokensLeaveHandlersToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(slowDirectory)
		a := newAuthorizer(d, slog.New(slog.DiscardHandler), 8)
		var waiting []<-chan *answer
		for i := range 8 / tokenShare {
			waiting = append(waiting, a.bring(string(rune('a'+i))))
			synctest.Wait() // the store is asked, one after the other
		}
		busy := a.bring("one more")
		known := a.bring("known")
		synctest.Wait()
		select {
		case got := <-busy:
			if age, _ := got.options.GetUint(coap.MaxAge); got.code != coap.ServiceUnavailable || age != uint32(busyTime/time.Second) {
				t.Errorf("no place: %v, Max-Age %d", got.code, age)
			}
		default:
			t.Error("who finds no place waits for the store")
		}
		select {
		case got := <-known:
			if got.code != coap.Unauthorized {
				t.Errorf("a token in memory: %v", got.code)
			}
		default:
			t.Error("what is in memory waits for the store")
		}
		for _, w := range waiting {
			if got := <-w; got.code != coap.Unauthorized {
				t.Errorf("a token of nobody: %v", got.code)
			}
		}
		if got := <-a.bring("later"); got.code != coap.Unauthorized || d.asked != len(waiting)+1 {
			t.Errorf("when there is a place again: %v after %d look-ups", got.code, d.asked)
		}
	})
}

// A token that is good and cannot be used is refused by the name of all the others,
// so that who has it does not fill the log.
func TestTokenThatCannotBeUsed(t *testing.T) {
	var out testlog.Buffer
	a := newAuthorizer(new(goodDirectory), slog.New(newRecorder(slog.NewJSONHandler(&out, nil))), 0)
	for range 100 { // there is no session to authorize
		if got := <-a.bring("a token"); got.code != coap.InternalServerError {
			t.Fatal(got.code)
		}
	}
	if n := strings.Count(out.String(), `"msg":"token refused","peer":"","reason":"internal","detail":`); n != repeatsWritten || strings.Count(out.String(), "\n") != n {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
}

// goodDirectory knows every token.
type goodDirectory struct{ slowDirectory }

func (*goodDirectory) Cached(*security.Claim, time.Time) (security.Entry, bool) {
	return security.Entry{Principal: security.Principal{Device: "d"}}, true
}

// A port with few workers has a place as well, and one that names none the share of
// the default.
func TestPlacesForTokens(t *testing.T) {
	for workers, places := range map[int]int{0: coaps.DefaultWorkers / tokenShare, 1: 1, 2: 1, 4: 1, 12: 3} {
		if got := cap(newAuthorizer(nil, nil, workers).places); got != places {
			t.Errorf("%d workers: %d places", workers, got)
		}
	}
}
