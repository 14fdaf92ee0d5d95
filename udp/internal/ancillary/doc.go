// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ancillary is what Linux says beside a datagram: the address it was
// sent to, the interface it came by, and the ICMP errors that others came back
// as. The socket packages share it, so that they say the same. There is
// nothing in it for other systems.
package ancillary
