// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package coap is the vocabulary that all layers of CoAP share: the message
// format of RFC 7252 section 3 and the registries of section 12 (codes,
// options, content-formats), each a table, with the URIs of section 6.
//
// It holds no state and does no I/O. [Parse] gives a view into a datagram
// without copying or allocating, [Message.AppendTo] writes one into a buffer of
// the caller. A [Message] and its options are views: they live as long as the
// datagram they came from stays unchanged.
//
// What a datagram contains can be wrong in three ways, and they are kept apart
// because the protocol answers each differently:
//
//   - The header is unusable ([ErrTooShort], [ErrVersion]): silence (section 3).
//   - The message has a format error ([FormatError]): it is rejected, which for
//     a Confirmable message means a Reset (sections 4.2 and 4.3). The Type, Code
//     and MessageID of the returned Message are valid for that purpose.
//   - An option is not understood ([Message.CheckOptions]): a request is
//     answered with 4.02 (Bad Option), anything else is rejected (section 5.4.1).
//
// Options are read in two ways. [Options.All] shows each occurrence as it came.
// The methods that ask for a number ([Options.Get], [Options.GetUint],
// [Options.Has], [Options.Values]) obey sections 5.4.3 and 5.4.5 as well: an
// occurrence of a length that the registry excludes, or one too many of an
// option that is not repeatable, is as if it were not there.
package coap
