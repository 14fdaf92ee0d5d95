// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/tick"
)

// penalty is how long a client rests after a handshake that has failed.
const penalty = time.Second

// clientOf is the client that a peer belongs to now.
func (l *loop) clientOf(id endpoint.PeerID) (uint32, bool) {
	if id.Index() >= len(l.byPeer) {
		return 0, false
	}
	i := l.byPeer[id.Index()]
	if i == 0 || l.clients[i-1].peer != id {
		return 0, false
	}
	return i - 1, true
}

// connect begins a handshake of client i, or makes it ready without DTLS.
func (l *loop) connect(now tick.Time, i uint32, due tick.Time) {
	c := &l.clients[i]
	var config *dtls.Config
	name := ""
	if l.run.cfg.Secure {
		at, err := l.profiles.of(l.share.first + int(i))
		if err != nil {
			l.run.broken(err)
			l.leave(i)
			return
		}
		c.profile = at
		config, name = l.profiles.all[at].dtls, l.profiles.all[at].name
	}
	id, err := l.ep.Connect(now, l.run.cfg.Server, l.share.local(l.share.first+int(i)), config, name)
	if err != nil {
		l.run.broken(err)
		l.leave(i)
		return
	}
	l.meet(i, id)
	if config == nil {
		l.rise(i)
		return
	}
	c.state = connecting
	l.shaking++
	l.flights[int(i)*l.window].due = due
	if l.firstHello == 0 {
		l.firstHello = max(now, 1)
	}
}

// meet notes who a peer is.
func (l *loop) meet(i uint32, id endpoint.PeerID) {
	c := &l.clients[i]
	c.peer, c.used, c.silent = id, false, false
	for id.Index() >= len(l.byPeer) {
		l.byPeer = append(l.byPeer, 0)
	}
	l.byPeer[id.Index()] = i + 1
}

// part forgets a peer that has ended or is about to.
func (l *loop) part(i uint32) {
	c := &l.clients[i]
	l.byPeer[c.peer.Index()] = 0
	c.peer = endpoint.PeerID{}
}

// rise follows when a client is ready to ask.
func (l *loop) rise(i uint32) {
	l.clients[i].state = up
	l.connected++
	l.everUp++
	switch {
	case l.doing.greet:
		l.release(i * uint32(l.window))
	case l.doing.ask && !l.doing.once:
		l.freeAll(i)
	}
}

// leave gives a client up.
func (l *loop) leave(i uint32) {
	l.clients[i].state = out
	l.gone++
}

func (l *loop) established(now tick.Time, ev *endpoint.Event) {
	i, ok := l.clientOf(ev.Peer())
	if !ok {
		return
	}
	due := l.flights[int(i)*l.window].due
	l.shaking--
	l.lastShaken = now
	record(l.handshake, now.Sub(due))
	if l.run.cfg.Kind != Requests {
		l.succeed(now, due)
	}
	l.run.suite.CompareAndSwap(0, uint32(ev.Facts.CipherSuite))
	if l.run.cfg.Kind != Handshakes {
		l.rise(i)
		return
	}
	l.everUp++
	id := l.clients[i].peer
	l.part(i)
	l.clients[i].state = absent
	l.ep.Disconnect(now, id)
	l.waiting.Push(i)
}

// disconnected follows when a session has ended, or never was.
func (l *loop) disconnected(now tick.Time, ev *endpoint.Event) {
	i, ok := l.clientOf(ev.Peer())
	if !ok {
		return // one that was closed on purpose
	}
	was := l.clients[i]
	l.part(i)
	l.clients[i].state = absent
	if was.state == connecting {
		l.unestablished(now, i, ev)
		return
	}
	l.connected--
	lost := l.dropFlights(i)
	switch {
	case l.phase >= Closing:
	case l.phase == Holding:
		l.lost++
		l.tally.fail(reasonOf(ev))
	default:
		for range max(lost, 1) {
			l.tally.fail(reasonOf(ev))
		}
	}
	if was.state == out {
		l.connected++ // it was not counted any more
		return
	}
	if l.run.cfg.Kind == Requests && was.used && l.phase < Draining {
		l.waiting.Push(i)
		return
	}
	l.leave(i)
}

// unestablished follows a handshake that has failed.
func (l *loop) unestablished(now tick.Time, i uint32, ev *endpoint.Event) {
	l.shaking--
	l.lastShaken = now
	if l.phase >= Closing {
		return
	}
	l.hsFailed++
	l.tally.fail(reasonOf(ev))
	if l.run.cfg.Kind == Handshakes {
		l.resting = append(l.resting, rest{i, now.Add(penalty)})
		return
	}
	l.leave(i)
}

// A rest is a client that may try again later.
type rest struct {
	client uint32
	until  tick.Time
}

// rested lets those try again whose time has come.
func (l *loop) rested(now tick.Time) {
	n := 0
	for n < len(l.resting) && l.resting[n].until <= now {
		l.waiting.Push(l.resting[n].client)
		n++
	}
	if n > 0 {
		l.resting = l.resting[:copy(l.resting, l.resting[n:])]
	}
}

// reasonOf is the word for the end of a peer, as package coaps has it.
func reasonOf(ev *endpoint.Event) string {
	if ev.Cause == endpoint.CauseSession && ev.Err != nil {
		return ev.Err.Reason.String()
	}
	return ev.Cause.String()
}

// closeSome ends the sessions, no more in a turn than it can receive answers to.
func (l *loop) closeSome(now tick.Time) {
	const some = batchSize / 2
	for range some {
		if l.closed == len(l.clients) {
			return
		}
		c := &l.clients[l.closed]
		if c.peer != (endpoint.PeerID{}) {
			id := c.peer
			l.part(uint32(l.closed))
			l.ep.Disconnect(now, id)
		}
		l.closed++
	}
}
