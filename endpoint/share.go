// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import "github.com/coaps-go/coaps/message"

// Share is what one of n endpoints gets that share the clients of one address.
// What bounds a single peer, and times, stay as they are; everything else is
// divided, and rounded up. Clients are spread by a hash of their addresses, so
// that one endpoint can reach its share when the others have not.
func (l Limits) Share(n int) Limits {
	if n <= 1 {
		return l
	}
	all := l.resolved(message.Params{})
	all.PlainIdle = l.PlainIdle
	for _, of := range []*int{
		&all.Sessions, &all.SessionBytes, &all.HalfOpen, &all.PlainPeers, &all.Bytes, &all.Awake,
		&all.HandshakeRate, &all.PrefixHandshakeRate, &all.AnswerRate,
	} {
		if *of > 0 { // a negative rate is none
			*of = (*of + n - 1) / n
		}
	}
	return all
}
