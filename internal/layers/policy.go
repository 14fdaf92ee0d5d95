// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package layers holds the project's import rules and house rules, and the
// tests that enforce them. Nothing imports it; it exists to fail.
package layers

// policy is a statement of who may build on whom. A rule `a < b` says that b
// may import a and, because the order is transitive, all that a may import.
// What no rule allows is forbidden, and a package that no rule names fails the
// test, so that a newcomer finds its place here first. `a !< b` says that b
// must not import a, whether a is a package of ours or of the standard
// library; for ours it holds across all steps, for the rest it means the
// import clause itself. `NAME = ...` gives a name to a set. Folders that do not
// exist yet may be named.
//
// The two wings, dtls on one side and coap, message, request on the other, do
// not know each other: they meet in endpoint.
const policy = `
# No package of ours below these.
NONE < tick, coap, internal/slab, internal/ring, internal/linear;

coap < coap/link;

tick < udp, internal/wheel, dtls/internal/wire;

NONE < dtls/internal/pack < dtls/internal/record;

# The engine, from octets to a session.
dtls/internal/wire
< dtls/internal/suite
< dtls/internal/record
< dtls/internal/flight
< dtls/internal/hs
< dtls/internal/v12
< dtls;

# Messages (RFC 7252 section 4) and requests (section 5).
coap, tick, internal/slab, internal/linear < message < request;

# Who observes what (RFC 7641), as data.
tick, internal/slab < observe;

# What a peer shows and what it has proved.
dtls < security/keys < security;
NONE < security/internal/unverified < security;
security < security/insecure;

# Who may do what.
coap < security/acl;

# All peers of one socket: the layers joined.
udp, internal/wheel, dtls, request < endpoint;
udp < udp/internal/ancillary < udp/portable, udp/mmsg;
internal/ring < udp/mmsg, internal/load;

# Goroutines, sockets and the clock begin here.
coap/link, endpoint, observe, security, security/keys, security/acl, udp/portable, udp/mmsg < coaps;

# What a server is provisioned with, and where it is kept.
NONE < store;
store < store/storetest;
NONE < store/redis/redistest, internal/testlog;
store < store/memory, store/file, store/bolt, store/redis, store/sealed;
store, security, security/keys, security/acl < security/registry;

# The server that a configuration describes, and its command.
coaps, security/registry, store/memory, store/file, store/bolt, store/redis, store/sealed < gateway;
security/registry < internal/foreign;
security/keys < internal/cosekey < cmd/coaps;
gateway, internal/foreign < cmd/coaps;

# What a server shows, configured or not.
coaps < internal/resource < gateway;

# Many clients in one process.
endpoint, security, security/keys, udp/portable, udp/mmsg < internal/load;

internal/resource, internal/load, security/insecure < cmd/coaps;

# What a handshake takes, measured before a device finds out.
dtls < internal/flightsize < cmd/coaps;

# Machinery of the tests. It may be imported by tests alone.
dtls, endpoint, security < internal/sim;
coaps, security/insecure, udp/portable < internal/interop;
udp < udp/udptest;

# What servers are compared with.
udp < internal/echo;
NONE < internal/layers, internal/conformance;
dtls, endpoint < internal/perf/instructions;
NONE < internal/perf;
coaps, internal/load, internal/echo, internal/perf < internal/perf/bench;
internal/conformance < internal/conformance/extract;

PURE = tick, coap, coap/link, message, request,
       dtls/internal/pack, dtls/internal/wire, dtls/internal/suite, dtls/internal/record,
       dtls/internal/flight, dtls/internal/hs, dtls/internal/v12, dtls,
       internal/slab, internal/linear, internal/wheel, observe, endpoint, security/acl;

# The engine has no socket, file, lock, logger or randomness of its own.
net, net/http, os, os/exec, io/ioutil, sync, sync/atomic, context,
log, log/slog, crypto/rand, runtime, syscall !< PURE;

# Nothing but the machine's own interface may need these.
C, unsafe !< PURE, security, security/keys, coaps, cmd/coaps;

# The wings do not know each other.
message, request, coap !< dtls;
dtls !< coap, message, request;

# What only a test or a debugging person may do stays out of the library.
security/insecure !< coaps;
`
