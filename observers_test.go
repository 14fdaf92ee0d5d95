// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/observe"
)

// A client that observes is shown each new state, by a confirmable message with its
// own token and a number that grows, until it says that it wants no more.
//
// Proves rfc7641 §4.1: "Upon success, the server returns a current representation
// of the resource and MUST keep this representation updated (as described in
// Section 1.3) as long as the client is on the list of observers."
// Proves rfc7641 §4.1: "If the Observe Option in a GET request is set to 1
// (deregister), then the server MUST remove any existing entry with a matching
// endpoint/ token pair from the list of observers and process the GET request as
// usual. The resulting response MUST NOT include an Observe Option."
// Proves rfc7641 §4.2: "Each such notification response (including the initial
// response) MUST echo the token specified by the client in the GET request."
// Proves rfc7641 §4.2: "A 2.xx notification MUST include an Observe Option with a
// sequence number as specified in Section 4.4 below; a non-2.xx notification MUST
// NOT include an Observe Option."
// Proves rfc7641 §4.3.1: "Since becoming out of sync at times cannot be avoided, the
// server MUST indicate for each representation an age up to which it is acceptable
// that the observed state and the actual state are inconsistent."
// Proves rfc7641 §4.3.1: "This age is application-dependent and MUST be specified in
// notifications using the Max-Age Option."
// Proves rfc7641 §4.4: "The sequence number selected for a notification MUST be
// greater than that of any preceding notification sent to the same client with the
// same token for the same resource."
func TestObservers(t *testing.T) {
	for name, m := range map[string]func(Handler) Handler{
		"worker": Observable, "inline": func(h Handler) Handler { return Inline(Observable(h)) },
	} {
		t.Run(name, func(t *testing.T) {
			v := &state{text: "0"}
			observed(t, muxOf(m(v)), nil, func(s *subject) {
				c := s.onlooker()
				last := c.registers("/v", "toke", "0")
				if got := s.wants(1); got.ObserversAdded != 1 {
					t.Errorf("%d begun", got.ObserversAdded)
				}
				for i := range 3 {
					text := fmt.Sprint(i + 1)
					v.set(text)
					s.server.Notify("/v")
					m := c.wantsText("toke", text)
					number := numbered(t, m)
					if !observe.Fresher(last, number, 0) {
						t.Errorf("number %d after %d", number, last)
					}
					last = number
					c.acknowledges(m)
					time.Sleep(time.Duration(i) * time.Hour)
				}
				s.server.Notify("/other")
				s.server.Notify("/v/")
				c.quiet(time.Minute)
				c.asks("/v", "toke", observeDeregister)
				if m := c.wantsText("toke", "3"); m.Options.Has(coap.Observe) {
					t.Error("a deregistration is answered with Observe")
				}
				s.server.Notify("/v")
				c.quiet(time.Minute)
				got := s.wants(0)
				if got.ObserversCanceled != 1 || got.Notifications != 3 || got.NotificationsAcked != 3 || v.count() != 5 {
					t.Errorf("%d canceled, %d sent, %d acknowledged, %d shown", got.ObserversCanceled, got.Notifications, got.NotificationsAcked, v.count())
				}
			})
		})
	}
}

// Who asks again with the same token is one observer still, of what he asked for
// last.
//
// Proves rfc7641 §4.1: "If an entry with a matching endpoint/token pair is already
// present in the list (which, for example, happens when the client wishes to
// reinforce its interest in a resource), the server MUST NOT add a new entry but
// MUST replace or update the existing one."
func TestObserversAgain(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c := s.onlooker()
		last := c.registers("/v", "t", "a")
		if again := c.registers("/v", "t", "a"); !observe.Fresher(last, again, 0) {
			t.Errorf("number %d after %d", again, last)
		}
		s.wants(1)
		s.server.Notify("/v")
		m := c.wantsText("t", "a") // not acknowledged: he asks anew instead
		c.registers("/w/1", "t", "a")
		s.wants(1)
		v.set("b")
		s.server.Notify("/v")
		c.quiet(time.Hour)
		c.acknowledges(m) // too late, and of nothing any more
		s.server.Notify("/w/1")
		c.acknowledges(c.wantsText("t", "b"))
		c.registers("/w/1", "u", "b") // another token is another observer
		s.wants(2)
		s.server.NotifyTree("/w/")
		both := []string{string(c.next(time.Minute).Token), string(c.next(time.Minute).Token)}
		slices.Sort(both)
		if !slices.Equal(both, []string{"t", "u"}) && !slices.Equal(both, []string{"t", "t"}) && !slices.Equal(both, []string{"u", "u"}) {
			t.Errorf("notified: %q", both)
		}
	})
}

