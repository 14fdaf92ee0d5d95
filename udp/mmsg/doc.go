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
// A [Conn] is one socket, [ListenGroup] makes several for the event loops of one
// server, and a [Fan] is many that a load generator uses as one.
//
// # What it costs
//
// With 64 peers that each have a small request on its way, 95 % of a server's
// processor time is within the two system calls, most of it in the one that
// sends: on the loopback that is also where the datagram is delivered. What is
// ours, addresses and control messages read and written, is about 0.1 µs of 5 to
// 9 µs (BenchmarkBatch, BenchmarkEcho). The runtime, too, had its part, until it
// was no longer told of calls that do not wait. A socket bound to all addresses of
// both families costs some 5 % more than one that is bound to a single one; for
// the sockets of a Fan neither sendto(2) nor connect(2) saves anything.
//
// A Fan makes a recvmmsg, a sendmmsg and, over 64 sockets, a fortieth of an
// epoll_pwait for an answer and the next question, 7 µs beside the 5.5 of the echo
// that answers; one socket that sends from as many addresses takes 5
// (BenchmarkClients).
//
// # What it does not do
//
// The counterpart of UDP_SEGMENT for receiving, UDP_GRO, is not asked for. It
// hands over a run of datagrams from one peer as one: measured with runs of 16
// that had been sent as one, it halves what receiving costs (60 bytes: 1.2 to
// 0.5 µs a datagram, 1,024 bytes: 2.1 to 1.0). But there are no such runs: a CoAP
// peer waits for the answer before it sends the next request or block (NSTART,
// RFC 7252 section 4.7), and different peers are never joined. It would take
// buffers of 64 KiB each instead of 2, and a copy for each datagram, or another
// Conn.
//
// On other systems the package is empty.
package mmsg
