// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// Defaults of Config.
const (
	defaultDuration   = 10 * time.Second
	defaultTimeout    = 30 * time.Second
	nonTimeout        = 2 * time.Second // where nothing is repeated
	echoTimeout       = time.Second
	defaultHandshakes = 32 // in progress
	maxWindow         = 256
	minEcho           = 8 // what tells an echo from another
	maxClients        = 1 << 24
)

// resolved fills in the defaults and refuses what makes no sense.
func (c Config) resolved() (Config, error) {
	c.Clients, c.Loops = max(c.Clients, 1), max(c.Loops, 1)
	c.Loops = min(c.Loops, c.Clients)
	c.Server = netip.AddrPortFrom(c.Server.Addr().Unmap(), c.Server.Port())
	c.Timers.Handshake = cmp.Or(c.Timers.Handshake, c.Timeout, defaultTimeout)
	c.Timeout = cmp.Or(c.Timeout, c.timeout())
	if c.Duration == 0 && c.Count == 0 {
		c.Duration = defaultDuration
	}
	if c.Window == 0 {
		c.Window = 1
		if c.Kind == Handshakes || c.Kind == Sessions {
			c.Window = defaultHandshakes
		}
	}
	if len(c.Mix) == 0 {
		c.Mix = []Request{{}}
	}
	c.Sources = c.sources()
	c.secured()
	return c, c.check()
}

// timeout is how long to wait for an answer: long if the question is repeated,
// else not.
func (c *Config) timeout() time.Duration {
	again := slices.ContainsFunc(c.Mix, func(r Request) bool { return !r.NonConfirmable })
	switch {
	case c.Kind == Echo:
		return echoTimeout
	case again || len(c.Mix) == 0:
		return defaultTimeout
	}
	return nonTimeout
}

// secured makes a Security of PSK alone.
func (c *Config) secured() {
	if c.PSK == nil || c.Security != nil {
		return
	}
	psk := c.PSK
	all := &security.Config{ClientPSKFor: func(keys.Authority, []byte) (keys.PSK, bool) {
		p, err := keys.NewPSK(psk(0))
		return p, err == nil
	}}
	c.Security = func(int) *security.Config { return all }
}

// Errors of a Config.
var (
	errNoServer   = errors.New("load: no server address")
	errNoSecurity = errors.New("load: coaps needs Security or PSK")
	errPlain      = errors.New("load: handshakes are for coaps")
	errParts      = errors.New("load: Loss and Reorder are parts from 0 to 1")
	errNegative   = errors.New("load: a negative time, rate or weight")
	errClients    = fmt.Errorf("load: more than %d clients", maxClients)
	errWindow     = fmt.Errorf("load: more than %d requests in flight a client", maxWindow)
	errPath       = errors.New("load: both Path and Options")
	errSmallEcho  = fmt.Errorf("load: an echo has %d bytes at least", minEcho)
)

func (c *Config) check() error {
	if c.Kind == Echo && c.Secure {
		return errors.New("load: an echo is not secured")
	}
	switch {
	case !c.Server.IsValid() || c.Server.Port() == 0:
		return errNoServer
	case c.Secure && c.Security == nil:
		return errNoSecurity
	case c.Kind == Handshakes && !c.Secure:
		return errPlain
	case !(c.Loss >= 0 && c.Loss <= 1 && c.Reorder >= 0 && c.Reorder <= 1):
		return errParts
	case min(c.Duration, c.Warmup, c.Ramp, c.Timeout, c.Hold) < 0 || !(c.Rate >= 0) || c.Window < 0:
		return errNegative
	case c.Clients > maxClients:
		return errClients
	case c.Window > maxWindow && c.asks():
		return errWindow
	}
	return c.Params.Check()
}

// asks reports whether Window counts the requests of one client.
func (c *Config) asks() bool { return c.Kind == Requests || c.Kind == Echo }

// slots is how many operations a client can have in progress.
func (c *Config) slots() int {
	if c.asks() {
		return c.Window
	}
	return 1
}

// A mix is the requests to choose from, made once.
type mix struct {
	made    []request.Outgoing
	upto    []int // the weights, added up
	weights int
}

func newMix(cfg *Config) (*mix, error) {
	m := &mix{}
	for i := range cfg.Mix {
		r := &cfg.Mix[i]
		out, err := r.outgoing(cfg.Kind)
		if err != nil {
			return nil, fmt.Errorf("%w (request %d of the mix)", err, i+1)
		}
		m.weights += max(r.Weight, 1)
		m.made, m.upto = append(m.made, out), append(m.upto, m.weights)
	}
	return m, nil
}

func (r *Request) outgoing(kind Kind) (request.Outgoing, error) {
	out := request.Outgoing{Code: cmp.Or(r.Method, coap.GET), Options: r.Options, Payload: filler(r.PayloadSize)}
	if r.NonConfirmable {
		out.Type = coap.NonConfirmable
	}
	switch {
	case r.Weight < 0 || r.PayloadSize < 0:
		return out, errNegative
	case kind == Echo && r.PayloadSize < minEcho:
		return out, errSmallEcho
	case len(r.Options) > 0 && r.Path != "":
		return out, errPath
	case r.Path == "" || r.Path == "/":
		return out, nil
	}
	uri, err := coap.ParseURI("coap://server/" + trimSlash(r.Path))
	if err != nil {
		return out, err
	}
	list := uri.Options(false)
	list.Sort()
	out.Options = list.Encode(nil)
	return out, nil
}

func trimSlash(path string) string {
	if path[0] == '/' {
		return path[1:]
	}
	return path
}

// filler is a payload of n bytes that can be read.
func filler(n int) []byte {
	const text = "The quick brown fox jumps over the lazy dog. "
	b := make([]byte, n)
	for i := range b {
		b[i] = text[i%len(text)]
	}
	return b
}

// pick chooses a request by weight.
func (m *mix) pick(rng *rand.PCG) *request.Outgoing {
	if len(m.made) == 1 {
		return &m.made[0]
	}
	at := int(rng.Uint64() % uint64(m.weights))
	for i, upto := range m.upto {
		if at < upto {
			return &m.made[i]
		}
	}
	return &m.made[len(m.made)-1]
}
