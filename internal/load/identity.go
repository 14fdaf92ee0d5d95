// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"io"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// A profile is what sessions need of one security.Config.
type profile struct {
	policy *security.Policy
	dtls   *dtls.Config
	name   string // Server Name Indication
}

// profiles are those that the clients of one loop use.
type profiles struct {
	cfg      *Config
	rand     io.Reader
	counters dtls.Counters
	last     *security.Config
	lastAt   uint32
	known    map[*security.Config]uint32
	all      []*profile
}

// of finds or makes the profile of a client. Most often it is everybody's.
func (p *profiles) of(client int) (uint32, error) {
	config := p.cfg.Security(client)
	if config == p.last && config != nil {
		return p.lastAt, nil
	}
	at, ok := p.known[config]
	if !ok {
		made, err := p.make(config)
		if err != nil {
			return 0, fmt.Errorf("load: client %d: %w", client, err)
		}
		at, p.all = uint32(len(p.all)), append(p.all, made)
		p.known[config] = at
	}
	p.last, p.lastAt = config, at
	return at, nil
}

func (p *profiles) make(config *security.Config) (*profile, error) {
	if config == nil {
		return nil, errNoSecurity
	}
	host := p.cfg.Host
	if host == "" {
		host = p.cfg.Server.Addr().Unmap().String()
	}
	policy, err := config.Client(keys.Authority{Scheme: "coaps", Host: host, Port: p.cfg.Server.Port()})
	if err != nil {
		return nil, err
	}
	d := policy.DTLS(p.rand)
	d.Timers, d.MTU, d.Counters = p.cfg.Timers, p.cfg.MTU, &p.counters
	return &profile{policy: policy, dtls: d, name: policy.ServerName()}, nil
}

// keyTask answers what a handshake waits for, at once: it is the cost of a
// handshake that counts here, not what others wait meanwhile.
func (l *loop) keyTask(now tick.Time, ev *endpoint.Event) {
	i, ok := l.clientOf(ev.Peer())
	if !ok {
		return
	}
	p := l.profiles.all[l.clients[i].profile]
	switch ev.Kind {
	case endpoint.EventNeedJob:
		ev.DTLS.Job.Run()
		l.ep.Complete(now, ev.Peer(), ev.DTLS.Job)
	case endpoint.EventWantVerdict:
		l.ep.ProvideVerdict(now, ev.Peer(), keys.ReasonOf(p.policy.Verify(ev.Facts, time.Now())))
	case endpoint.EventWantPSK:
		identity, key := l.psk(p, int(i), ev)
		l.ep.ProvidePSK(now, ev.Peer(), identity, key)
	}
}

func (l *loop) psk(p *profile, i int, ev *endpoint.Event) (identity, key []byte) {
	if l.run.cfg.PSK != nil {
		return l.run.cfg.PSK(l.share.first + i)
	}
	return p.policy.PSK(ev.DTLS.ServerName, ev.DTLS.Hint)
}