// Proves rfc7641 §4.5: "If a client rejects a confirmable or non-confirmable
// notification with a Reset message, or if the last attempt to retransmit a
// confirmable notification times out, then the client is considered no longer
// interested and the server MUST remove the associated entry from the list of
// observers."
func TestObserversWhoWantNoMore(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		rejects, sleeps := s.onlooker(), s.onlooker()
		rejects.registers("/v", "r", "a")
		sleeps.registers("/v", "s", "a")
		s.server.Notify("/v")
		m := rejects.wantsText("r", "a")
		rejects.send(coap.Message{Type: coap.Reset, MessageID: m.MessageID})
		rejects.quiet(time.Second)
		if got := s.wants(1); got.ObserversCanceled != 1 {
			t.Errorf("%d canceled", got.ObserversCanceled)
		}
		for range 1 + (message.Params{}).Resolved().MaxRetransmit {
			sleeps.wantsText("s", "a")
		}
		sleeps.quiet(2 * time.Minute)
		if got := s.wants(0); got.ObserversTimedOut != 1 {
			t.Errorf("%d timed out", got.ObserversTimedOut)
		}
		s.wantLog(LogObservationEnded, "level=INFO", "reason=timeout", "path=/v", "mode=NoSec")
		s.wantLog(LogObservationEnded, "level=DEBUG", "reason=reset")
		s.wantLog(LogObservationBegun, "level=DEBUG", "path=/v")
	})
}

// What changes while a notification is under way is not sent, but for the last:
// when that one is acknowledged, or with its next retransmission.
//
// Proves rfc7641 §4.5: "above all, the server MUST ensure that a client in the list
// of observers of a resource eventually observes the latest state if the resource
// does not undergo a new change in state."
// Proves rfc7641 §4.3.1: "After returning the initial response, the server MUST keep
// the resource state that is observed by the client as closely in sync with the
// actual resource state as possible."
// Proves rfc7641 §4.5.1: "In order not to cause congestion, servers MUST strictly
// limit the number of simultaneous outstanding notifications/responses that they
// transmit to a given client to NSTART"
// Proves rfc7641 §4.4: "if a notification is retransmitted, the server MUST update
// the value of the option to the sequence number that is current at that time before
// retransmission."
// Proves rfc7641 §4.5.2: "The new notification is transmitted with a new Message ID"
func TestNewestWins(t *testing.T) {
	v := &state{text: "0"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c := s.onlooker()
		c.registers("/v", "t", "0")
		change := func(n int) {
			v.set(fmt.Sprint(n))
			s.server.Notify("/v")
			synctest.Wait()
		}
		for n := range 100 {
			change(n)
		}
		first := c.next(time.Minute)
		c.quiet(100 * time.Millisecond)
		c.acknowledges(first)
		if string(first.Payload) != "99" {
			c.acknowledges(c.wantsText("t", "99"))
		}
		c.quiet(time.Minute)
		if n := v.count(); n > 3 {
			t.Errorf("shown %d times", n)
		}
		change(100)
		lost := c.wantsText("t", "100") // and its acknowledgement is, too
		change(101)
		newer := c.wantsText("t", "101")
		if newer.MessageID == lost.MessageID || !observe.Fresher(numbered(t, lost), numbered(t, newer), 0) {
			t.Errorf("mid %d, number %d after %d, %d", newer.MessageID, numbered(t, newer), lost.MessageID, numbered(t, lost))
		}
		c.acknowledges(newer)
		c.quiet(time.Hour)
		if got := s.wants(1); got.NotificationsReplaced != 1 {
			t.Errorf("%d replaced", got.NotificationsReplaced)
		}
	})
}

