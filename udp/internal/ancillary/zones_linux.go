// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ancillary

import (
	"net"
	"slices"
	"strconv"
	"time"
)

const (
	// zoneLife is how long the name of an interface is believed.
	zoneLife = time.Minute

	// maxZones bounds how many are remembered. Names come from the application
	// and indices from the kernel, never from the network.
	maxZones = 64
)

// Zones remembers the names of interfaces, which are asked of the system once a
// minute instead of with each link-local datagram. It is not for concurrent use;
// the zero value is ready.
type Zones struct{ known []zone }

type zone struct {
	index uint32
	name  string
	until time.Time
}

// Name is the zone of an interface (RFC 4007 section 11.2): its name, or its
// number when it has none. No interface has no zone.
func (z *Zones) Name(index uint32) string {
	if index == 0 {
		return ""
	}
	if k := z.find(func(k *zone) bool { return k.index == index }); k != nil {
		return k.name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	z.remember(index, name)
	return name
}

// Index is the interface of a zone, 0 if there is none.
func (z *Zones) Index(name string) uint32 {
	if name == "" {
		return 0
	}
	if k := z.find(func(k *zone) bool { return k.name == name }); k != nil {
		return k.index
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		number, _ := strconv.ParseUint(name, 10, 32)
		return uint32(number)
	}
	z.remember(uint32(i.Index), name)
	return uint32(i.Index)
}

func (z *Zones) find(match func(*zone) bool) *zone {
	for i := range z.known {
		if k := &z.known[i]; match(k) && time.Now().Before(k.until) {
			return k
		}
	}
	return nil
}

func (z *Zones) remember(index uint32, name string) {
	z.known = slices.DeleteFunc(z.known, func(k zone) bool { return k.index == index || k.name == name })
	if len(z.known) == maxZones {
		z.known = z.known[:0]
	}
	z.known = append(z.known, zone{index, name, time.Now().Add(zoneLife)})
}
