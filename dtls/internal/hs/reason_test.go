// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Every reason has a word of its own, and an alert that has a name, or none.
func TestReasonsAreTotal(t *testing.T) {
	if got := len(reasons); got != int(ReasonInternal>>8)+1 {
		t.Fatalf("%d rows for %d reasons", got, ReasonInternal>>8+1)
	}
	words := map[string]Reason{}
	for r := ReasonNone; r <= ReasonInternal; r += 1 << 8 {
		word := r.String()
		if other, twice := words[word]; word == "" || twice || word == "unknown" || strings.ContainsAny(word, " -") {
			t.Errorf("reason %#x is %q, as is %#x", uint16(r), word, uint16(other))
		}
		words[word] = r
		if a, tell := r.Alert(); tell && strings.Contains(a.String(), "0x") {
			t.Errorf("%v is told by an alert without a name: %v", r, a)
		}
		if r.Kind() != r {
			t.Errorf("%v is not its own kind", r)
		}
	}
	for _, r := range []Reason{ReasonInternal + 1<<8, 0xffff} {
		if a, tell := r.Alert(); r.String() != "unknown" || !tell || a != wire.AlertInternalError {
			t.Errorf("reason %#x: %v, alert %v", uint16(r), r, a)
		}
	}
}

// The alerts that RFCs demand, and the reasons that must not be told.
//
// Proves rfc7627 §5.2: "In the following, we use the phrase "abort the
// handshake" as shorthand for terminating the handshake by sending a fatal
// "handshake_failure" alert."
// Proves rfc5746 §3.4: "Note: later in Section 3, "abort the handshake" is
// used as shorthand for "send a fatal handshake_failure alert and terminate
// the connection"."
// Pitfall O26, A6: forgeries, wrong keys and unknown identities are told by nothing
func TestAlertsOfReasons(t *testing.T) {
	for r, want := range map[Reason]wire.Alert{
		ReasonNoCommonCipher: wire.AlertHandshakeFailure, ReasonNoCommonGroup: wire.AlertHandshakeFailure,
		ReasonNoCommonSignature: wire.AlertHandshakeFailure, ReasonNoCommonCertType: wire.AlertUnsupportedCertificate,
		ReasonNoExtendedMasterSecret: wire.AlertHandshakeFailure, ReasonBadRenegotiationInfo: wire.AlertHandshakeFailure,
		ReasonVersionMismatch: wire.AlertProtocolVersion, ReasonDecodeError: wire.AlertDecodeError,
		ReasonUnexpectedMessage: wire.AlertUnexpectedMessage, ReasonIllegalParameter: wire.AlertIllegalParameter,
		ReasonUnsupportedExtension: wire.AlertUnsupportedExtension, ReasonUnknownServerName: wire.AlertUnrecognizedName,
		ReasonBadSignature: wire.AlertDecryptError, ReasonBadFinished: wire.AlertDecryptError,
		ReasonNoPeerKey: wire.AlertHandshakeFailure, ReasonCertUnknownCA: wire.AlertUnknownCA,
		ReasonCertExpired: wire.AlertCertificateExpired, ReasonCertRevoked: wire.AlertCertificateRevoked,
		ReasonPeerClosed: wire.AlertCloseNotify, ReasonCanceled: wire.AlertCloseNotify,
	} {
		if a, tell := r.Alert(); !tell || a != want {
			t.Errorf("%v is told as %v, %v", r, a, tell)
		}
	}
	for _, r := range []Reason{
		ReasonNone, ReasonForFlight(3), ReasonMTUSuspected, ReasonForgeryLimit, ReasonForAlert(wire.AlertDecodeError),
		ReasonBadPSK, ReasonUnknownIdentity, ReasonBadPSKOrUnknownIdentity,
	} {
		if a, tell := r.Alert(); tell {
			t.Errorf("%v is told as %v", r, a)
		}
	}
}

// Two kinds of reason carry a number.
func TestReasonsWithNumbers(t *testing.T) {
	for r, want := range map[Reason]string{
		ReasonForFlight(1): "timeout_flight_1", ReasonForFlight(5): "timeout_flight_5",
		ReasonForAlert(wire.AlertUnknownCA): "alert_unknown_ca", ReasonForAlert(250): "alert_250",
		ReasonRPKNotPinned: "rpk_not_pinned", ReasonCertNotYetValid: "cert_not_yet_valid",
	} {
		if r.String() != want {
			t.Errorf("reason %#x is %q, want %q", uint16(r), r, want)
		}
	}
	for a := range 256 {
		if r := ReasonForAlert(wire.Alert(a)); r.Kind() != ReasonAlert {
			t.Errorf("alert %d makes a reason of kind %v", a, r.Kind())
		}
	}
	if ReasonForFlight(3).Kind() != ReasonTimeout || ReasonForFlight(3) == ReasonForFlight(5) {
		t.Error("flights are not told apart")
	}
}

// The text of an error names the reason, and the alert where that adds
// something.
func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		err  Error
		want string
	}{
		{Error{Reason: ReasonForFlight(3)}, "dtls: timeout_flight_3"},
		{Error{Reason: ReasonForAlert(wire.AlertUnknownCA), Alert: wire.AlertUnknownCA, Received: true}, "dtls: alert_unknown_ca"},
		{Error{Reason: ReasonBadPSKOrUnknownIdentity, Alert: wire.AlertDecryptError, Received: true}, "dtls: bad_psk_or_unknown_identity (received alert decrypt_error)"},
		{Error{Reason: ReasonNoCommonCipher, Alert: wire.AlertHandshakeFailure, Sent: true}, "dtls: no_common_cipher (sent alert handshake_failure)"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// Every drop and every event has a name, and every drop is counted once.
func TestDropsAndEvents(t *testing.T) {
	names := map[string]bool{}
	var c Counters
	for d := range NumDrops {
		if name := d.String(); name == "" || names[name] {
			t.Errorf("drop %d is %q", d, name)
		}
		names[d.String()] = true
		c.Add(d)
	}
	if c.Total() != uint64(NumDrops)-1 || c[DropForged] != 1 || NumDrops.String() != "unknown" {
		t.Errorf("%d drops, counters %v", c.Total(), c)
	}
	for k := EventNone; k <= EventSuspect; k++ {
		if k.String() == "unknown" {
			t.Errorf("event %d has no name", k)
		}
	}
	if (EventSuspect + 1).String() != "unknown" {
		t.Error("an event that does not exist has a name")
	}
}
