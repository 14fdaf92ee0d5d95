// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package coaps is secure CoAP in the manner of net/http: a Server, a Client
// and a Mux for RFC 7252, with all four security modes of its section 9.
//
//	mux := coaps.NewMux()
//	mux.HandleFunc("GET /hello", func(w coaps.ResponseWriter, r *coaps.Request) {
//		fmt.Fprintf(w, "hello %s", r.Peer.Identity.Name())
//	})
//	server := &coaps.Server{Security: &security.Config{PSK: psks}, Handler: mux}
//	log.Fatal(server.ListenAndServe(ctx))
//
//	client := &coaps.Client{Security: &security.Config{ClientPSK: &psk}}
//	response, err := client.Get(ctx, "coaps://device.example/hello")
//
// A resource that changes is Observable on the server, which says so by Notify,
// and is followed by Client.Observe (RFC 7641).
//
// # The way of a datagram
//
// Each socket has one goroutine, the event loop in loop.go, and an
// endpoint.Endpoint that only this goroutine touches. No lock is taken and
// nothing is allocated for a datagram on its way up and down; a session costs
// no goroutine and no timer of the runtime's.
//
//	udp.Conn.Recv          a batch of datagrams, in buffers of the loop's
//	  endpoint.Receive     whose is it? an address has a peer, or begins one
//	    dtls.Gate          unknown: dropped, answered by a cookie, or admitted
//	    dtls.Session       the record is opened where it lies
//	    message.Link       a duplicate gets its old answer, ACK and RST settle
//	    request.Table      a response completes its exchange
//	  endpoint.Next        what is left is an event: a request, a response, an end
//	    access.go          may whoever asks do that?
//	    Mux, Handler       on a worker, or on the loop if marked Inline
//	  endpoint.Respond     the answer goes into the exchange it belongs to
//	  endpoint.Transmit    exchanges, messages and records fill outgoing buffers
//	udp.Conn.Send          a batch of datagrams
//
// Other goroutines reach the loop by its mailbox: callers of a Client with
// their requests, workers with their responses, key workers with signatures and
// verdicts. A letter rings by moving the socket's read deadline into the past,
// which ends the loop's wait. The next deadline of all retransmissions,
// handshakes and idle peers is the read deadline at rest.
//
// # Who may do what
//
// Who a peer is comes from its handshake: from the keys in a security.Config, or
// from a Directory, which may have to look into a store. That holds up only the
// handshake concerned. The answer stays with the session, however long that
// sleeps. Server.Access then says what each may do, before a handler is looked
// for. All of it can change while the server serves (SetSecurity, SetAccess,
// SetHandler); Recheck has sessions looked at again, and OnRevoke says what
// becomes of those whose credential is not good any more.
//
// # Observers of a server
//
// Who observes is a few numbers in a list of its shard (observers.go, package
// observe), whether its session is awake or not. A notification is its request made
// again: the same decision, the same handler, the same pool (notification.go). There
// is at most one under way to each observer, and the newest state wins. What ends
// somebody's right to see a resource ends that he observes it (departure.go).
//
// # Observations of a client
//
// All who observe the same resource share one registration, and one goroutine that
// keeps it: it registers again when Max-Age has passed in silence, makes a new
// session when the old one is lost, and takes the client off the server's list in
// the end. Notifications come from the event loop, which judges their order and
// waits for no reader: an Observation keeps the newest few.
//
// # What is bounded
//
// Whatever the network can make this package hold has a limit in
// endpoint.Limits or limits.go, and a counter in Stats for what the limit
// refused. Handlers run on at most Server.Workers goroutines for each port; more
// requests than their queue holds are answered by 5.03 with Max-Age.
//
// # What is not here
//
// Block-wise transfer (RFC 7959), requests to multicast groups, and proxies. A
// message that does not fit into one datagram is refused by name.
package coaps