// An observation ends with what is no 2.xx, and that has no Observe Option.
//
// Proves rfc7641 §4.2: "the server SHOULD notify the client by sending a
// notification with an appropriate response code (such as 4.04 Not Found) and
// subsequently MUST remove the associated entry from the list of observers of the
// resource."
// Proves rfc7641 §4.2: "The Content-Format specified in a 2.xx notification MUST be
// the same as the one used in the initial response to the GET request."
// Proves rfc7641 §4.2: "If the server is unable to continue sending notifications in
// this format, it SHOULD send a notification with a 4.06 (Not Acceptable) response
// code and subsequently MUST remove the associated entry from the list of observers
// of the resource."
func TestObservationsFail(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(w ResponseWriter)
		code coap.Code
		log  string
	}{
		{"gone", func(w ResponseWriter) { WriteError(w, coap.NotFound, "gone") }, coap.NotFound, "reason=failed"},
		{"panics", func(ResponseWriter) { panic("at the disco") }, coap.InternalServerError, "reason=failed"},
		{"another format", func(w ResponseWriter) { w.SetContentFormat(coap.JSON) }, coap.NotAcceptable, "reason=failed"},
		{"no message", func(w ResponseWriter) { w.SetCode(coap.GET) }, coap.InternalServerError, "reason=failed"},
		{"too large", func(w ResponseWriter) { _, _ = w.Write(make([]byte, 5000)) }, coap.InternalServerError, "reason=too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var fails atomic.Bool
			h := Observable(HandlerFunc(func(w ResponseWriter, _ *Request) {
				w.SetContentFormat(coap.TextPlain)
				if fails.Load() {
					c.then(w)
					return
				}
				_, _ = w.Write([]byte("fine"))
			}))
			observed(t, muxOf(h), nil, func(s *subject) {
				o := s.onlooker()
				o.registers("/v", "t", "fine")
				fails.Store(true)
				s.server.Notify("/v")
				m := o.next(time.Minute)
				if m.Code != c.code || m.Options.Has(coap.Observe) || string(m.Token) != "t" {
					t.Errorf("%v %v %q", m.Type, m.Code, m.Options)
				}
				if got := s.wants(0); got.ObserversFailed != 1 {
					t.Errorf("%d failed", got.ObserversFailed)
				}
				o.acknowledges(m)
				fails.Store(false)
				s.server.Notify("/v")
				o.quiet(time.Hour)
				s.wantLog(LogObservationEnded, c.log, "path=/v")
			})
		})
	}
}

// A registration that is not answered with success makes nobody an observer, nor
// does one of what is not Observable.
func TestNoObservation(t *testing.T) {
	v := &state{text: "4.04"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c := s.onlooker()
		for _, path := range []string{"/v", "/plain", "/nowhere"} {
			c.asks(path, "t", observeRegister)
			if m := c.next(time.Minute); m.Options.Has(coap.Observe) {
				t.Errorf("%s: %v with Observe", path, m.Code)
			}
			s.server.Notify(path)
			c.quiet(time.Minute)
		}
		c.asks("/v", "t", 2) // means nothing
		_ = c.next(time.Minute)
		c.asks("/v", "t", observeDeregister) // of nothing
		_ = c.next(time.Minute)
		if got := s.wants(0); got.ObserversAdded != 0 || got.ObserversRefused != 0 {
			t.Errorf("%d added, %d refused", got.ObserversAdded, got.ObserversRefused)
		}
	})
}

// Who finds no room is answered as if he had not asked to observe.
//
// Proves rfc7641 §4.1: "A server that is unable or unwilling to add a new entry to
// the list of observers of a resource MAY silently ignore the registration request
// and process the GET request as usual. The resulting response MUST NOT include an
// Observe Option"
func TestObserverLimits(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), func(s *Server) { s.Observers, s.ObserversPerPeer, s.Security = 3, 2, nil }, func(s *subject) {
		refused := func(c *scripted, token string, more ...coap.Option) {
			t.Helper()
			c.asks("/v", token, observeRegister, more...)
			if m := c.wantsText(token, "a"); m.Options.Has(coap.Observe) {
				t.Error("one too many")
			}
		}
		c := s.onlooker()
		c.registers("/v", "1", "a")
		c.registers("/v", "2", "a")
		refused(c, "3")
		c.registers("/v", "2", "a") // is one of them
		other := s.onlooker()
		refused(other, "1", coap.Option{Number: coap.URIQuery, Value: make([]byte, 255)}, coap.Option{Number: coap.URIQuery, Value: make([]byte, 255)},
			coap.Option{Number: coap.URIQuery, Value: make([]byte, 255)}, coap.Option{Number: coap.URIQuery, Value: make([]byte, 255)})
		other.registers("/v", "1", "a")
		refused(other, "2")
		if got := s.wants(3); got.ObserversRefused != 3 {
			t.Errorf("%d refused", got.ObserversRefused)
		}
		c.asks("/v", "1", observeDeregister)
		c.wantsText("1", "a")
		other.registers("/v", "2", "a")
		s.wants(3)
	})
}

