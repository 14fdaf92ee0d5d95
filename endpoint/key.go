// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"encoding/binary"
	"net/netip"
)

// A key is the pair of addresses that a peer is found by, without pointers: 16
// bytes of the remote address and 16 of the local one, IPv4 as IPv4-mapped, the
// remote port, and a number for the zone of each. The local address is zero in a
// peer that was connected without one, which any local address finds.
type key [16 + 16 + 2 + 2]byte

const (
	keyLocal = 16
	keyPort  = 32
	keyZones = 34
)

func (k *key) anyLocal() bool { return [16]byte(k[keyLocal:keyPort]) == [16]byte{} }

func (k *key) forgetLocal() {
	clear(k[keyLocal:keyPort])
	k[keyZones+1] = 0
}

// zones numbers the zones of link-local IPv6 addresses, which are names of the
// host's interfaces: there are few, and no datagram can invent one.
type zones struct {
	names []string // number 1 and up
}

// maxZones is how many are told apart.
const maxZones = 255

// number returns that of a zone. It reports false if the zone has none, and,
// with admit, none is left.
func (z *zones) number(name string, admit bool) (byte, bool) {
	if name == "" {
		return 0, true
	}
	for i, known := range z.names {
		if known == name {
			return byte(i + 1), true
		}
	}
	if !admit || len(z.names) == maxZones {
		return 0, false
	}
	z.names = append(z.names, name)
	return byte(len(z.names)), true
}

// key makes a key. It reports false if a zone is not known and must not be
// admitted.
func (z *zones) key(remote netip.AddrPort, local netip.Addr, admit bool) (k key, ok bool) {
	a := remote.Addr()
	*(*[16]byte)(k[:]) = a.As16()
	if !local.IsUnspecified() {
		*(*[16]byte)(k[keyLocal:]) = local.As16()
	}
	binary.BigEndian.PutUint16(k[keyPort:], remote.Port())
	if a.Is4() && (local.Is4() || !local.IsValid()) {
		return k, true
	}
	if a.Zone() == "" && local.Zone() == "" {
		return k, true
	}
	zone, ok := z.number(a.Zone(), admit)
	localZone, localOK := z.number(local.Zone(), admit)
	k[keyZones], k[keyZones+1] = zone, localZone
	return k, ok && localOK
}

// remote is the peer's address.
func (z *zones) remote(k *key) netip.AddrPort {
	return netip.AddrPortFrom(z.addr(k[:16], k[keyZones]), binary.BigEndian.Uint16(k[keyPort:]))
}

// local is our own, the zero Addr if the system chooses.
func (z *zones) local(k *key) netip.Addr {
	if k.anyLocal() {
		return netip.Addr{}
	}
	return z.addr(k[keyLocal:keyPort], k[keyZones+1])
}

func (z *zones) addr(b []byte, zone byte) netip.Addr {
	if binary.BigEndian.Uint64(b) == 0 && binary.BigEndian.Uint32(b[8:]) == 0xFFFF {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	a := netip.AddrFrom16([16]byte(b))
	if zone != 0 {
		return a.WithZone(z.names[zone-1])
	}
	return a
}
