// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"strings"
	"time"
)

// ban writes the line for fail2ban:
//
//	2026-11-22T18:00:00Z coaps refused bad_psk identity="sensor-7" from 192.0.2.7
//
// The form is stable. The address comes last and is the only thing after the last
// space; the identity, which the peer has chosen, has no space, quotation mark
// or control character in it. Only handshakes have such lines: who makes one has
// shown by its cookie that the address is its own (RFC 6347 section 4.2.1), while
// the address of a request without DTLS can be forged, to have others banned.
func (s *recorderState) ban(now time.Time, f *facts) {
	if !f.peer.IsValid() || !s.banFile.open() {
		return
	}
	fmt.Fprintf(s.banFile, "%s coaps refused %s identity=\"%s\" from %s\n",
		now.UTC().Format(time.RFC3339), banWord(f.reason), banWord(f.identity), f.peer.WithZone(""))
}

// banWord keeps letters, digits and what names are made of; all else is \xNN.
func banWord(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._:@/+-=;,", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}
