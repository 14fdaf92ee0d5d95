// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

// EventKind says what a session has to tell.
type EventKind uint8

// Events.
const (
	EventNone EventKind = iota
	// EventEstablished: the handshake is complete and the peer has proved
	// itself as the Facts say.
	EventEstablished
	// EventData: Data is the content of one record, authentic and new.
	EventData
	// EventClosed: the session is over; Err says why. It is the last event.
	EventClosed
	// EventWantPSK: ProvidePSK must be called. On a server Identity is what
	// the client claims to be; on a client Hint is the server's hint.
	EventWantPSK
	// EventWantVerdict: the peer has proved that it holds the key or
	// certificate in the Facts; ProvideVerdict must say whether to trust it.
	EventWantVerdict
	// EventNeedJob: Job.Run must be called, on any goroutine, and then
	// Complete with the same Job.
	EventNeedJob
	// EventSuspect: on a server, the client's Finished has not opened, and
	// Reason is what the handshake will end with at its limit unless a better
	// one comes: ReasonUnknownIdentity or ReasonBadPSK. It comes once at most,
	// is for the operator alone, and changes nothing.
	EventSuspect
)

func (k EventKind) String() string {
	names := [...]string{"none", "established", "data", "closed", "want_psk", "want_verdict", "need_job", "suspect"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Event is one piece of news from a session. Its slices are views: Data is
// valid until the next call of Next or Receive, Identity and Hint until
// ProvidePSK.
type Event struct {
	Kind       EventKind
	Data       []byte
	Identity   []byte
	Hint       []byte // nil: the server sent none
	ServerName string // WantPSK
	Err        *Error // Closed
	Job        *Job   // NeedJob
	Reason     Reason // Suspect
}
