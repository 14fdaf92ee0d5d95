// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"strings"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Cipher suites. The two that RFC 7252 §9.1.3 makes mandatory are
// TLS_PSK_WITH_AES_128_CCM_8 and TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8. Those
// with ECDHE_RSA are off unless named.
const (
	TLS_PSK_WITH_AES_128_CCM_8            = wire.TLS_PSK_WITH_AES_128_CCM_8
	TLS_PSK_WITH_AES_128_CCM              = wire.TLS_PSK_WITH_AES_128_CCM
	TLS_PSK_WITH_AES_128_GCM_SHA256       = wire.TLS_PSK_WITH_AES_128_GCM_SHA256
	TLS_PSK_WITH_AES_256_GCM_SHA384       = wire.TLS_PSK_WITH_AES_256_GCM_SHA384
	TLS_PSK_WITH_CHACHA20_POLY1305_SHA256 = wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256

	TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256     = wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256
	TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256       = wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256
	TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256       = wire.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256
	TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384       = wire.TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384
	TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 = wire.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256

	TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8            = wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
	TLS_ECDHE_ECDSA_WITH_AES_128_CCM              = wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM
	TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256       = wire.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384       = wire.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
	TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = wire.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256

	TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256       = wire.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384       = wire.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
	TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = wire.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
)

// Signature schemes.
const (
	ECDSAWithP256AndSHA256 = wire.SchemeECDSAP256SHA256 // mandatory (RFC 7252 §9.1.3.2)
	ECDSAWithP384AndSHA384 = wire.SchemeECDSAP384SHA384
	Ed25519                = wire.SchemeEd25519
	RSAPSSWithSHA256       = wire.SchemeRSAPSSSHA256
	RSAPSSWithSHA384       = wire.SchemeRSAPSSSHA384
	RSAPSSWithSHA512       = wire.SchemeRSAPSSSHA512
	RSAPKCS1WithSHA256     = wire.SchemeRSAPKCS1SHA256
	RSAPKCS1WithSHA384     = wire.SchemeRSAPKCS1SHA384
	RSAPKCS1WithSHA512     = wire.SchemeRSAPKCS1SHA512
)

// CipherSuites is every suite that is implemented, in the default order of
// preference.
func CipherSuites() []CipherSuite {
	var ids []CipherSuite
	for _, s := range suite.All() {
		ids = append(ids, s.ID)
	}
	return ids
}

// DefaultCipherSuites is what a Config without suites uses.
func DefaultCipherSuites() []CipherSuite { return suite.Default() }

// DefaultGroups is what a Config without groups uses.
func DefaultGroups() []Group { return hs.DefaultGroups() }

// DefaultSignatureSchemes is what a Config without schemes uses.
func DefaultSignatureSchemes() []SignatureScheme { return hs.DefaultSchemes() }

// CipherSuiteByName finds an implemented suite by IANA's name for it, in any
// case, with or without "TLS_".
func CipherSuiteByName(name string) (id CipherSuite, ok bool) {
	s := suite.ByName(strings.ToUpper(name))
	if s == nil {
		return 0, false
	}
	return s.ID, true
}
