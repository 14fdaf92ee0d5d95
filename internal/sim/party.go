// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
)

// Party is one side of one session, with an application that answers the
// session's questions from Parties.
type Party struct {
	Session *dtls.Session
	Remote  netip.AddrPort

	Established   bool
	EstablishedAt tick.Time
	Closed        *dtls.Error // of the last event
	Received      []string    // application data, in order

	// Latency is how long a look-up, a verdict or a public-key operation
	// takes. Zero: nothing waits.
	Latency time.Duration
	// PSK and Judge replace the application's answers, if set.
	PSK   func(identityOrHint []byte) (identity, key []byte)
	Judge func(*dtls.Facts) dtls.Reason
	// Tell is given each event, for stories.
	Tell func(what string)

	server    bool
	abandoned bool     // a newer session has its address
	out       [][]byte // sealed application data
	todo      agenda
}

// NewClient starts a session of the mode.
func NewClient(now tick.Time, cfg *dtls.Config, name string, remote netip.AddrPort) (*Party, error) {
	s, err := dtls.NewClient(cfg, now, name)
	if err != nil {
		return nil, err
	}
	p := &Party{Session: s, Remote: remote}
	p.drain(now)
	return p, nil
}

// Receive implements Node.
func (p *Party) Receive(now tick.Time, _ netip.AddrPort, datagram []byte) {
	p.Session.Receive(now, datagram)
	p.drain(now)
}

// Transmit implements Node.
func (p *Party) Transmit(now tick.Time, dst []byte) (int, netip.AddrPort) {
	n := p.Session.Transmit(now, dst)
	if n == 0 && len(p.out) > 0 {
		n = copy(dst, p.out[0])
		p.out = p.out[1:]
	}
	p.drain(now)
	return n, p.Remote
}

// Deadline implements Node.
func (p *Party) Deadline() tick.Time {
	return tick.First(p.Session.Deadline(), p.todo.deadline())
}

// Expire implements Node.
func (p *Party) Expire(now tick.Time) {
	for _, t := range p.todo.takeDue(now) {
		t.do(now)
		p.drain(now)
	}
	if p.Session.Deadline() <= now {
		p.Session.Expire(now)
	}
	p.drain(now)
}

// Send seals application data and has it sent.
func (p *Party) Send(text string) error {
	record, err := p.Session.Seal(nil, []byte(text))
	if err == nil {
		p.out = append(p.out, record)
	}
	return err
}

// Close ends the session.
func (p *Party) Close(now tick.Time) {
	p.Session.Close(now)
	p.drain(now)
}

// over reports whether nothing will come from the session any more.
func (p *Party) over() bool { return p.abandoned || p.Session.State() == dtls.Closed }

// drain takes the news from the session.
func (p *Party) drain(now tick.Time) {
	var ev dtls.Event
	for p.Session.Next(now, &ev) {
		switch ev.Kind {
		case dtls.EventEstablished:
			p.Established, p.EstablishedAt = true, now
			p.tell("established")
		case dtls.EventData:
			p.Received = append(p.Received, string(ev.Data))
			p.tell("data " + string(ev.Data))
		case dtls.EventClosed:
			p.Closed = ev.Err
			p.tell("closed: " + ev.Err.Reason.String())
		case dtls.EventSuspect:
			p.tell("suspects: " + ev.Reason.String())
		case dtls.EventWantPSK:
			p.wantPSK(now, &ev)
		case dtls.EventWantVerdict:
			p.after(now, func(now tick.Time) { p.Session.ProvideVerdict(now, p.judge(p.Session.Facts())) })
		case dtls.EventNeedJob:
			job := ev.Job
			p.after(now, func(now tick.Time) { job.Run(); p.Session.Complete(now, job) })
		}
	}
}

func (p *Party) wantPSK(now tick.Time, ev *dtls.Event) {
	asked := ev.Hint
	if p.server {
		asked = append([]byte{}, ev.Identity...)
	}
	p.after(now, func(now tick.Time) {
		identity, key := p.psk(asked)
		p.Session.ProvidePSK(now, identity, key)
	})
}

func (p *Party) psk(asked []byte) (identity, key []byte) {
	parties := TestParties()
	switch {
	case p.PSK != nil:
		return p.PSK(asked)
	case p.server && string(asked) != string(parties.Identity):
		return asked, nil
	}
	return parties.Identity, append([]byte(nil), parties.PSK...)
}

func (p *Party) judge(f *dtls.Facts) dtls.Reason {
	if p.Judge != nil {
		return p.Judge(f)
	}
	return TestParties().Judge(f, p.server)
}

// after answers the session now, or when the party's latency has passed.
func (p *Party) after(now tick.Time, do func(now tick.Time)) {
	if p.Latency == 0 {
		do(now)
		return
	}
	p.todo.add(now.Add(p.Latency), do)
}

func (p *Party) tell(what string) {
	if p.Tell != nil {
		p.Tell(what)
	}
}
