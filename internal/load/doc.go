// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package load is a load generator: it emulates many clients of one CoAP
// server, or of a UDP echo, in one process, over the same engine as the
// library's own client and server.
//
// A run has one or more event loops. Each owns a udp.Conn, an
// endpoint.Endpoint and its share of the clients; a client is a session from
// an address of its own and a few bytes beside it. A request goes
//
//	DOWN    pacer          who is next, and since when it was due
//	        Endpoint.Request, Endpoint.Transmit, udp Conn.Send
//	UP      udp Conn.Recv, Endpoint.Receive, Endpoint.Next
//	        tally          latency from when it was due, failures by reason
//
// Nothing on that way allocates, looks into a map or waits for another
// goroutine. What is counted leaves a loop twice a second.
package load
