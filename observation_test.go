// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/coap"
)

const sensorAt = "192.0.2.1:5683"

// watched is a client that observes what a scripted server says.
type watched struct {
	*scripted
	air    *air
	client *Client
	got    *Observation
	token  []byte
	first  coap.Message // the registration
}

// watch begins an observation; the first response says d.
func watch(t *testing.T, a *air, d said, options ...coap.Option) *watched {
	t.Helper()
	w := &watched{scripted: newScripted(t, a, sensorAt), air: a, client: &Client{ListenPacket: a.anywhere}}
	t.Cleanup(func() {
		w.client.Close()
		w.conn.Close()
	})
	begun := w.begin(t.Context(), options...)
	w.first = w.registration(observeRegister, time.Second)
	w.token = w.first.Token
	w.answer(w.first, d)
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *watched) begin(ctx context.Context, options ...coap.Option) <-chan error {
	begun := make(chan error, 1)
	go func() {
		o, err := w.client.Observe(ctx, &Request{URI: "coap://" + sensorAt + "/temp?unit=C", Options: options})
		w.got = o
		begun <- err
	}()
	return begun
}

// reads wants the next representation.
func (w *watched) reads(text string) *Response {
	w.t.Helper()
	r, err := w.got.Next(soon(w.t))
	if err != nil {
		w.t.Fatalf("%v, want %q", err, text)
	}
	if string(r.Payload) != text {
		w.t.Fatalf("read %q, want %q", r.Payload, text)
	}
	return r
}

// hears wants the next update to be of the given kind.
func (w *watched) hears(kind UpdateKind) Update {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	u, err := w.got.Update(ctx)
	if err != nil || u.Kind != kind {
		w.t.Fatalf("%v (%v), %v; want %v", u.Kind, u.Err, err, kind)
	}
	return u
}

// readsNothing wants no news now.
func (w *watched) readsNothing() {
	w.t.Helper()
	if u, err := w.got.Update(soon(w.t)); err == nil {
		w.t.Fatalf("unexpected %v %v", u.Kind, u.Response)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		w.t.Fatal(err)
	}
}

func (w *watched) isOver(want error) {
	w.t.Helper()
	if u, err := w.got.Update(soon(w.t)); !errors.Is(err, want) {
		w.t.Fatalf("%v, %v; want %v", u.Kind, err, want)
	}
	if w.got.Observing() {
		w.t.Error("observing still")
	}
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// Proves rfc7641 §3.1: "A client registers its interest in a resource by issuing
// a GET request with an Observe Option set to 0 (register)."
// Proves rfc7641 §3.5: "otherwise, the client MUST acknowledge the message as
// usual"
func TestObserve(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 12, text: "22.9"})
		if w.reads("22.9"); !w.got.Observing() {
			t.Error("not observing")
		}
		mid := w.notify(coap.Confirmable, w.token, said{number: 44, text: "22.8"})
		w.wants(coap.Acknowledgement, mid)
		w.reads("22.8")
		w.notify(coap.NonConfirmable, w.token, said{number: 60, text: "23.1"})
		r := w.reads("23.1")
		if seq, ok := r.Options.GetUint(coap.Observe); seq != 60 || !ok {
			t.Errorf("Observe %d, %v", seq, ok)
		}
		if r.Type != coap.NonConfirmable || r.RTT != 0 {
			t.Errorf("%v, RTT %v", r.Type, r.RTT)
		}
		if got := w.got.Stats(); got.Received != 3 || got.Stale != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// Whatever order notifications come in, the reader's last is the server's last.
