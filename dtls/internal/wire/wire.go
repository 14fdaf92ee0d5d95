// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package wire is the vocabulary of DTLS 1.2: code points, and the codecs of
// records, handshake messages and extensions. It knows the form of what
// crosses the network and nothing of its meaning: no keys, no state, no order.
//
// A parsed message is a view: its byte slices lie in the input, nothing is
// copied and, unless said otherwise, nothing is allocated. All numbers are
// big-endian ("network byte order", RFC 5246 §4.4).
package wire

import "strconv"

// ContentType is the type of a record (RFC 6347 §4.1, RFC 5246 §6.2.1).
type ContentType uint8

// Content types (IANA "TLS ContentType").
const (
	ContentChangeCipherSpec ContentType = 20
	ContentAlert            ContentType = 21
	ContentHandshake        ContentType = 22
	ContentApplicationData  ContentType = 23
)

func (c ContentType) String() string {
	switch c {
	case ContentChangeCipherSpec:
		return "change_cipher_spec"
	case ContentAlert:
		return "alert"
	case ContentHandshake:
		return "handshake"
	case ContentApplicationData:
		return "application_data"
	}
	return unknown("content", uint64(c))
}

// Version is a protocol version as the wire writes it: the ones' complement
// of the DTLS version number, so that a later version is a smaller number
// (RFC 6347 §4.1).
type Version uint16

// Protocol versions.
const (
	VersionDTLS10 Version = 0xfeff
	VersionDTLS12 Version = 0xfefd
	VersionDTLS13 Version = 0xfefc
)

// IsDTLS reports whether v has the major number of every DTLS version.
func (v Version) IsDTLS() bool { return v>>8 == 0xfe }

// Before reports whether v is an earlier version than w.
func (v Version) Before(w Version) bool { return v > w }

func (v Version) String() string {
	switch v {
	case VersionDTLS10:
		return "DTLS 1.0"
	case VersionDTLS12:
		return "DTLS 1.2"
	case VersionDTLS13:
		return "DTLS 1.3"
	}
	return unknown("version", uint64(v))
}

// HandshakeType is the type of a handshake message (RFC 6347 §4.3.2).
type HandshakeType uint8

// Handshake types (IANA "TLS HandshakeType").
const (
	HandshakeHelloRequest       HandshakeType = 0
	HandshakeClientHello        HandshakeType = 1
	HandshakeServerHello        HandshakeType = 2
	HandshakeHelloVerifyRequest HandshakeType = 3
	HandshakeNewSessionTicket   HandshakeType = 4
	HandshakeCertificate        HandshakeType = 11
	HandshakeServerKeyExchange  HandshakeType = 12
	HandshakeCertificateRequest HandshakeType = 13
	HandshakeServerHelloDone    HandshakeType = 14
	HandshakeCertificateVerify  HandshakeType = 15
	HandshakeClientKeyExchange  HandshakeType = 16
	HandshakeFinished           HandshakeType = 20
	HandshakeCertificateStatus  HandshakeType = 22
)

var handshakeNames = map[HandshakeType]string{
	HandshakeHelloRequest:       "HelloRequest",
	HandshakeClientHello:        "ClientHello",
	HandshakeServerHello:        "ServerHello",
	HandshakeHelloVerifyRequest: "HelloVerifyRequest",
	HandshakeNewSessionTicket:   "NewSessionTicket",
	HandshakeCertificate:        "Certificate",
	HandshakeServerKeyExchange:  "ServerKeyExchange",
	HandshakeCertificateRequest: "CertificateRequest",
	HandshakeServerHelloDone:    "ServerHelloDone",
	HandshakeCertificateVerify:  "CertificateVerify",
	HandshakeClientKeyExchange:  "ClientKeyExchange",
	HandshakeFinished:           "Finished",
	HandshakeCertificateStatus:  "CertificateStatus",
}

func (h HandshakeType) String() string { return name(handshakeNames, h, "handshake") }

// CipherSuite is a TLS 1.2 cipher suite.
type CipherSuite uint16

