// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/tls"
	"strings"
	"testing"
)

// Suites that crypto/tls knows have the name that it gives them.
func TestSuitesAgainstCryptoTLS(t *testing.T) {
	n := 0
	for id, name := range suiteNames {
		other := tls.CipherSuiteName(uint16(id))
		if strings.HasPrefix(other, "0x") {
			continue // crypto/tls does not know it
		}
		n++
		if other != name {
			t.Errorf("suite %#04x is %s, and %s in crypto/tls", uint16(id), name, other)
		}
	}
	// ECDHE_ECDSA and ECDHE_RSA with AES-GCM and ChaCha20.
	if n != 6 {
		t.Errorf("crypto/tls knows %d of the suites, want 6", n)
	}
}

// Suites that crypto/tls does not know have the octets of their RFCs.
//
// Proves rfc6655 §4: "The following ciphersuites are defined:"
func TestSuitesAgainstRFCs(t *testing.T) {
	want := map[string][2]byte{
		"TLS_PSK_WITH_AES_128_CCM": {0xC0, 0xA4}, "TLS_PSK_WITH_AES_256_CCM": {0xC0, 0xA5},
		"TLS_PSK_WITH_AES_128_CCM_8": {0xC0, 0xA8}, "TLS_PSK_WITH_AES_256_CCM_8": {0xC0, 0xA9},
		"TLS_ECDHE_ECDSA_WITH_AES_128_CCM": {0xC0, 0xAC}, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM": {0xC0, 0xAD},
		"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8": {0xC0, 0xAE}, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8": {0xC0, 0xAF},
		"TLS_PSK_WITH_AES_128_GCM_SHA256": {0x00, 0xA8}, "TLS_PSK_WITH_AES_256_GCM_SHA384": {0x00, 0xA9}, // RFC 5487
		"TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256": {0xD0, 0x01}, "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384": {0xD0, 0x02}, // RFC 8442
		"TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256": {0xD0, 0x03}, "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256": {0xD0, 0x05},
		"TLS_PSK_WITH_CHACHA20_POLY1305_SHA256":       {0xCC, 0xAB}, // RFC 7905
		"TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256": {0xCC, 0xAC},
		"TLS_EMPTY_RENEGOTIATION_INFO_SCSV":           {0x00, 0xFF}, // RFC 5746 §3.3
	}
	for id, name := range suiteNames {
		if octets, ok := want[name]; ok {
			if got := [2]byte{byte(id >> 8), byte(id)}; got != octets {
				t.Errorf("%s is %x, want %x", name, got, octets)
			}
			delete(want, name)
		} else if strings.HasPrefix(tls.CipherSuiteName(uint16(id)), "0x") {
			t.Errorf("%s has no second source", name)
		}
		if id.String() != name {
			t.Errorf("%s prints as %s", name, id)
		}
	}
	for name := range want {
		t.Errorf("%s has no code point", name)
	}
}

// Groups, schemes and versions against crypto/tls.
func TestCodePointsAgainstCryptoTLS(t *testing.T) {
	for ours, theirs := range map[Group]tls.CurveID{GroupSecp256r1: tls.CurveP256, GroupSecp384r1: tls.CurveP384, GroupX25519: tls.X25519} {
		if uint16(ours) != uint16(theirs) {
			t.Errorf("group %v is %d, and %d in crypto/tls", ours, ours, theirs)
		}
	}
	schemes := map[SignatureScheme]tls.SignatureScheme{
		SchemeRSAPKCS1SHA256: tls.PKCS1WithSHA256, SchemeRSAPKCS1SHA384: tls.PKCS1WithSHA384, SchemeRSAPKCS1SHA512: tls.PKCS1WithSHA512,
		SchemeECDSAP256SHA256: tls.ECDSAWithP256AndSHA256, SchemeECDSAP384SHA384: tls.ECDSAWithP384AndSHA384,
		SchemeRSAPSSSHA256: tls.PSSWithSHA256, SchemeRSAPSSSHA384: tls.PSSWithSHA384, SchemeRSAPSSSHA512: tls.PSSWithSHA512,
		SchemeEd25519: tls.Ed25519,
	}
	for ours, theirs := range schemes {
		if uint16(ours) != uint16(theirs) {
			t.Errorf("%v is %#04x, and %#04x in crypto/tls", ours, uint16(ours), uint16(theirs))
		}
	}
	if len(schemes) != len(schemeNames) {
		t.Errorf("%d of %d schemes are compared", len(schemes), len(schemeNames))
	}
	// A DTLS version is the ones' complement of the number behind its dots.
	for v, number := range map[Version]uint16{VersionDTLS10: 0x0100, VersionDTLS12: 0x0102, VersionDTLS13: 0x0103} {
		if uint16(v) != ^number {
			t.Errorf("%v is %#04x", v, uint16(v))
		}
	}
}

