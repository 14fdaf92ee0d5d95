// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/coaps-go/coaps/dtls"
)

// suiteByName finds a cipher suite by its IANA name, in any case.
func suiteByName(name string) (dtls.CipherSuite, bool) {
	for id := range 1 << 16 {
		suite := dtls.CipherSuite(id)
		if text := suite.String(); strings.Contains(text, "_WITH_") && strings.EqualFold(text, name) {
			return suite, true
		}
	}
	return 0, false
}
