// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// A credential that is known at another virtual host than the client has asked for is
// unknown on the wire, and the log says where it is known. One that is known nowhere,
// and one whose key is wrong, have no such word.
func TestKnownElsewhere(t *testing.T) {
	d := newDirectory()
	s := newStage(t, say, func(s *Server) {
		s.Security.Directory = d
		s.Security.Hosts = map[string]*security.Config{
			"a.example": {Directory: d, RawKey: s.Security.RawKey},
			"b.example": {Directory: d},
		}
		s.Security.Pins = nil
	})
	psk := d.add("nobody")
	d.change(func(d *directory) {
		d.entries["a.example/only-a"] = security.Entry{Key: psk.Key, Principal: security.Principal{Device: "only-a"}}
		d.entries["/only-default"] = security.Entry{Key: psk.Key, Principal: security.Principal{Device: "only-default"}}
		d.entries["a.example/two"] = security.Entry{Key: psk.Key, Principal: security.Principal{Device: "two"}}
		d.entries["b.example/two"] = security.Entry{Reason: dtls.ReasonDeviceDisabled, Principal: security.Principal{Device: "two"}}
		d.entries["a.example/"+keys.NameOf(s.clientKey.SPKI, keys.SHA256_120).String()] = security.Entry{Principal: security.Principal{Device: "raw"}}
		d.entries["/wrong"] = security.Entry{Key: keys.NewSecret([]byte("another key that is wrong")), Principal: security.Principal{Device: "wrong"}}
	})
	port := s.secure[strings.LastIndex(s.secure, ":"):]
	try := func(c *security.Config, host string) {
		t.Helper()
		client := &Client{Security: c, Timers: hasty, Params: impatient, Network: "udp4", Resolver: hosts("127.0.0.1")}
		defer client.Close()
		if _, err := client.Get(timeout(t), "coaps://"+host+port+"/"); err == nil {
			t.Errorf("%s: it got in", host)
		}
	}
	with := func(identity string) *security.Config {
		return &security.Config{ClientPSK: &keys.PSK{Identity: []byte(identity), Key: psk.Key}}
	}
	refused := "msg=\"" + LogHandshakeRefused + "\""
	try(with("only-a"), "127.0.0.1")
	s.wantLog(refused, "reason=unknown_identity", "identity=only-a", "elsewhere=a.example")
	try(with("only-default"), "b.example")
	s.wantLog(refused, "identity=only-default", "elsewhere=default", "nobody at the virtual host b.example has")
	try(with("two"), "127.0.0.1")
	s.wantLog(refused, "identity=two", "elsewhere=a.example,b.example")
	try(with("nowhere"), "127.0.0.1")
	s.wantLog(refused, "identity=nowhere")
	try(with("wrong"), "127.0.0.1")
	s.wantLog(refused, "identity=wrong", "reason=bad_psk")
	try(s.clientConfig(security.RawPublicKey), "127.0.0.1")
	s.wantLog(refused, "reason=rpk_not_pinned", "elsewhere=a.example")
	for line := range strings.Lines(s.log.String()) {
		if (strings.Contains(line, "identity=nowhere") || strings.Contains(line, "identity=wrong")) && strings.Contains(line, "elsewhere=") {
			t.Error(line)
		}
	}
}

// A store that does not answer keeps no line from the log for long, and many lines
// do not wait for it at all.
func TestElsewhereInAHurry(t *testing.T) {
	d := newDirectory()
	s := newStage(t, say, func(s *Server) {
		s.Security.Directory = d
		s.Security.Hosts = map[string]*security.Config{"a.example": {Directory: d}}
	})
	d.change(func(d *directory) {
		for _, name := range []string{"one", "two", "three", "four", "five", "six", "seven"} {
			d.cached["/"+name] = true
		}
		d.hangs = true
	})
	begun := time.Now()
	for _, name := range []string{"one", "two", "three", "four", "five", "six", "seven"} {
		psk := keys.PSK{Identity: []byte(name), Key: s.psk.Key}
		c := &Client{Security: &security.Config{ClientPSK: &psk}, Timers: hasty, Params: impatient}
		t.Cleanup(func() { c.Close() })
		go func() { _, _ = c.Get(timeout(t), s.secure+"/") }()
	}
	eventually(t, "a line for each", func() bool { return strings.Count(s.log.String(), "reason=unknown_identity") == 7 })
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the lines took %v", took)
	}
	eventually(t, "nothing that waits", func() bool { return s.server.refusals.Load() == 0 })
}
