// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry is what a server knows of its devices: "during the
// provisioning phase a device is provided with the security information that it
// needs, including keying materials and access control lists" (RFC 7252 §9). A
// Registry writes that into a store, for administrators. A Directory looks
// there whose a credential is, for handshakes.
//
// # What the store holds
//
//	key                          value
//	d/TENANT/NAME                a device, as JSON
//	g/TENANT/NAME                a group, as JSON
//	a/ID                         an access rule, as JSON (package acl)
//	i/psk/HOST/IDENTITY          index: whose pre-shared key
//	i/rpk/HOST/HASH              whose raw public key: 120 bits of SHA-256, hexadecimal
//	i/tok/HOST/HASH              whose token: SHA-256, hexadecimal
//	i/pin/HOST/ISSUER/HASH       whose certificate: by its key, as i/rpk,
//	i/uri/HOST/ISSUER/NAME       by a URI in the SubjectAltName,
//	i/dns/HOST/ISSUER/NAME       by a DNS name there,
//	i/eui/HOST/ISSUER/NAME       by an EUI-64 in the subject,
//	i/sub/HOST/ISSUER/NAME       by the whole subject
//
// TENANT is empty for devices of no tenant, HOST for the default virtual host,
// ISSUER for a certificate of any issuer. Each part is written with %XX for all
// octets but letters, digits and -._~:@+=, and one of more than 200 octets is
// "#" and its SHA-256. An index record holds the key of its owner, a
// space, and the ID of the credential. It is written in one Apply with its
// owner, always, so the two never disagree; a look-up believes the owner alone.
//
// A device, all fields but name optional:
//
//	{"name": "sensor-7", "tenant": "acme", "label": "north gate", "groups": ["sensors"],
//	 "disabled": true, "not-before": "2026-01-01T00:00:00Z", "not-after": "2027-01-01T00:00:00Z",
//	 "psk": [{"id": "1", "identity": "sensor-7", "key": "hex:0011…", "nodes": ["gateway-1"]}],
//	 "rpk": [{"id": "2", "name": "ni:///sha-256-120;…"}, {"id": "3", "key": "b64:MFkw…"}],
//	 "certificate": [{"id": "4", "uri": "urn:dev:7", "issuer": "CN=Acme CA"}],
//	 "token": [{"id": "5", "sha256": "…"}]}
//
// Each credential may have disabled, not-before, not-after, host and created
// too. A group has name, tenant, label, disabled and credentials. Names,
// identities and keys are compared octet for octet.
//
// # Who may have what
//
// A credential belongs to one device or group and one virtual host. The same
// identity, key or name under another owner is refused with *ConflictError. A
// key that more than two share is a group's: it proves membership, and nobody's
// own name (RFC 7252 §9). The octets of a pre-shared key under two identities
// are not refused, see Registry.SharedKeys.
package registry
