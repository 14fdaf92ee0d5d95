// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
)

// suiteNames are IANA's names of the cipher suites that are implemented.
func suiteNames() []string {
	var names []string
	for _, suite := range dtls.CipherSuites() {
		names = append(names, suite.String())
	}
	return names
}

// suiteByName finds an implemented cipher suite by its IANA name, in any case.
func suiteByName(name string) (dtls.CipherSuite, bool) {
	for _, suite := range dtls.CipherSuites() {
		if strings.EqualFold(suite.String(), name) {
			return suite, true
		}
	}
	return 0, false
}

// suitesLike are the names that can stand in for one that is not implemented:
// those with the same key exchange or, if there are none, all.
func suitesLike(name string) []string {
	exchange, _, _ := strings.Cut(strings.ToUpper(name), "_WITH_")
	var like []string
	for _, known := range suiteNames() {
		if strings.HasPrefix(known, exchange+"_WITH_") {
			like = append(like, known)
		}
	}
	if len(like) == 0 {
		return suiteNames()
	}
	return like
}

// applySuites reads --cipher.
func (f *dtlsFlags) applySuites(cmd *cobra.Command, config *security.Config, insecure bool) error {
	if f.cipher == "" {
		return nil
	}
	for name := range strings.SplitSeq(f.cipher, ",") {
		suite, ok := suiteByName(strings.TrimSpace(name))
		if !ok {
			return usage(cmd, "--cipher %q: this cipher suite is not implemented", name).
				try("%s", strings.Join(suitesLike(strings.TrimSpace(name)), ", "))
		}
		config.CipherSuites = append(config.CipherSuites, suite)
	}
	shared := config.PSK != nil || config.ClientPSK != nil
	public := config.RawKey != nil || len(config.Chains) > 0 || config.Pins != nil || config.Trust != nil || insecure
	if !slices.ContainsFunc(config.CipherSuites, func(suite dtls.CipherSuite) bool { return suits(suite, shared, public) }) {
		return usage(cmd, "--cipher %s: no credential is given that these work with", f.cipher).
			try("the PSK suites need a shared key (-u and -k, or --psk-file), the others a key or certificate (--peer-key or -C)")
	}
	return nil
}

// suits says whether a suite works with a shared key or with public keys.
func suits(suite dtls.CipherSuite, shared, public bool) bool {
	if strings.Contains(suite.String(), "PSK_WITH_") {
		return shared
	}
	return public
}
