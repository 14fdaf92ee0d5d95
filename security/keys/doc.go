// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package keys is the credentials of the security modes of RFC 7252 §9.1.3:
// how they are made, named, read from files, written, and judged.
//
// # Pre-shared keys (§9.1.3.1)
//
// A PSK is a key and the identity it goes by, both byte strings. A server finds
// them in a PSKSource, such as a PSKMap filled from a file of GnuTLS's psktool
// (ParsePSKFile).
//
// # Raw public keys (§9.1.3.2)
//
// A raw public key is a SubjectPublicKeyInfo in DER. It is known by its Name,
// the hash of RFC 6920, which ParseName reads in any form: the ni URI, the nih
// form that can be read out on the telephone, the binary form, and the
// fingerprints of curl and ssh. Forms lists them for a key. Pins is the set of
// keys that a node believes.
//
// # Certificates (§9.1.3.3)
//
// Trust is the list of root trust anchors. It validates chains and compares the
// Authority that a client wants to reach with what the certificate says. CA is
// a small certification authority: it issues what a Leaf says, signs requests
// (ParseRequest) and makes revocation lists.
//
// What was issued can be taken back: a Trust is given revocation lists
// (ParseCRLs, Trust.WithCRLs), and checks the OCSP response that a server shows
// beside its chain, where Staple keeps it fresh. Nobody is asked over the network
// while a handshake waits.
//
// # Files
//
// Keys are P-256, P-384, Ed25519 or RSA, in PKCS#8, SEC 1 or PKCS#1, as PEM or
// DER, or JSON Web Keys (ParsePrivateKey). Parts are their numbers, for other
// forms, such as the C arrays of firmware (CArray). Files with secrets are written with mode 0600, and not
// read if others than their owner could have read them (ReadSecretFile). A
// Secret does not print.
package keys
