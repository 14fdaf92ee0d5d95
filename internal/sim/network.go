// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sim runs endpoints against each other over a network that loses,
// delays, repeats, reorders and damages datagrams, in virtual time and from
// one seed, so that a day takes a moment and a failure can be run again.
package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/tick"
)

// Node is something with a socket: a client, a server, or an attacker. Its
// methods are those of every layer of the engine.
type Node interface {
	// Receive takes a datagram; it may keep and change it.
	Receive(now tick.Time, from netip.AddrPort, datagram []byte)
	// Transmit writes the next datagram to dst, 0 bytes if there is none.
	Transmit(now tick.Time, dst []byte) (n int, to netip.AddrPort)
	Deadline() tick.Time
	Expire(now tick.Time)
}

// Faults is what a network does to datagrams. Probabilities are from 0 to 1.
type Faults struct {
	Loss, Duplicate, Corrupt float64
	Reorder                  float64       // probability of an extra delay of up to 8 times Delay
	Delay, Jitter            time.Duration // Delay plus up to Jitter, evenly spread
	MTU                      int           // larger datagrams vanish; 0: none do
}

// Fate is what becomes of one datagram: when its copies arrive, in time after
// it was sent. No copy means that it is lost.
type Fate []time.Duration

// Datagram is one on its way.
type Datagram struct {
	Number   int // of all datagrams of the network, from 1
	Sent     tick.Time
	From, To netip.AddrPort
	Data     []byte
}

// Network joins nodes. It is not safe for concurrent use.
type Network struct {
	Now    tick.Time
	Faults Faults
	// Rewrite, if set, puts other datagrams in the place of one, as a
	// meddler on the path could.
	Rewrite func(from netip.AddrPort, datagram []byte) [][]byte
	// Decide, if set, is asked first for the fate of a datagram; ok false
	// leaves it to Faults.
	Decide func(d *Datagram) (fate Fate, ok bool)
	// Tap, if set, sees each datagram when it is sent and what becomes of it.
	Tap func(d *Datagram, fate Fate)
	// Violation, if set, is told when a node breaks the rules of time.
	Violation func(what string)

	rand  *rand.Rand
	nodes []attached
	queue arrivals
	sent  int
	buf   [1 << 16]byte
}

type attached struct {
	addr netip.AddrPort
	node Node
}

// NewNetwork makes a network without faults and with a delay of 10 ms.
func NewNetwork(seed uint64) *Network {
	return &Network{
		Faults: Faults{Delay: 10 * time.Millisecond},
		rand:   rand.New(rand.NewPCG(seed, 0x636f617073)),
	}
}

// Attach gives a node its address. One node may have several, and an address
// given again moves to the new node, like a port behind an address translator.
func (w *Network) Attach(addr netip.AddrPort, n Node) {
	for i := range w.nodes {
		if w.nodes[i].addr == addr {
			w.nodes[i].node = n
			return
		}
	}
	w.nodes = append(w.nodes, attached{addr, n})
}

// Run lets things happen until there is nothing more to wait for, or until
// the given time, and reports whether it came to rest before.
func (w *Network) Run(until tick.Time) (rest bool) {
	for {
		w.collect()
		next := w.next()
		if next == tick.Never || next > until {
			w.Now = max(w.Now, min(until, next))
			return next == tick.Never
		}
		w.Now = max(w.Now, next)
		w.deliver()
		w.expire()
	}
}

// Sent is the number of datagrams that were sent so far.
func (w *Network) Sent() int { return w.sent }

// Inject puts a datagram on its way as if from had sent it. It arrives at
// once.
func (w *Network) Inject(from, to netip.AddrPort, data []byte) {
	d := &Datagram{Sent: w.Now, From: from, To: to, Data: append([]byte(nil), data...)}
	heap.Push(&w.queue, arrival{at: w.Now, order: w.queue.issue(), d: d})
}

// next is the time of the next arrival or deadline.
func (w *Network) next() tick.Time {
	next := tick.Never
	if len(w.queue.list) > 0 {
		next = w.queue.list[0].at
	}
	for _, a := range w.nodes {
		next = tick.First(next, a.node.Deadline())
	}
	return next
}

