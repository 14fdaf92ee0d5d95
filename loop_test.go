// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"runtime"
	"slices"
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
	sleeps := func(now, until tick.Time) bool { return m.sleep(now, until) }
	wakes := func(now tick.Time) { m.awake(); m.deliver(now) }

	m.post(letter, false)
	if b.rings != 0 {
		t.Error("rang at a loop that is at work")
	}
	if sleeps(1, 100) {
		t.Error("the loop goes to sleep with a letter waiting")
	}
	m.deliver(1)
	if !sleeps(1, 100) || b.sets != 1 {
		t.Errorf("sleep: %d deadlines set", b.sets)
	}
	m.post(letter, false)
	m.post(letter, false)
	if b.rings != 1 {
		t.Errorf("%d rings for two letters", b.rings)
	}
	wakes(2)
	if delivered != 3 {
		t.Errorf("%d letters delivered", delivered)
	}
	sleeps(2, 100) // the bell has moved the deadline
	wakes(3)
	sleeps(3, 500) // 100 will do: it is earlier
	wakes(4)
	sleeps(4, 50)
	wakes(60)
	sleeps(60, 200) // 50 is over
	if b.sets != 4 {
		t.Errorf("%d deadlines set, want 4", b.sets)
	}
}

// A letter that is put into the box does not ring; whoever rings afterwards does
// so for all.
func TestMailboxPut(t *testing.T) {
	b := new(bell)
	m := mailbox{conn: b, clock: clock{time.Now()}}
	var got []int
	m.sleep(1, 100)
	if m.ring(); b.rings != 0 {
		t.Error("rang for nothing")
	}
	for i := range 3 {
		m.put(&envelope{letter: note(func(tick.Time) { got = append(got, i) })})
	}
	if b.rings != 0 {
		t.Error("put rang")
	}
	m.ring()
	m.ring()
	m.awake()
	m.deliver(2)
	if b.rings != 1 || !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("%d rings, letters %v", b.rings, got)
	}
}