// Cipher suites (IANA "TLS Cipher Suites"), and the signalling value of
// RFC 5746 §3.3, which is no suite.
const (
	TLS_EMPTY_RENEGOTIATION_INFO_SCSV CipherSuite = 0x00ff

	TLS_PSK_WITH_AES_128_GCM_SHA256       CipherSuite = 0x00a8 // RFC 5487
	TLS_PSK_WITH_AES_256_GCM_SHA384       CipherSuite = 0x00a9
	TLS_PSK_WITH_AES_128_CCM              CipherSuite = 0xc0a4 // RFC 6655
	TLS_PSK_WITH_AES_256_CCM              CipherSuite = 0xc0a5
	TLS_PSK_WITH_AES_128_CCM_8            CipherSuite = 0xc0a8
	TLS_PSK_WITH_AES_256_CCM_8            CipherSuite = 0xc0a9
	TLS_PSK_WITH_CHACHA20_POLY1305_SHA256 CipherSuite = 0xccab // RFC 7905

	TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256       CipherSuite = 0xd001 // RFC 8442
	TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384       CipherSuite = 0xd002
	TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256     CipherSuite = 0xd003
	TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256       CipherSuite = 0xd005
	TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 CipherSuite = 0xccac // RFC 7905

	TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256       CipherSuite = 0xc02b // RFC 5289
	TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384       CipherSuite = 0xc02c
	TLS_ECDHE_ECDSA_WITH_AES_128_CCM              CipherSuite = 0xc0ac // RFC 7251
	TLS_ECDHE_ECDSA_WITH_AES_256_CCM              CipherSuite = 0xc0ad
	TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8            CipherSuite = 0xc0ae
	TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8            CipherSuite = 0xc0af
	TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 CipherSuite = 0xcca9 // RFC 7905

	TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256       CipherSuite = 0xc02f // RFC 5289
	TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384       CipherSuite = 0xc030
	TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 CipherSuite = 0xcca8 // RFC 7905
)

var suiteNames = map[CipherSuite]string{
	TLS_EMPTY_RENEGOTIATION_INFO_SCSV: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",

	TLS_PSK_WITH_AES_128_GCM_SHA256:       "TLS_PSK_WITH_AES_128_GCM_SHA256",
	TLS_PSK_WITH_AES_256_GCM_SHA384:       "TLS_PSK_WITH_AES_256_GCM_SHA384",
	TLS_PSK_WITH_AES_128_CCM:              "TLS_PSK_WITH_AES_128_CCM",
	TLS_PSK_WITH_AES_256_CCM:              "TLS_PSK_WITH_AES_256_CCM",
	TLS_PSK_WITH_AES_128_CCM_8:            "TLS_PSK_WITH_AES_128_CCM_8",
	TLS_PSK_WITH_AES_256_CCM_8:            "TLS_PSK_WITH_AES_256_CCM_8",
	TLS_PSK_WITH_CHACHA20_POLY1305_SHA256: "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",

	TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256:       "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256",
	TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384:       "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384",
	TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256:     "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256",
	TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256:       "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256",
	TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",

	TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	TLS_ECDHE_ECDSA_WITH_AES_128_CCM:              "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
	TLS_ECDHE_ECDSA_WITH_AES_256_CCM:              "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
	TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8:            "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
	TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8:            "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
	TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",

	TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:       "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:       "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}

func (c CipherSuite) String() string { return name(suiteNames, c, "suite") }

// Group is an elliptic curve group (IANA "TLS Supported Groups").
type Group uint16

// Groups (RFC 8422 §5.1.1).
const (
	GroupSecp256r1 Group = 23
	GroupSecp384r1 Group = 24
	GroupX25519    Group = 29
)

var groupNames = map[Group]string{
	GroupSecp256r1: "secp256r1",
	GroupSecp384r1: "secp384r1",
	GroupX25519:    "x25519",
}

func (g Group) String() string { return name(groupNames, g, "group") }