// collect takes what the nodes have to send.
func (w *Network) collect() {
	for _, a := range w.nodes {
		for range 1000 {
			n, to := a.node.Transmit(w.Now, w.buf[:])
			if n == 0 {
				break
			}
			w.rewrite(a.addr, to, w.buf[:n])
		}
	}
}

func (w *Network) rewrite(from, to netip.AddrPort, data []byte) {
	if w.Rewrite == nil {
		w.send(from, to, data)
		return
	}
	for _, d := range w.Rewrite(from, data) {
		w.send(from, to, d)
	}
}

func (w *Network) send(from, to netip.AddrPort, data []byte) {
	w.sent++
	d := &Datagram{Number: w.sent, Sent: w.Now, From: from, To: to, Data: append([]byte(nil), data...)}
	fate, ok := Fate(nil), false
	if w.Decide != nil {
		fate, ok = w.Decide(d)
	}
	if !ok {
		fate = w.fate(len(data))
	}
	if w.Tap != nil {
		w.Tap(d, fate)
	}
	for _, after := range fate {
		heap.Push(&w.queue, arrival{at: w.Now.Add(after), order: w.queue.issue(), d: d})
	}
}

// fate throws the dice for a datagram.
func (w *Network) fate(size int) Fate {
	f := w.Faults
	if f.MTU > 0 && size > f.MTU || w.rand.Float64() < f.Loss {
		return nil
	}
	fate := Fate{w.delay()}
	for w.rand.Float64() < f.Duplicate && len(fate) < 4 {
		fate = append(fate, w.delay())
	}
	return fate
}

func (w *Network) delay() time.Duration {
	d := w.Faults.Delay
	if w.Faults.Jitter > 0 {
		d += time.Duration(w.rand.Int64N(int64(w.Faults.Jitter)))
	}
	if w.rand.Float64() < w.Faults.Reorder {
		d += time.Duration(w.rand.Int64N(int64(8*w.Faults.Delay) + 1))
	}
	return d
}

// deliver hands over what has arrived by now.
func (w *Network) deliver() {
	for len(w.queue.list) > 0 && w.queue.list[0].at <= w.Now {
		d := heap.Pop(&w.queue).(arrival).d
		data := append([]byte(nil), d.Data...) // a copy each: nodes work in place
		if len(data) > 0 && w.rand.Float64() < w.Faults.Corrupt {
			data[w.rand.IntN(len(data))] ^= 1 << w.rand.IntN(8)
		}
		for _, a := range w.nodes {
			if a.addr == d.To {
				a.node.Receive(w.Now, d.From, data)
			}
		}
		w.collect()
	}
}

// expire wakes the nodes whose deadline has come. A node that then still
// wants to be woken at once would spin.
func (w *Network) expire() {
	for _, a := range w.nodes {
		for turns := 0; a.node.Deadline() <= w.Now; turns++ {
			if turns == 100 {
				w.violation(fmt.Sprintf("%v asks again and again to be woken at %v, it is %v", a.addr, a.node.Deadline(), w.Now))
				w.Now++
				return
			}
			a.node.Expire(w.Now)
			w.collect()
		}
	}
}

func (w *Network) violation(what string) {
	if w.Violation == nil {
		panic("sim: " + what)
	}
	w.Violation(what)
}

// arrival is a datagram with its time; order keeps those of one time as they
// were sent.
type arrival struct {
	at    tick.Time
	order int
	d     *Datagram
}

type arrivals struct {
	list   []arrival
	issued int
}

func (q *arrivals) issue() int { q.issued++; return q.issued }

func (q *arrivals) Len() int { return len(q.list) }
func (q *arrivals) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}
func (q *arrivals) Swap(i, j int) { q.list[i], q.list[j] = q.list[j], q.list[i] }
func (q *arrivals) Push(x any)    { q.list = append(q.list, x.(arrival)) }
func (q *arrivals) Pop() any {
	last := q.list[len(q.list)-1]
	q.list = q.list[:len(q.list)-1]
	return last
}
