// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security/keys"
)

// bind is one pair of ports, or one half of it.
type bind struct {
	host          string // "" means every address
	plain, secure int    // -1: not served; plain 0: any free pair
	optional      bool   // may fail silently: ::1 on a machine without IPv6
}

const notServed = -1

// defaultBinds is this machine only.
var defaultBinds = []bind{
	{host: "127.0.0.1", plain: coap.DefaultPort, secure: coap.DefaultSecurePort},
	{host: "::1", plain: coap.DefaultPort, secure: coap.DefaultSecurePort, optional: true},
}

// parseBinds reads every --bind.
func parseBinds(cmd *cobra.Command, specs []string) ([]bind, error) {
	if len(specs) == 0 {
		return slices.Clone(defaultBinds), nil
	}
	var binds []bind
	for _, spec := range specs {
		b, err := parseBind(spec)
		if err != nil {
			return nil, usage(cmd, "--bind %q: %v", spec, err)
		}
		for i, other := range binds {
			if port, both := b.meets(other); both {
				return nil, usage(cmd, "--bind %q and --bind %q both ask for port %d of one address; ADDR:PORT has the port after it as well", specs[i], spec, port).
					try("name each port once: --bind coap://ADDR:PORT, --bind coaps://ADDR:PORT")
			}
		}
		binds = append(binds, b)
	}
	return binds, nil
}

// meets finds a port that two pairs cannot both have. Names are looked up as
// they are when the ports are opened; one that leads nowhere is told of then.
func (b bind) meets(other bind) (port int, both bool) {
	for _, port := range []int{b.plain, b.secure} {
		if port > 0 && (port == other.plain || port == other.secure) {
			return port, overlap(b.host, other.host)
		}
	}
	return 0, false
}

// overlap reports whether two hosts have an address in common.
func overlap(a, b string) bool {
	if a == b {
		return true
	}
	first, err := net.ResolveUDPAddr("udp", net.JoinHostPort(a, "1"))
	second, other := net.ResolveUDPAddr("udp", net.JoinHostPort(b, "1"))
	if err != nil || other != nil {
		return false
	}
	return first.IP.Equal(second.IP) && first.Zone == second.Zone || everyAddress(first.IP, second.IP) || everyAddress(second.IP, first.IP)
}

// everyAddress reports whether a stands for all addresses, among them b. The
// unspecified address of IPv6 takes IPv4 too.
func everyAddress(a, b net.IP) bool {
	return len(a) == 0 || a.IsUnspecified() && (a.To4() == nil || b.To4() != nil)
}

// parseBind reads ADDR, ADDR:PORT, :PORT, or a port named by its scheme.
func parseBind(spec string) (bind, error) {
	scheme, address, named := strings.Cut(spec, "://")
	if !named {
		scheme, address = "", spec
	}
	host, port, err := splitBind(strings.TrimSuffix(address, "/"))
	if err != nil {
		return bind{}, err
	}
	switch {
	case scheme == "coap":
		return bind{host: host, plain: orDefault(port, coap.DefaultPort), secure: notServed}, nil
	case scheme == "coaps":
		return bind{host: host, plain: notServed, secure: orDefault(port, coap.DefaultSecurePort)}, nil
	case named:
		return bind{}, fmt.Errorf("coap:// and coaps:// are the schemes")
	}
	port = orDefault(port, coap.DefaultPort)
	if port == 65535 {
		return bind{}, errors.New("there is no port 65536 for the secure side; name both with coap:// and coaps://")
	}
	b := bind{host: host, plain: port, secure: port + 1}
	if port == 0 {
		b.secure = 0
	}
	return b, nil
}

func orDefault(port, standard int) int {
	if port == notServed {
		return standard
	}
	return port
}

