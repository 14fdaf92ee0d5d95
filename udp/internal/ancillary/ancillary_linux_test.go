// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ancillary

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control makes a control message as the kernel would.
func control(level, kind int32, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

// octets is a structure of the kernel's, field by field.
func octets(fields ...any) (b []byte) {
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			b = append(b, netip.MustParseAddr(f).AsSlice()...)
		case uint32:
			b = binary.NativeEndian.AppendUint32(b, f)
		case uint8:
			b = append(b, f)
		}
	}
	return b
}

// loopback is the index and the name of that interface.
const loopbackIndex, loopbackName = uint32(1), "lo"

func TestDestination(t *testing.T) {
	other := control(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, octets(uint32(7)))
	for _, tt := range []struct {
		name    string
		control []byte
		want    string
	}{
		{"IPv4", control(unix.SOL_IP, unix.IP_PKTINFO, octets(uint32(1), "127.0.0.1", "127.0.0.2")), "127.0.0.1"},
		{"broadcast", control(unix.SOL_IP, unix.IP_PKTINFO, octets(uint32(2), "192.0.2.1", "192.0.2.255")), "192.0.2.1"},
		{"multicast", control(unix.SOL_IP, unix.IP_PKTINFO, octets(uint32(2), "192.0.2.1", "224.0.1.187")), "224.0.1.187"},
		{"IPv6", control(unix.SOL_IPV6, unix.IPV6_PKTINFO, octets("2001:db8::1", uint32(2))), "2001:db8::1"},
		{"mapped", control(unix.SOL_IPV6, unix.IPV6_PKTINFO, octets("::ffff:192.0.2.1", uint32(2))), "192.0.2.1"},
		{"link-local", control(unix.SOL_IPV6, unix.IPV6_PKTINFO, octets("fe80::1", loopbackIndex)), "fe80::1%" + loopbackName},
		{"behind another message", append(other, control(unix.SOL_IP, unix.IP_PKTINFO, octets(uint32(1), "127.0.0.1", "127.0.0.1"))...), "127.0.0.1"},
		{"another message", other, "invalid IP"},
		{"none", nil, "invalid IP"},
		{"cut off", control(unix.SOL_IPV6, unix.IPV6_PKTINFO, octets("2001:db8::1", uint32(2)))[:20], "invalid IP"},
		{"too short", control(unix.SOL_IP, unix.IP_PKTINFO, octets(uint32(1), "127.0.0.1")), "invalid IP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Destination(tt.control, new(Zones)).String(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestSource(t *testing.T) {
	for _, tt := range []struct {
		v6         bool
		from, want string
	}{
		{false, "192.0.2.1", "192.0.2.1"},
		{false, "::ffff:192.0.2.1", "192.0.2.1"},
		{false, "2001:db8::1", ""},
		{true, "192.0.2.1", "192.0.2.1"},
		{true, "2001:db8::1", "2001:db8::1"},
		{true, "fe80::1%" + loopbackName, "fe80::1%" + loopbackName},
	} {
		source := NewSource(tt.v6)
		room := make([]byte, 64)
		source.Put(room, netip.MustParseAddr("fe80::2%"+loopbackName), new(Zones)) // leaves nothing behind
		message := room[:source.Put(room, netip.MustParseAddr(tt.from), new(Zones))]
		if len(message) == 0 && tt.want == "" {
			continue
		}
		if got := Destination(message, new(Zones)).String(); got != tt.want {
			t.Errorf("from %s: %s", tt.from, got)
		}
	}
}

func TestPutIPv6(t *testing.T) {
	for _, a := range []string{"192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%lo", "::"} {
		addr, b := netip.MustParseAddr(a), []byte("................+")
		PutIPv6(b, addr)
		if want := addr.As16(); string(b) != string(want[:])+"+" {
			t.Errorf("%s: % x", a, b)
		}
	}
}

// TestICMPError: what the kernel queues and what of it says that a datagram has
// not arrived.
func TestICMPError(t *testing.T) {
	extended := func(errno unix.Errno, origin uint8) []byte {
		return octets(uint32(errno), origin, uint8(3), uint8(3), uint8(0), uint32(0), uint32(0))
	}
	for _, tt := range []struct {
		name    string
		control []byte
		want    unix.Errno
		ok      bool
	}{
		{"IPv4", control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.ECONNREFUSED, unix.SO_EE_ORIGIN_ICMP)), unix.ECONNREFUSED, true},
		{"IPv6", control(unix.SOL_IPV6, unix.IPV6_RECVERR, extended(unix.EACCES, unix.SO_EE_ORIGIN_ICMP6)), unix.EACCES, true},
		{"of this machine", control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.EHOSTUNREACH, unix.SO_EE_ORIGIN_LOCAL)), unix.EHOSTUNREACH, false},
		{"a smaller packet, please", control(unix.SOL_IP, unix.IP_RECVERR, extended(unix.EMSGSIZE, unix.SO_EE_ORIGIN_ICMP)), unix.EMSGSIZE, false},
		{"another message", control(unix.SOL_IP, unix.IP_TTL, octets(uint32(64))), 0, false},
		{"too short", control(unix.SOL_IP, unix.IP_RECVERR, octets(uint32(111))), 0, false},
		{"none", nil, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if errno, ok := icmpError(tt.control); errno != tt.want || ok != tt.ok {
				t.Errorf("%v, %v, want %v, %v", errno, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestMayBeOld(t *testing.T) {
	if !IsLoss(os.NewSyscallError("sendmsg", unix.ENOBUFS)) || IsLoss(unix.EPERM) || IsLoss(nil) {
		t.Error("ENOBUFS, and nothing else, is a loss")
	}
	for err, want := range map[error]bool{
		unix.ECONNREFUSED: true, os.NewSyscallError("sendmsg", unix.EHOSTUNREACH): true, unix.EMSGSIZE: true,
		unix.EPERM: false, unix.ENOBUFS: false, unix.EINVAL: false, os.ErrDeadlineExceeded: false, nil: false,
	} {
		if got := MayBeOld(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestZones(t *testing.T) {
	var z Zones
	for range 2 { // from the system, from memory
		if z.Name(0) != "" || z.Index("") != 0 {
			t.Error("no interface is no zone")
		}
		if name, index := z.Name(loopbackIndex), z.Index(loopbackName); name != loopbackName || index != loopbackIndex {
			t.Errorf("%q and %d, want %q and %d", name, index, loopbackName, loopbackIndex)
		}
		if name, index := z.Name(4_000_000_000), z.Index("4000000000"); name != "4000000000" || index != 4_000_000_000 {
			t.Errorf("without an interface: %q and %d", name, index)
		}
		if n := z.Index("no such interface"); n != 0 {
			t.Errorf("no such interface is number %d", n)
		}
	}
	for i := range uint32(3 * maxZones) {
		z.remember(i+100, fmt.Sprint("x", i))
	}
	if len(z.known) > maxZones {
		t.Errorf("%d are remembered", len(z.known))
	}
}

// Errors that come without end are reported up to a number, and then dropped.
func TestErrorQueueIsBounded(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ReportICMP(fd)
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20); receiveBuffer(fd) < 2*maxErrors*1024 {
		t.Skip("the receive buffer does not hold so many")
	}
	nobody := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 9} // discard
	var q ErrorQueue
	fetch := func() (n int) {
		for q.Next(fd, new(Zones)) != nil {
			n++
		}
		return n
	}
	refuse := func(n int) {
		for range 2 * n { // every other send only fetches the error of the one before
			unix.Sendto(fd, []byte("x"), 0, nobody)
		}
	}
	if refuse(1); fetch() == 0 {
		t.Skip("something listens on port 9")
	}
	refuse(maxErrors / 2)
	if n := fetch(); n < maxErrors/2 {
		t.Errorf("%d of %d reported", n, maxErrors/2)
	}
	refuse(2 * maxErrors)
	if n, left := fetch(), fetch(); n != maxErrors || left != 0 {
		t.Errorf("%d reported, then %d, want %d and none", n, left, maxErrors)
	}
	if refuse(1); fetch() == 0 {
		t.Error("nothing is reported any more")
	}
}

func receiveBuffer(fd int) int {
	n, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return n
}
