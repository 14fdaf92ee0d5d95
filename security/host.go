// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coaps-go/coaps/security/keys"
)

// hosts makes the policies of the virtual hosts.
func (c *Config) hosts() (map[string]*Policy, error) {
	hosts := make(map[string]*Policy, len(c.Hosts))
	for name, config := range c.Hosts {
		canonical := hostName(name)
		if config == nil || canonical == "" || (keys.Authority{Host: canonical}).ServerName() != canonical {
			return nil, fmt.Errorf("%w: %q is no DNS name that a client can ask for", ErrBadHost, name)
		}
		if hosts[canonical] != nil {
			return nil, fmt.Errorf("%w: %s comes twice", ErrBadHost, canonical)
		}
		policy, err := config.asHost(c, canonical)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", canonical, err)
		}
		hosts[canonical] = policy
	}
	return hosts, nil
}

// asHost makes the policy of the virtual host name of the server with the
// configuration parent.
func (c *Config) asHost(parent *Config, name string) (*Policy, error) {
	switch {
	case len(c.Hosts) > 0:
		return nil, fmt.Errorf("%w: a virtual host cannot have hosts of its own", ErrBadHost)
	case c.CipherSuites != nil || c.Groups != nil || c.SignatureSchemes != nil || c.KeyLog != nil:
		return nil, fmt.Errorf("%w: cipher suites, groups, signature schemes and the key log are the same for all hosts", ErrBadHost)
	case c.AllowNoExtendedMasterSecret:
		return nil, fmt.Errorf("%w: the extended master secret is asked for by all hosts or by none", ErrBadHost)
	}
	own := *c
	if own.Directory == nil {
		own.Directory = parent.Directory
	}
	if own.Name == "" {
		own.Name = parent.Name // it is the same node
	}
	if err := own.checkServer(); err != nil {
		return nil, err
	}
	policy := newPolicy(&own, true, keys.Authority{})
	policy.host = name
	return policy, nil
}

// For returns the policy of the virtual host that serverName asks for, which is
// p itself if there is none of that name. RFC 6066 §3 lets a server that does
// not recognize a name either continue or abort: it continues, with what the
// default host shows, unless that shows nothing; then it aborts with
// unrecognized_name.
func (p *Policy) For(serverName string) *Policy {
	if len(p.hosts) == 0 || serverName == "" {
		return p
	}
	if host := p.hosts[hostName(serverName)]; host != nil {
		return host
	}
	return p
}

// Host is the name of the virtual host whose policy this is, "" for the default
// one.
func (p *Policy) Host() string { return p.host }

// hostName folds what DNS does not distinguish (RFC 6066 §3).
func hostName(s string) string {
	s = strings.TrimSuffix(s, ".")
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(lowerASCII, s)
		}
	}
	return s
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// node is what this node is called, in the lists of nodes that keys have.
func (p *Policy) node() string {
	if p.config.Name == "" {
		return p.host
	}
	return p.config.Name
}

// mayUse reports whether a key with this list of nodes can be used to
// communicate with this one (RFC 7252 §9): by its name, or by the virtual
// host's.
func (p *Policy) mayUse(nodes []string) bool {
	return len(nodes) == 0 || slices.ContainsFunc(nodes, func(node string) bool {
		folded := hostName(node)
		return folded != "" && (folded == hostName(p.config.Name) || folded == p.host)
	})
}

// directory is where a server's clients are looked up, nil for nowhere.
func (p *Policy) directory() Directory {
	if !p.server {
		return nil
	}
	return p.config.Directory
}
