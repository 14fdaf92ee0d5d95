// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A bell is a Conn that records how its doorbell is used.
type bell struct {
	udp.Conn
	rings, sets int
}

func (b *bell) SetReadDeadline(t time.Time) error {
	if t.Equal(rung) {
		b.rings++
	} else {
		b.sets++
	}
	return nil
}

type note func(tick.Time)

func (n note) deliver(now tick.Time) { n(now) }

// The doorbell rings once for a loop that waits, and not for one at work; a
// deadline in force is not moved for nothing.
func TestMailboxRings(t *testing.T) {
	b := new(bell)
	m := mailbox{conn: b, clock: clock{time.Now()}}
	delivered := 0
	letter := note(func(tick.Time) { delivered++ })

	m.post(letter, false)
	if b.rings != 0 {
		t.Error("rang at a loop that is at work")
	}
	if m.sleep(1, 100) {
		t.Error("the loop goes to sleep with a letter waiting")
	}
	m.deliver(1)
	if !m.sleep(1, 100) || b.sets != 1 {
		t.Errorf("sleep: %d deadlines set", b.sets)
	}
	m.post(letter, false)
	m.post(letter, false)
	if b.rings != 1 {
		t.Errorf("%d rings for two letters", b.rings)
	}
	m.deliver(2)
	if delivered != 3 {
		t.Errorf("%d letters delivered", delivered)
	}
	m.sleep(2, 100) // the bell has moved the deadline
	m.deliver(3)
	m.sleep(3, 500) // 100 will do: it is earlier
	m.deliver(4)
	m.sleep(4, 50)
	m.deliver(60)
	m.sleep(60, 200) // 50 is over
	if b.sets != 4 {
		t.Errorf("%d deadlines set, want 4", b.sets)
	}
}

func TestMailboxIsBounded(t *testing.T) {
	m := mailbox{conn: new(bell)}
	for range mailboxLetters {
		if err := m.post(note(nil), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.post(note(nil), false); !errors.Is(err, errMailboxFull) {
		t.Errorf("one more: %v", err)
	}
	if err := m.post(note(nil), true); err != nil {
		t.Errorf("one that has to arrive: %v", err)
	}
	m.close()
	if err := m.post(note(nil), true); !errors.Is(err, errMailboxClosed) {
		t.Errorf("after the end: %v", err)
	}
}

type job func()

func (j job) run() { j() }

func TestPoolIsBounded(t *testing.T) {
	p := newPool(3, 5)
	var running, most, done atomic.Int32
	release := make(chan struct{})
	accepted := 0
	for range 20 {
		ok := p.submit(job(func() {
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
			done.Add(1)
		}))
		if ok {
			accepted++
		}
		time.Sleep(time.Millisecond) // lets a worker take it
	}
	if accepted != 8 {
		t.Errorf("%d accepted, want 3 at work and 5 waiting", accepted)
	}
	close(release)
	p.close()
	p.wait()
	if int(done.Load()) != accepted || most.Load() != 3 {
		t.Errorf("%d done by %d workers", done.Load(), most.Load())
	}
	if p.submit(job(func() {})) {
		t.Error("a closed pool takes work")
	}
	p.close()
}

// Many goroutines and many datagrams: neither keeps the other waiting.
func TestLettersAndDatagramsTakeTurns(t *testing.T) {
	s := newStage(t, whoami, nil)
	c := s.client(0)
	c.Params = message.Params{} // patient: the machine may be busy
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.server.plain.mail.post(note(func(tick.Time) {}), true)
				}
			}
		})
	}
	for range 20 {
		if _, err := c.Get(timeout(t), s.plain+"/"); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
}

// A failing Conn ends no loop; a closed one does.
func TestLoopSurvivesErrors(t *testing.T) {
	var failures atomic.Int32
	s := newStage(t, whoami, func(s *Server) {
		open := s.ListenPacket
		s.ListenPacket = func(network, addr string) (udp.Conn, error) {
			conn, err := open(network, addr)
			return &flakyConn{Conn: conn, failures: &failures}, err
		}
	})
	c := s.client(0)
	for range 10 {
		if _, err := c.Get(timeout(t), s.plain+"/"); err != nil {
			t.Fatal(err)
		}
	}
	if failures.Load() == 0 {
		t.Error("nothing failed")
	}
}

type flakyConn struct {
	udp.Conn
	calls    int
	failures *atomic.Int32
}

var errFlaky = errors.New("no buffer space")

func (c *flakyConn) Recv(batch []udp.Datagram) (int, error) {
	if c.calls++; c.calls%3 == 0 {
		c.failures.Add(1)
		return 0, errFlaky
	}
	return c.Conn.Recv(batch)
}

// Errors that others can cause do not make the loop rest.
func TestErrorsNowAndThenDoNotDelay(t *testing.T) {
	l := &loop{}
	start := time.Now()
	for range 100 {
		for range failuresInARow {
			l.receiveFailed(errFlaky)
		}
		l.failures = 0 // a datagram
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("1600 errors with datagrams between them took %v", took)
	}
	start = time.Now()
	for range 30 {
		l.receiveFailed(errFlaky)
	}
	if took := time.Since(start); took < 10*time.Millisecond {
		t.Errorf("30 errors in a row took %v: the loop spins", took)
	}
}

func (c *flakyConn) Send(batch []udp.Datagram) (int, error) {
	if c.calls%4 == 0 {
		c.failures.Add(1)
		return 0, errFlaky
	}
	return c.Conn.Send(batch)
}

// A request over the loopback, through both event loops.
func BenchmarkGet(b *testing.B) {
	for _, bm := range []struct {
		name   string
		secure bool
		inline bool
	}{{"NoSec/inline", false, true}, {"NoSec/worker", false, false}, {"PSK/inline", true, true}, {"PSK/worker", true, false}} {
		b.Run(bm.name, func(b *testing.B) {
			var h Handler = says("answer")
			if bm.inline {
				h = Inline(h)
			}
			s := newStage(b, h, nil)
			uri, c := s.plain, s.client(0)
			if bm.secure {
				uri, c = s.secure, s.client(1)
			}
			ctx := timeout(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Get(ctx, uri+"/"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