// splitBind returns port notServed when none is given.
func splitBind(address string) (host string, port int, err error) {
	bare := address
	if strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]") {
		bare = bare[1 : len(bare)-1]
	}
	if _, err := netip.ParseAddr(bare); err == nil {
		return bare, notServed, nil
	}
	if !strings.Contains(address, ":") && address != "" {
		return address, notServed, nil
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, errors.New("ADDR, ADDR:PORT or :PORT is needed")
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, errors.New("the port is a number from 0 to 65535")
	}
	return host, int(number), nil
}

// settle replaces port 0 by a pair that is free now, because the
// demonstration's certificate names the port.
func settle(binds []bind) error {
	for i, b := range binds {
		if b.plain != 0 && b.secure != 0 {
			continue
		}
		var err error
		if binds[i], err = b.free(); err != nil {
			return b.failure(err)
		}
	}
	return nil
}

// pairAttempts is how often a free pair of neighbouring ports is looked for.
const pairAttempts = 64

// free asks the system for a port and looks whether the next one is free too.
func (b bind) free() (bind, error) {
	var last error
	for range pairAttempts {
		first, err := net.ListenPacket("udp", net.JoinHostPort(b.host, "0"))
		if err != nil {
			return b, err
		}
		port := first.LocalAddr().(*net.UDPAddr).Port
		_ = first.Close()
		if b.plain == notServed || b.secure == notServed {
			return b.single(port), nil
		}
		second, err := net.ListenPacket("udp", net.JoinHostPort(b.host, strconv.Itoa(port+1)))
		if err == nil {
			_ = second.Close()
			b.plain, b.secure = port, port+1
			return b, nil
		}
		last = err
	}
	return b, last
}

// single sets the one port that is served.
func (b bind) single(port int) bind {
	if b.plain == notServed {
		b.secure = port
	} else {
		b.plain = port
	}
	return b
}

// authorities are the names that a demonstration certificate must be good for.
func authorities(binds []bind) []keys.Authority {
	var all []keys.Authority
	for _, b := range binds {
		if b.secure == notServed {
			continue
		}
		for _, host := range append([]string{"localhost", "127.0.0.1", "::1"}, b.host) {
			a := keys.Authority{Host: host, Port: uint16(b.secure)}
			if a.Check() == nil && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	if len(all) == 0 {
		return []keys.Authority{{Host: "localhost"}}
	}
	return all
}

// listenAll opens every pair; all or nothing, apart from the optional ones.
func listenAll(binds []bind, newServer func() *coaps.Server) ([]*coaps.Server, error) {
	var servers []*coaps.Server
	for _, b := range binds {
		one, err := b.open(newServer)
		if err != nil && b.optional && !errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			for _, open := range servers {
				_ = open.Close()
			}
			return nil, b.failure(err)
		}
		servers = append(servers, one)
	}
	return servers, nil
}

// open listens on exactly these ports.
func (b bind) open(newServer func() *coaps.Server) (*coaps.Server, error) {
	one := newServer()
	if b.plain == notServed {
		one.NoSec = false
	} else {
		one.Addr = net.JoinHostPort(b.host, strconv.Itoa(b.plain))
	}
	if b.secure == notServed {
		one.Security = nil
	} else {
		one.SecureAddr = net.JoinHostPort(b.host, strconv.Itoa(b.secure))
	}
	return one, one.Listen()
}

// String is the pair as a person writes it.
func (b bind) String() string {
	switch {
	case b.plain == notServed:
		return "coaps://" + net.JoinHostPort(b.host, strconv.Itoa(b.secure))
	case b.secure == notServed:
		return "coap://" + net.JoinHostPort(b.host, strconv.Itoa(b.plain))
	}
	return fmt.Sprintf("%s and %d", net.JoinHostPort(b.host, strconv.Itoa(b.plain)), b.secure)
}

// failure names why a port could not be had.
func (b bind) failure(err error) *failure {
	f := fail("setup", "cannot listen on "+b.String(), "%v", err).because(err)
	explainSocket(f, err)
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		f.reason, f.detail = "not_resolved", dns.Err
		f.try("an address of this machine: ip addr lists them")
	}
	return f
}