// cryptoTLSAlerts is what crypto/tls calls each alert, where the words differ
// from the RFC's.
var cryptoTLSAlerts = map[Alert]string{
	AlertBadRecordMAC: "bad record MAC", AlertCertificateRevoked: "revoked certificate",
	AlertCertificateExpired: "expired certificate", AlertCertificateUnknown: "unknown certificate",
	AlertUnknownCA: "unknown certificate authority", AlertDecodeError: "error decoding message",
	AlertDecryptError: "error decrypting message", AlertProtocolVersion: "protocol version not supported",
	AlertInsufficientSecurity: "insufficient security level", AlertUnknownPSKIdentity: "unknown PSK identity",
}

// Every alert has the number that crypto/tls gives it, and no alert of
// crypto/tls that could reach us has no name.
func TestAlertsAgainstCryptoTLS(t *testing.T) {
	for a, name := range alertNames {
		want := strings.ReplaceAll(name, "_", " ")
		if other, ok := cryptoTLSAlerts[a]; ok {
			want = other
		}
		if got := strings.TrimPrefix(tls.AlertError(a).Error(), "tls: "); got != want {
			t.Errorf("alert %d is %q, and %q in crypto/tls", a, name, got)
		}
		if a.String() != name {
			t.Errorf("alert %d prints as %s", a, a)
		}
	}
	if got := Alert(254).String(); got != "254" {
		t.Errorf("an unknown alert prints as %q", got)
	}
}

// The numbers of messages, record types and certificate types, as the RFCs
// write them.
//
// Proves rfc6347 §4.2.1: "The HelloVerifyRequest message type is
// hello_verify_request(3)."
func TestNumbersAgainstRFCs(t *testing.T) {
	// RFC 6347 §4.3.2, RFC 5246 §7.4, RFC 5077 §3.3, RFC 6066 §8.
	for h, want := range map[HandshakeType]string{
		0: "HelloRequest", 1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest", 4: "NewSessionTicket",
		11: "Certificate", 12: "ServerKeyExchange", 13: "CertificateRequest", 14: "ServerHelloDone",
		15: "CertificateVerify", 16: "ClientKeyExchange", 20: "Finished", 22: "CertificateStatus", 99: "handshake 0x63",
	} {
		if h.String() != want {
			t.Errorf("handshake type %d is %s, want %s", h, h, want)
		}
	}
	// RFC 5246 §6.2.1.
	for c, want := range map[ContentType]string{
		20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data", 24: "content 0x18",
	} {
		if c.String() != want {
			t.Errorf("content type %d is %s, want %s", c, c, want)
		}
	}
	// RFC 7250 §6 and IANA's registry.
	for c, want := range map[CertType]string{0: "X.509", 2: "Raw Public Key", 1: "certificate type 0x1"} {
		if c.String() != want {
			t.Errorf("certificate type %d is %s, want %s", c, c, want)
		}
	}
	// RFC 8422 §5.5, RFC 5246 §7.4.4.
	if ClientCertECDSASign != 64 || ClientCertRSASign != 1 {
		t.Error("client certificate types")
	}
}

// Versions are ordered by their true numbers.
//
// Proves rfc6347 §4.1: "It should be noted that future on-the-wire version
// numbers of DTLS are decreasing in value (while the true version number is
// increasing in value.)"
func TestVersionOrder(t *testing.T) {
	order := []Version{VersionDTLS10, VersionDTLS12, VersionDTLS13}
	for i, v := range order {
		for j, w := range order {
			if v.Before(w) != (i < j) {
				t.Errorf("%v before %v: %v", v, w, v.Before(w))
			}
		}
		if !v.IsDTLS() {
			t.Errorf("%v is no DTLS", v)
		}
	}
	for _, v := range []Version{0x0303, 0x0301, 0, 0xffff, 0xfdfd} {
		if v.IsDTLS() {
			t.Errorf("%#04x is DTLS", uint16(v))
		}
	}
	if VersionDTLS12.String() != "DTLS 1.2" || Version(0x0303).String() != "version 0x303" {
		t.Error("names of versions")
	}
}