// SignatureScheme is a signature algorithm with its hash: the two bytes of
// SignatureAndHashAlgorithm (RFC 5246 §7.4.1.4.1) under the names of
// IANA "TLS SignatureScheme". In TLS 1.2 the ECDSA values stand for the hash
// alone and bind no curve, whatever their names say (RFC 8446 §4.2.3).
type SignatureScheme uint16

// Signature schemes.
const (
	SchemeRSAPKCS1SHA256  SignatureScheme = 0x0401
	SchemeRSAPKCS1SHA384  SignatureScheme = 0x0501
	SchemeRSAPKCS1SHA512  SignatureScheme = 0x0601
	SchemeECDSAP256SHA256 SignatureScheme = 0x0403
	SchemeECDSAP384SHA384 SignatureScheme = 0x0503
	SchemeRSAPSSSHA256    SignatureScheme = 0x0804
	SchemeRSAPSSSHA384    SignatureScheme = 0x0805
	SchemeRSAPSSSHA512    SignatureScheme = 0x0806
	SchemeEd25519         SignatureScheme = 0x0807
)

var schemeNames = map[SignatureScheme]string{
	SchemeRSAPKCS1SHA256:  "rsa_pkcs1_sha256",
	SchemeRSAPKCS1SHA384:  "rsa_pkcs1_sha384",
	SchemeRSAPKCS1SHA512:  "rsa_pkcs1_sha512",
	SchemeECDSAP256SHA256: "ecdsa_secp256r1_sha256",
	SchemeECDSAP384SHA384: "ecdsa_secp384r1_sha384",
	SchemeRSAPSSSHA256:    "rsa_pss_rsae_sha256",
	SchemeRSAPSSSHA384:    "rsa_pss_rsae_sha384",
	SchemeRSAPSSSHA512:    "rsa_pss_rsae_sha512",
	SchemeEd25519:         "ed25519",
}

func (s SignatureScheme) String() string { return name(schemeNames, s, "scheme") }

// CertType is the type of a certificate (RFC 7250 §3, IANA "TLS Certificate
// Types"). The zero value is X.509, which is also what an absent extension
// means.
type CertType uint8

// Certificate types.
const (
	CertX509         CertType = 0
	CertRawPublicKey CertType = 2
)

func (c CertType) String() string {
	switch c {
	case CertX509:
		return "X.509"
	case CertRawPublicKey:
		return "Raw Public Key"
	}
	return unknown("certificate type", uint64(c))
}

// ClientCertType is the type of key a CertificateRequest asks for
// (RFC 5246 §7.4.4, RFC 8422 §5.5).
type ClientCertType uint8

// Client certificate types.
const (
	ClientCertRSASign   ClientCertType = 1
	ClientCertECDSASign ClientCertType = 64
)

// ExtensionType is the type of a hello extension (IANA "TLS ExtensionType
// Values").
type ExtensionType uint16

// Extension types.
const (
	ExtServerName           ExtensionType = 0      // RFC 6066 §3
	ExtMaxFragmentLength    ExtensionType = 1      // RFC 6066 §4
	ExtStatusRequest        ExtensionType = 5      // RFC 6066 §8
	ExtSupportedGroups      ExtensionType = 10     // RFC 8422 §5.1.1
	ExtECPointFormats       ExtensionType = 11     // RFC 8422 §5.1.2
	ExtSignatureAlgorithms  ExtensionType = 13     // RFC 5246 §7.4.1.4.1
	ExtClientCertType       ExtensionType = 19     // RFC 7250 §3
	ExtServerCertType       ExtensionType = 20     // RFC 7250 §3
	ExtExtendedMasterSecret ExtensionType = 23     // RFC 7627 §5.1
	ExtRecordSizeLimit      ExtensionType = 28     // RFC 8449 §4
	ExtRenegotiationInfo    ExtensionType = 0xff01 // RFC 5746 §3.2
)

// name looks a code point up in its registry's table.
func name[K ~uint8 | ~uint16](table map[K]string, k K, registry string) string {
	if s, ok := table[k]; ok {
		return s
	}
	return unknown(registry, uint64(k))
}

func unknown(registry string, v uint64) string {
	return registry + " 0x" + strconv.FormatUint(v, 16)
}
