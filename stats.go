// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import "github.com/coaps-go/coaps/endpoint"

// Stats are a server's counters since Serve.
type Stats struct {
	endpoint.Stats
	HandlersRefused  uint64 // requests answered by 5.03 because every worker was busy
	HandlersPanicked uint64 // requests answered by 5.00 because the handler panicked
	KeyJobsRefused   uint64 // handshakes ended because the public-key workers were busy
	OptionsRefused   uint64 // requests answered by 4.00 because they had too many options
	ReceiveOverflows uint64 // datagrams the system dropped because the event loop was behind; Linux alone tells
}