//
// Proves rfc7641 §3.4: "a client MUST consider the notification that was sent
// most recently as the freshest, regardless of the order of arrival."
// Proves rfc7641 §3.4: "after 128 seconds have elapsed without any notification,
// a client does not need to check the sequence numbers to assume that an incoming
// notification was sent more recently"
func TestObserveReordered(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 100, text: "0", more: maxAge(3600)})
		w.reads("0")
		for i, tt := range []struct {
			number int
			after  time.Duration
			fresh  bool
		}{
			{103, 0, true},
			{101, 0, false}, // overtaken
			{102, 0, false},
			{103, 0, false}, // the same state under another Message ID
			{104, 0, true},
			{104 + 1<<23 - 1, 0, true},
			{1<<24 - 1, 0, true},
			{0, 0, true}, // around the end
			{1<<24 - 1, time.Second, false},
			{1 << 23, time.Second, false}, // as far ahead as behind
			{1<<24 - 5, 120 * time.Second, false},
			{1<<24 - 5, 10 * time.Second, true}, // too late to have been overtaken
			{1<<24 - 9, 127 * time.Second, false},
			{1<<24 - 9, 2 * time.Second, true},
		} {
			time.Sleep(tt.after)
			text := fmt.Sprint(i)
			mid := w.notify(coap.Confirmable, w.token, said{number: tt.number, text: text, more: maxAge(3600)})
			w.wants(coap.Acknowledgement, mid) // of a stale one, too
			if tt.fresh {
				w.reads(text)
			} else {
				w.readsNothing()
			}
		}
		if got := w.got.Stats(); got.Received != 15 || got.Stale != 7 {
			t.Errorf("%+v", got)
		}
	})
}

func maxAge(seconds uint32) []coap.Option {
	return []coap.Option{{Number: coap.MaxAge, Value: coap.AppendUint(nil, seconds)}}
}

// A notification that comes twice is read once, and acknowledged twice.
func TestObserveDuplicates(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one"})
		w.reads("one")
		for _, kind := range []coap.Type{coap.Confirmable, coap.NonConfirmable} {
			mid := w.notify(kind, w.token, said{number: int(w.mid), text: "next"})
			w.mid--
			w.notify(kind, w.token, said{number: int(w.mid), text: "next"})
			w.reads("next")
			if kind == coap.Confirmable {
				w.wants(coap.Acknowledgement, mid)
				w.wants(coap.Acknowledgement, mid)
			}
			w.readsNothing()
		}
	})
}

// What ends an observation is read, and then it is over.
//
// Proves rfc7641 §3.2: "Non-2.xx responses do not include an Observe Option."
func TestObserveLastResponse(t *testing.T) {
	for name, last := range map[string]said{
		"deleted":         {number: -1, text: "gone", code: coap.NotFound},
		"forbidden":       {number: -1, text: "not you", code: coap.Forbidden},
		"busy":            {number: -1, text: "later", code: coap.ServiceUnavailable},
		"error that lies": {number: 9, text: "gone", code: coap.NotFound},
		"no Observe":      {number: -1, text: "22.9"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, a *air) {
				w := watch(t, a, said{number: 1, text: "one"})
				w.reads("one")
				mid := w.notify(coap.Confirmable, w.token, last)
				w.wants(coap.Acknowledgement, mid)
				if u := w.hears(UpdateNotified); !u.Last || string(u.Response.Payload) != last.text {
					t.Errorf("%+v", u)
				}
				w.isOver(io.EOF)
				// What comes now is nobody's.
				mid = w.notify(coap.Confirmable, w.token, said{number: 11, text: "more"})
				w.wants(coap.Reset, mid)
				w.got.Close()
				w.quiet(time.Hour) // there is nothing to deregister
			})
		})
	}
}

// A server that does not observe gives one answer, and Update says that it is the
// last.
//
// Proves rfc7641 §2: "If the server is unwilling or unable to add a new entry to
// the list of observers, then the request falls back to a normal GET request, and
// the response does not include the Observe Option."
func TestObserveRefused(t *testing.T) {
	for name, only := range map[string]said{
		"plain answer": {number: -1, text: "22.9"},
		"error":        {number: -1, text: "no", code: coap.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, a *air) {
				w := watch(t, a, only)
				if w.got.Observing() {
					t.Error("observing")
				}
				if u := w.hears(UpdateNotified); !u.Last || string(u.Response.Payload) != only.text {
					t.Errorf("%+v", u)
				}
				w.isOver(io.EOF)
				w.got.Close()
				w.quiet(time.Hour)
			})
		})
	}
}

