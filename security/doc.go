// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package security is the four security modes of RFC 7252 §9: NoSec,
// PreSharedKey, RawPublicKey and Certificate.
//
// A Config says what a node has been provisioned with: what it shows, and whom
// it believes. For a role it becomes a Policy, which answers what DTLS sessions
// ask, and in the end says who the peer is: an Identity, which nothing else can
// make.
//
//	config := &security.Config{RawKey: key, Pins: pins}
//	policy, err := config.Client(keys.Authority{Host: "sensor.example"})
//
// # What a server needs
//
//	mode          it shows            it believes
//	PreSharedKey  PSK, Directory      who has the key
//	RawPublicKey  RawKey              Pins, Directory
//	Certificate   Chains, ChainsFor   Trust
//
// All of them can be had at once, on one port, and the two ends of a session
// may differ: a server with a certificate believes a client with a raw key. The
// cipher suite and the certificate types that both ends take decide; see
// package dtls for the order.
//
// A Directory knows devices: their keys, and whose a raw public key or a
// certificate is. Package registry has one that looks into a store. The Policy
// is asked by a Question, which has a part that is answered from memory and one
// that may wait; its Answer names a Principal, which becomes part of the
// Identity. A credential that is disabled, or whose time is over, is refused
// with a reason for the operator; a client with a pre-shared key cannot tell
// that from an identity that nobody has.
//
// Hosts are virtual hosts, chosen by the name that the client asks for (RFC
// 6066 §3), each with its own of all this.
//
// # What a client needs
//
//	the server has         the client needs
//	the pre-shared key     ClientPSK or ClientPSKFor
//	a raw public key       Pins, and its own RawKey or Chains
//	a certificate          Trust and the host, or Trust and Pins; and its own RawKey or Chains
//
// # What cannot be turned off
//
// There is no field that skips verification. A server that shows nothing does
// not start, nor does a client that would believe anybody or compare nothing,
// and short pre-shared keys are refused unless AllowWeakPSK says otherwise. What
// a person at a keyboard may need in spite of it is in package insecure.
package security
