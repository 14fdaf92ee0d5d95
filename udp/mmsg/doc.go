// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mmsg is UDP on Linux's recvmmsg(2) and sendmmsg(2): up to 64
// datagrams a system call, in the buffers of the caller, without allocating.
// Consecutive datagrams of one size to one peer leave as one packet that the
// kernel or the network card cuts up (UDP_SEGMENT, generic segmentation
// offload). In all else it does what package portable does: it waits in the
// runtime's network poller, answers leave from the address their question came
// to, and ICMP errors are reported with the destination they are about.
//
// On other systems the package is empty.
package mmsg