// Proves rfc7641 §3.3.1: "a client MAY issue a new GET request with the same
// token as the original at any time"
// Proves rfc7641 §3.3.1: "All options MUST be identical to those in the original
// request, except for the set of ETag Options."
// Proves rfc7641 §3.3.1: "Additionally, the client SHOULD at least wait for a
// random amount of time between 5 and 15 seconds after Max-Age expired"
func TestObserveRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		options := []coap.Option{
			{Number: coap.Accept, Value: []byte{60}}, {Number: coap.ETag, Value: []byte("e1")}, {Number: 2048, Value: []byte("own")},
		}
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(30)}, options...)
		w.reads("one")
		waits := map[time.Duration]bool{}
		for i := range 5 {
			said := said{number: 10 + i, text: "again", more: maxAge(30)}
			w.quiet(34 * time.Second)
			begun := time.Now()
			again := w.registration(observeRegister, 12*time.Second)
			waits[time.Since(begun).Truncate(time.Millisecond)] = true
			if !bytes.Equal(again.Token, w.token) || !bytes.Equal(again.Options, w.first.Options) || again.MessageID == w.first.MessageID {
				t.Errorf("registered with token %x, options %v; want %x, %v", again.Token, again.Options.List(), w.token, w.first.Options.List())
			}
			w.answer(again, said)
			w.hears(UpdateReregistered)
			w.reads("again")
		}
		if len(waits) < 2 {
			t.Errorf("always after the same time: %v", waits)
		}
		if got := w.got.Stats(); got.Reregistered != 5 || got.Lost != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A server that has restarted without a session to lose counts from the beginning
// again; its answer to a new registration is believed, as it is younger than all
// that came before.
func TestObserveServerCountsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 5000, text: "one", more: maxAge(10)})
		w.reads("one")
		w.answer(w.registration(observeRegister, time.Minute), said{number: 2, text: "two"})
		w.hears(UpdateReregistered)
		w.reads("two")
		w.notify(coap.NonConfirmable, w.token, said{number: 3, text: "three"})
		w.reads("three")
	})
}

// A notification that crosses a new registration counts, and the registration is
// not taken for its stale answer.
func TestObserveCrossed(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(10)})
		w.reads("one")
		again := w.registration(observeRegister, time.Minute)
		mid := w.notify(coap.Confirmable, w.token, said{number: 3, text: "three"})
		time.Sleep(10 * time.Millisecond)
		w.answer(again, said{number: 2, text: "two"})
		w.wants(coap.Acknowledgement, mid)
		w.hears(UpdateReregistered)
		w.reads("three")
		w.readsNothing()
		w.notify(coap.NonConfirmable, w.token, said{number: 4, text: "four"})
		w.reads("four")
	})
}

// Silence that Max-Age allows is not endless: the server may have lost us.
func TestObserveProbe(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(1 << 30)})
		w.quiet(DefaultObserveProbe + 4*time.Second)
		w.answer(w.registration(observeRegister, 12*time.Second), said{number: 2, text: "two", more: maxAge(1 << 30)})
	})
	for _, tt := range []struct {
		maxAge, probe, want time.Duration
	}{
		{time.Minute, 0, time.Minute},
		{0, 0, 0},
		{24 * time.Hour, 0, DefaultObserveProbe},
		{24 * time.Hour, -1, 24 * time.Hour},
		{time.Hour, time.Minute, time.Minute},
	} {
		for _, random := range []int64{0, int64(renewSpread)} {
			want := tt.want + 5*time.Second + time.Duration(random)
			if got := renewal(tt.maxAge, tt.probe, func(int64) int64 { return random }); got != want {
				t.Errorf("%v, %v: %v, want %v", tt.maxAge, tt.probe, got, want)
			}
		}
	}
}

