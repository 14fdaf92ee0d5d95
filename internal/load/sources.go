// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// sources are the prefixes in force. On the loopback of IPv4 every address of
// 127.0.0.0/8 is ours without anybody's leave.
func (c *Config) sources() []netip.Prefix {
	v4 := c.Server.Addr().Unmap()
	if len(c.Sources) == 0 && v4.Is4() && v4.IsLoopback() {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	return c.Sources
}

// An addressBook gives each client an address. Neighbours are in different
// /24, as servers limit what one prefix may begin.
type addressBook struct {
	prefixes []netip.Prefix
	sizes    []uint64 // usable addresses in each
	total    uint64
}

func newAddressBook(prefixes []netip.Prefix) (*addressBook, error) {
	b := &addressBook{prefixes: prefixes}
	for _, p := range prefixes {
		if !p.IsValid() || !p.Addr().Is4() {
			return nil, fmt.Errorf("load: source addresses come from IPv4 prefixes, not %v", p)
		}
		n := usable(p)
		b.sizes, b.total = append(b.sizes, n), b.total+n
	}
	return b, nil
}

// usable is how many addresses of a prefix can be a host's. Of each /24 the
// first and the last are left out, and of a larger one its first /24, where
// servers of this machine are.
func usable(p netip.Prefix) uint64 {
	host := 32 - p.Bits()
	switch {
	case host == 0:
		return 1
	case host < 8:
		return uint64(max(1<<host-2, 1))
	case host == 8:
		return 254
	}
	return (1<<(host-8) - 1) * 254
}

// at is the address of client i.
func (b *addressBook) at(i int) netip.Addr {
	n := uint64(i)
	for k, size := range b.sizes {
		if n < size {
			return address(b.prefixes[k], n)
		}
		n -= size
	}
	return netip.Addr{}
}

func address(p netip.Prefix, n uint64) netip.Addr {
	base := p.Masked().Addr().As4()
	host := 32 - p.Bits()
	var offset uint64
	switch {
	case host == 0:
	case host <= 8:
		offset = n + 1
	default:
		nets := uint64(1)<<(host-8) - 1
		offset = (n%nets+1)<<8 | (n/nets + 1)
	}
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+uint32(offset))
	return netip.AddrFrom4(a)
}