func TestMailboxIsBounded(t *testing.T) {
	m := mailbox{conn: new(bell)}
	for range mailboxLetters {
		if err := m.post(note(func(tick.Time) {}), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.post(note(nil), false); !errors.Is(err, errMailboxFull) {
		t.Errorf("one more: %v", err)
	}
	if err := m.post(note(func(tick.Time) {}), true); err != nil {
		t.Errorf("one that has to arrive: %v", err)
	}
	m.deliver(1)
	if left := m.counted.Load(); left != mailboxLetters+1-turnLetters {
		t.Errorf("%d letters are left after a turn", left)
	}
	if err := m.post(note(nil), false); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	m.close()
	if err := m.post(note(nil), true); !errors.Is(err, errMailboxClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// No letter is lost and no wait is missed, however posts and waits fall
// together.
func TestMailboxLosesNothing(t *testing.T) {
	const senders, letters = 4, 5000
	b := &waitingBell{deadline: make(chan time.Time, 1)}
	m := mailbox{conn: b, clock: clock{time.Now()}}
	var got [senders]int
	for s := range senders {
		go func() {
			for i := range letters {
				m.post(note(func(tick.Time) {
					if got[s] != i {
						t.Errorf("letter %d of sender %d is number %d", i, s, got[s])
					}
					got[s]++
				}), true)
			}
		}()
	}
	all := func() (sum int) {
		for _, n := range got {
			sum += n
		}
		return sum
	}
	for all() < senders*letters {
		if m.sleep(m.clock.now(), tick.Never) {
			if !b.wait(10 * time.Second) {
				t.Fatalf("the bell was not rung: %d letters delivered", all())
			}
			m.bell = 0
			m.awake()
		}
		m.deliver(m.clock.now())
	}
}

// A waitingBell is a Conn of which only the doorbell works.
type waitingBell struct {
	udp.Conn
	deadline chan time.Time // holds the one in force
}

func (b *waitingBell) SetReadDeadline(t time.Time) error {
	for {
		select {
		case b.deadline <- t:
			return nil
		default:
		}
		select {
		case <-b.deadline:
		default:
		}
	}
}

// wait returns when the deadline in force is over.
func (b *waitingBell) wait(limit time.Duration) bool {
	for end := time.After(limit); ; {
		select {
		case t := <-b.deadline:
			if !t.IsZero() {
				return true
			}
		case <-end:
			return false
		}
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
			highest(&most, running.Add(1))
			<-release
			running.Add(-1)
			done.Add(1)
		}))
		if ok {
			accepted++
		}
		if accepted <= 3 {
			eventually(t, "a worker has taken it", func() bool { return int(running.Load()) == accepted })
		}
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

// Tasks that wait hold up none of a batch, up to the number of workers.
func TestPoolGoesRoundSlowTasks(t *testing.T) {
	p := newPool(8, 100)
	release, done := make(chan struct{}), make(chan struct{}, 100)
	for round := range 3 {
		for i := range 30 {
			slow := i%4 == 0 && i < 28 // 7 of them
			p.put(job(func() {
				if slow {
					<-release
				}
				done <- struct{}{}
			}))
		}
		p.wake()
		for range 23 {
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("a quick task waits for a slow one")
			}
		}
		for range 7 {
			release <- struct{}{}
			<-done
		}
		if n := p.workers.Load(); n > 8 {
			t.Errorf("round %d: %d workers", round, n)
		}
	}
	p.close()
	p.wait()
}

// Whatever the order of events, each task is run once, and the workers end.
func TestPoolLosesNothing(t *testing.T) {
	for round := range 200 {
		p := newPool(1+round%5, 64)
		var run, put atomic.Int64
		var putters sync.WaitGroup
		for range 3 {
			putters.Go(func() {
				for i := range 200 {
					if p.put(job(func() { run.Add(1) })) {
						put.Add(1)
					}
					if i%7 == 0 {
						p.wake()
					}
				}
				p.wake()
			})
		}
		putters.Wait()
		if round%2 == 0 {
			deadline := time.Now().Add(10 * time.Second)
			for run.Load() != put.Load() {
				if time.Now().After(deadline) {
					t.Fatalf("%d of %d tasks run", run.Load(), put.Load())
				}
				runtime.Gosched()
			}
		}
		p.close()
		p.wait()
		if run.Load() != put.Load() {
			t.Fatalf("%d of %d tasks run", run.Load(), put.Load())
		}
	}
}

func TestQueueOrder(t *testing.T) {
	q := newQueue(3)
	for round := range 10 {
		for i := range 4 {
			if got := q.put(number(10*round + i)); got != (i < 3) {
				t.Errorf("task %d into a queue for 3: %v", i+1, got)
			}
		}
		for i := range 3 {
			if got := q.take(); got != number(10*round+i) {
				t.Errorf("round %d: took %v, want %d", round, got, 10*round+i)
			}
		}
		if !q.empty() || q.take() != nil {
			t.Error("not empty")
		}
	}
	if none := newQueue(0); none.put(number(1)) || none.take() != nil || !none.empty() {
		t.Error("a queue for nothing")
	}
}

type number int

func (number) run() {}

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
					if s.server.plain.shards[0].mail.post(note(func(tick.Time) {}), false) != nil {
						runtime.Gosched() // the box is full
					}
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
	c.Params = message.Params{AckTimeout: 100 * time.Millisecond, MaxRetransmit: 6} // what fails to be sent is lost
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
	for range 1000 {
		for range failuresInARow {
			l.receiveFailed(errFlaky)
		}
		l.failures = 0 // a datagram
	}
	if took := time.Since(start); took > promptly { // each with a rest of 1 ms: 16 s
		t.Errorf("16,000 errors with datagrams between them took %v", took)
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