// Proves rfc7641 §3.6: "a client MAY explicitly deregister by issuing a GET
// request which has the Token field set to the token of the observation to be
// cancelled and includes an Observe Option with the value set to 1 (deregister)."
// Proves rfc7641 §3.6: "All other options MUST be identical to those in the
// registration request, except for the set of ETag Options."
func TestObserveDeregisters(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one"}, coap.Option{Number: coap.Accept, Value: []byte{60}})
		w.reads("one")
		closed := w.closes()
		bye := w.registration(observeDeregister, time.Second)
		list := w.first.Options.List()
		list.Set(coap.Observe, coap.AppendUint(nil, observeDeregister))
		if want := list.Encode(nil); !bytes.Equal(bye.Token, w.token) || !bytes.Equal(bye.Options, want) {
			t.Errorf("token %x, options %v; want %x, %v", bye.Token, bye.Options.List(), w.token, list)
		}
		// A notification under way has the token of the answer, but is none.
		mid := w.notify(coap.Confirmable, w.token, said{number: 2, text: "two"})
		for range 2 { // in any order
			if m := w.next(time.Second); m.Type == coap.Confirmable {
				bye = m
			} else if m.Type != coap.Acknowledgement || m.MessageID != mid {
				t.Errorf("%v mid %d", m.Type, m.MessageID)
			}
		}
		w.answer(bye, said{number: -1, text: "three"})
		if took := <-closed; took > time.Second {
			t.Errorf("Close took %v", took)
		}
		w.isOver(io.EOF)
		mid = w.notify(coap.Confirmable, w.token, said{number: 4, text: "four"})
		w.wants(coap.Reset, mid)
	})
}

func (w *watched) closes() <-chan time.Duration {
	closed := make(chan time.Duration, 1)
	go func() {
		begun := time.Now()
		w.got.Close()
		closed <- time.Since(begun)
	}()
	return closed
}

// A server that does not answer does not keep Close waiting for long.
func TestObserveCloseIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one"})
		closed := w.closes()
		if took := <-closed; took > deregisterTime+100*time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		w.registration(observeDeregister, time.Second)
		w.registration(observeDeregister, time.Second) // repeated once
		// Proves rfc7641 §3.5: "If a client does not recognize the token in a
		// confirmable notification, it MUST NOT acknowledge the message and SHOULD
		// reject it with a Reset message"
		mid := w.notify(coap.Confirmable, w.token, said{number: 4, text: "four"})
		w.wants(coap.Reset, mid)
	})
}

// The context is the observation's: it ends that, and the server hears of it.
func TestObserveContext(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := &watched{scripted: newScripted(t, a, sensorAt), air: a, client: &Client{ListenPacket: a.anywhere}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := w.begin(ctx)
		w.answer(w.registration(observeRegister, time.Second), said{number: 1, text: "one", more: maxAge(100)})
		if err := <-begun; err != nil {
			t.Fatal(err)
		}
		w.reads("one")
		w.answer(w.registration(observeDeregister, 2*time.Minute), said{number: -1, text: "bye"})
		_, err := w.got.Next(t.Context())
		wantReason(t, err, "timeout")
		w.got.Close()
		w.client.Close()
		w.conn.Close()
	})
}

// A first answer that never comes is waited for as long as the context says.
func TestObserveContextOfTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := &watched{scripted: newScripted(t, a, sensorAt), air: a, client: &Client{ListenPacket: a.anywhere}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		err := <-w.begin(ctx)
		wantReason(t, err, "timeout")
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("after %v", took)
		}
		synctest.Wait()
		w.client.mu.Lock()
		if len(w.client.interests) != 0 {
			t.Error("the interest is kept")
		}
		w.client.mu.Unlock()
		w.client.Close()
		w.conn.Close()
	})
}

// A client that closes ends its observations at once.
func TestObserveClientCloses(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one"})
		begun := time.Now()
		w.client.Close()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		w.reads("one")
		_, err := w.got.Next(t.Context())
		if wantReason(t, err, "closed"); !errors.Is(err, ErrClientClosed) {
			t.Error(err)
		}
		w.got.Close()
		_, err = w.client.Observe(t.Context(), &Request{URI: "coap://" + sensorAt + "/temp"})
		wantReason(t, err, "closed")
	})
}

