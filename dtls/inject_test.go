// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// plainRecord is a record without protection, whatever its epoch.
func plainRecord(t wire.ContentType, epoch uint16, seq uint64, content []byte) []byte {
	h := wire.RecordHeader{Type: t, Version: VersionDTLS12, Epoch: epoch, Sequence: seq, Length: len(content)}
	return append(h.Append(nil), content...)
}