func TestNoObservers(t *testing.T) {
	observed(t, muxOf(Observable(&state{text: "a"})), func(s *Server) { s.Observers = -1 }, func(s *subject) {
		c := s.onlooker()
		c.asks("/v", "1", observeRegister)
		if m := c.wantsText("1", "a"); m.Options.Has(coap.Observe) {
			t.Error("observes where nobody may")
		}
	})
}

// The request of an observation is made again as it was.
func TestNotificationsAskAgain(t *testing.T) {
	var seen []string
	h := Observable(Inline(HandlerFunc(func(w ResponseWriter, r *Request) {
		accept, _ := r.Options.GetUint(coap.Accept)
		action, ok := r.Options.GetUint(coap.Observe)
		seen = append(seen, fmt.Sprint(r.Method, r.Path, r.Query, r.Host, accept, action, ok, len(r.Options), string(r.Payload), string(r.Token), r.Peer.Addr))
		_, _ = w.Write([]byte("x"))
	})))
	mux := NewMux()
	mux.Handle("/", h)
	observed(t, mux, nil, func(s *subject) {
		c := s.onlooker()
		c.asks("/a b/c", "t", observeRegister, coap.Option{Number: coap.URIQuery, Value: []byte("x=1")},
			coap.Option{Number: coap.Accept, Value: []byte{50}}, coap.Option{Number: coap.URIHost, Value: []byte("h")})
		c.wantsText("t", "x")
		s.server.Notify("/a%20b/c")
		c.acknowledges(c.wantsText("t", "x"))
		c.mid++
		fetch := coap.Message{Type: coap.Confirmable, Code: coap.FETCH, MessageID: c.mid, Token: []byte("f"), Payload: []byte("which")}
		fetch.Options = coap.OptionList{{Number: coap.Observe}, {Number: coap.URIPath, Value: []byte("v")}}.Encode(nil)
		c.send(fetch)
		c.wantsText("f", "x")
		s.server.Notify("/v")
		c.acknowledges(c.wantsText("f", "x"))
		if synctest.Wait(); len(seen) != 4 || seen[0] != seen[1] || seen[2] != seen[3] || seen[0] == seen[2] {
			t.Errorf("%q", seen)
		}
	})
}

// A handler may tell of a change, wherever it runs, and of the one that it makes
// itself while somebody registers.
func TestNotifyInHandlers(t *testing.T) {
	for name, m := range map[string]func(Handler) Handler{"worker": Observable, "inline": func(h Handler) Handler { return Observable(Inline(h)) }} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			var server *Server
			h := m(HandlerFunc(func(w ResponseWriter, r *Request) {
				fmt.Fprint(w, n.Load())
				if r.Method == coap.PUT || n.Load() == 0 {
					n.Add(1) // after it was shown
					server.Notify("/w/1")
					server.NotifyTree("/w/")
				}
			}))
			observed(t, muxOf(h), func(s *Server) { server = s }, func(s *subject) {
				c := s.onlooker()
				c.registers("/w/1", "t", "0")
				c.acknowledges(c.wantsText("t", "1"))
				put := coap.Message{Type: coap.Confirmable, Code: coap.PUT, MessageID: 1, Token: []byte("p"), Options: coap.OptionList{
					{Number: coap.URIPath, Value: []byte("w")}, {Number: coap.URIPath, Value: []byte("1")}}.Encode(nil)}
				c.send(put)
				got := []coap.Message{c.next(time.Minute), c.next(time.Minute)}
				slices.SortFunc(got, func(a, b coap.Message) int { return int(a.Type) - int(b.Type) })
				if string(got[0].Payload) != "2" || got[1].Code != coap.Changed {
					t.Errorf("%q %v", got[0].Payload, got[1].Code)
				}
			})
		})
	}
}

