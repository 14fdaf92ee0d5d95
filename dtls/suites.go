// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import "github.com/coaps-go/coaps/dtls/internal/suite"

// CipherSuites returns every cipher suite that is implemented, in the default
// order of preference. That is what [Config].CipherSuites may name: the suites
// that are on when it names none, and among them those of ECDHE_RSA, which are
// off until named. The slice is the caller's.
func CipherSuites() []CipherSuite {
	all := suite.All()
	ids := make([]CipherSuite, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	return ids
}