// Nobody waits for a reader who takes his time, and what he gets in the end is
// the newest.
func TestObserveSlowReader(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 0, text: "0"})
		const all = 100
		for i := 1; i < all; i++ {
			mid := w.notify(coap.Confirmable, w.token, said{number: i, text: fmt.Sprint(i)})
			w.wants(coap.Acknowledgement, mid)
		}
		u := w.hears(UpdateNotified)
		if want := all - updatesKept; u.Skipped != want || string(u.Response.Payload) != fmt.Sprint(want) {
			t.Errorf("%d skipped, then %q; want %d", u.Skipped, u.Response.Payload, want)
		}
		for i := all - updatesKept + 1; i < all; i++ {
			if u := w.hears(UpdateNotified); u.Skipped != 0 || string(u.Response.Payload) != fmt.Sprint(i) {
				t.Errorf("%d skipped, then %q; want %d", u.Skipped, u.Response.Payload, i)
			}
		}
		w.readsNothing()
		if got := w.got.Stats(); got.Received != all || got.Skipped != all-updatesKept {
			t.Errorf("%+v", got)
		}
	})
}

// Proves rfc7641 §3.1: "A client MUST aggregate such requests and MUST NOT
// register more than once for the same target resource."
func TestObserveShared(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(3600)})
		w.reads("one")
		first := w.got
		if err := <-w.begin(t.Context()); err != nil { // without another word to the server
			t.Fatal(err)
		}
		second := w.got
		w.reads("one")
		mid := w.notify(coap.Confirmable, w.token, said{number: 2, text: "two", more: maxAge(3600)})
		w.wants(coap.Acknowledgement, mid)
		for _, w.got = range []*Observation{first, second} {
			w.reads("two")
		}
		// Another Accept is another resource.
		begun := w.begin(t.Context(), coap.Option{Number: coap.Accept, Value: []byte{60}})
		other := w.registration(observeRegister, time.Second)
		if bytes.Equal(other.Token, w.token) {
			t.Error("with the same token")
		}
		w.answer(other, said{number: 1, text: "{}", more: maxAge(3600)})
		if err := <-begun; err != nil {
			t.Fatal(err)
		}
		w.reads("{}")
		// One of two that leaves is not noticed, the last is.
		first.Close()
		w.notify(coap.NonConfirmable, w.token, said{number: 3, text: "three", more: maxAge(3600)})
		w.got = second
		w.reads("three")
		closed := w.closes()
		bye := w.registration(observeDeregister, time.Second)
		if !bytes.Equal(bye.Token, w.token) {
			t.Error("the other one was deregistered")
		}
		w.answer(bye, said{number: -1})
		<-closed
	})
}

// Who comes when the last state is stale has it asked for again.
//
// Proves rfc7641 §3.3.1: "If the age of the latest notification becomes greater
// than its indicated Max-Age, then the client MUST NOT assume that the enclosed
// representation reflects the actual resource state."
func TestObserveSharedButStale(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(10)})
		w.reads("one")
		time.Sleep(11 * time.Second)
		begun := w.begin(t.Context())
		w.answer(w.registration(observeRegister, time.Second), said{number: 2, text: "two"})
		if err := <-begun; err != nil {
			t.Fatal(err)
		}
		w.hears(UpdateReregistered)
		w.reads("two")
	})
}

// A request that asks for notifications in its own words gets one response; the
// next notification is rejected.
func TestObserveByOption(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := &watched{scripted: newScripted(t, a, sensorAt), air: a, client: &Client{ListenPacket: a.anywhere}}
		got := make(chan error, 1)
		go func() {
			_, err := w.client.Do(t.Context(), &Request{
				URI: "coap://" + sensorAt + "/temp", Options: []coap.Option{{Number: coap.Observe}},
			})
			got <- err
		}()
		m := w.registration(observeRegister, time.Second)
		w.answer(m, said{number: 1, text: "one"})
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		mid := w.notify(coap.Confirmable, m.Token, said{number: 2, text: "two"})
		w.wants(coap.Reset, mid)
		w.client.Close()
		w.conn.Close()
	})
}