// A change of the handler is shown to those who observe if it is one, and ends what
// is no more.
func TestSetHandlerWhileObserved(t *testing.T) {
	same, v := &state{text: "same"}, &state{text: "old"}
	mux := NewMux()
	mux.Handle("/same", Observable(same))
	mux.Handle("/v", Observable(v))
	mux.Handle("/gone", Observable(v))
	mux.Handle("/later", Observable(v))
	observed(t, mux, nil, func(s *subject) {
		c := s.onlooker()
		for _, path := range []string{"/v", "/gone", "/later"} {
			c.registers(path, path, "old")
		}
		other := s.onlooker()
		other.registers("/same", "same", "same")
		next := NewMux()
		next.Handle("/same", Observable(&state{text: "same"}))
		next.Handle("/v", Observable(&state{text: "new"}))
		next.Handle("/later", say)
		s.server.SetHandler(next)
		codes := map[string]string{}
		for range 3 {
			m := c.next(time.Minute)
			codes[string(m.Token)] = fmt.Sprint(m.Code, m.Options.Has(coap.Observe))
			c.acknowledges(m)
		}
		if codes["/v"] != "2.05 Content true" && codes["/v"] != fmt.Sprint(coap.Content, true) || codes["/gone"] != fmt.Sprint(coap.NotFound, false) || codes["/later"] != fmt.Sprint(coap.ServiceUnavailable, false) {
			t.Errorf("%q", codes)
		}
		c.quiet(time.Hour)
		s.wants(2)
		other.quiet(time.Hour)
		s.server.Notify("/same") // is a change if the application says so
		other.acknowledges(other.wantsText("same", "same"))
		s.server.SetHandler(nil)
		if m := other.next(time.Minute); m.Code != coap.NotFound {
			t.Errorf("%v", m.Code)
		}
	})
}

// A server that shuts down waits for no observer.
func TestShutdownWithObservers(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c := s.onlooker()
		c.registers("/v", "t", "a")
		secure := s.with(s.directory.add("sensor"))
		o := must(secure.Observe(s.t.Context(), &Request{URI: "coaps://" + subjectSecure + "/v"}))
		defer o.Close()
		s.server.Notify("/v")
		c.wantsText("t", "a") // is not acknowledged
		began := time.Now()
		if err := s.server.Shutdown(s.t.Context()); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		c.quiet(time.Minute)
		s.server.Notify("/v") // is for nobody
		if paths := s.server.ObservedPaths("/"); len(paths) != 0 {
			t.Errorf("%q", paths)
		}
	})
}

// Proves rfc7641 §6: "A value MUST NOT be given for the "obs" attribute"
// Proves rfc7641 §6: "The "obs" attribute MUST NOT appear more than once in a given
// link-value"
func TestObservableIsListed(t *testing.T) {
	mux := muxOf(Observable(say))
	mux.Handle("PUT /put", Observable(say))
	mux.Handle("GET /hinted", Observable(say))
	mux.Describe("GET /hinted", link.Attr{Name: "obs", NoValue: true})
	observed(t, mux, nil, func(s *subject) {
		c := s.onlooker()
		c.asks("/.well-known/core", "t", noObserve)
		if m := c.next(time.Minute); string(m.Payload) != "</v>;obs,</w/>;obs,</plain>,</put>,</hinted>;obs" {
			t.Errorf("%q", m.Payload)
		}
	})
}

// ObservedPaths are those that somebody observes.
func TestObservedPaths(t *testing.T) {
	observed(t, muxOf(Observable(&state{text: "a"})), nil, func(s *subject) {
		if got := s.server.ObservedPaths("/"); len(got) != 0 {
			t.Errorf("%q", got)
		}
		c := s.onlooker()
		for _, path := range []string{"/v", "/w/1", "/w/2", "/w/2/3"} {
			c.registers(path, path, "a")
		}
		s.onlooker().registers("/w/1", "t", "a")
		for prefix, want := range map[string]string{
			"/": "[/v /w/1 /w/2 /w/2/3]", "/w/": "[/w/1 /w/2 /w/2/3]", "/w/2": "[/w/2]", "/w/2/": "[/w/2/3]", "/x": "[]",
		} {
			got := s.server.ObservedPaths(prefix)
			if slices.Sort(got); fmt.Sprint(got) != want {
				t.Errorf("%s: %q, want %s", prefix, got, want)
			}
		}
	})
}
