// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"strconv"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Reason says in one word why a session ended. Its high byte is the kind, its
// low byte a number that some kinds carry: the alert, or the flight. Reasons
// are compared with ==, except for those two kinds, which Kind reduces to
// ReasonAlert and ReasonTimeout.
type Reason uint16

// Reasons. The comment gives the word that String returns where it differs
// from the name.
const (
	ReasonNone Reason = iota << 8

	// Time and space.
	ReasonTimeout           // timeout_flight_<n>
	ReasonMTUSuspected      // mtu_suspected
	ReasonLimit             // limit: the handshake needed more memory than it may have
	ReasonSequenceExhausted // the 48 bit sequence, or the key's budget, is used up
	ReasonForgeryLimit      // too many records failed to authenticate (RFC 9147 §4.5.3)

	// The peer's doing, or the caller's.
	ReasonAlert      // alert_<name>
	ReasonPeerClosed // close_notify
	ReasonCanceled

	// What a hello could not agree on.
	ReasonVersionMismatch
	ReasonNoCommonCipher
	ReasonNoCommonGroup
	ReasonNoCommonSignature
	ReasonNoCommonCertType
	ReasonNoExtendedMasterSecret

	// Form and order.
	ReasonDecodeError
	ReasonUnexpectedMessage
	ReasonIllegalParameter
	ReasonUnsupportedExtension
	ReasonBadRenegotiationInfo

	// Keys and identities.
	ReasonBadPSKOrUnknownIdentity // what a client can know
	ReasonUnknownIdentity         // what the server's operator may know
	ReasonBadPSK                  // likewise
	ReasonNoCredential            // the caller has no key for this peer
	ReasonUnknownServerName       // nor for the name that the client asks for
	ReasonBadSignature
	ReasonBadFinished
	ReasonNoPeerKey // the peer had no certificate or key to show
	ReasonRPKNotPinned
	ReasonCertBad
	ReasonCertExpired
	ReasonCertNotYetValid
	ReasonCertBadUsage // key usage or extended key usage
	ReasonCertUnknownCA
	ReasonCertNameMismatch
	ReasonCertRevoked
	ReasonCertUnsupported
	ReasonReflection // our own messages came back (RFC 9257 §4.1)

	// What a server's operator may know of a credential that it has; to the peer
	// each is what a wrong key or an unknown one is.
	ReasonCredentialDisabled
	ReasonCredentialExpired
	ReasonCredentialNotYetValid
	ReasonDeviceDisabled
	ReasonWrongNode        // the key is not for communication with this node (RFC 7252 §9)
	ReasonStoreUnavailable // nobody can say whose the credential is
	ReasonWeakPSK          // the key is too short

	// Revocation of certificates.
	ReasonCertStatusMissing // the server had to show a fresh OCSP response and did not
	ReasonCertStatusBad     // it showed one that is forged, stale or another certificate's
	ReasonCertStatusUnknown // nothing current says whether the certificate was revoked

	ReasonInternal
)

// silent marks a reason that is not told to the peer.
const silent = wire.Alert(255)

// reasonRow is what is known of a kind of reason: its word, and the alert
// that tells the peer.
type reasonRow struct {
	word  string
	alert wire.Alert
}

// reasons maps each kind to its word and to the alert sent for it. No other
// place chooses an alert.
var reasons = [...]reasonRow{
	ReasonNone >> 8: {"none", silent},

	ReasonTimeout >> 8:      {"timeout_flight_", silent},
	ReasonMTUSuspected >> 8: {"mtu_suspected", silent},
	// RFC 5246 has no alert for lack of memory.
	ReasonLimit >> 8: {"limit", wire.AlertInternalError},
	// RFC 6347 §4.1: an association ends before its sequence wraps.
	ReasonSequenceExhausted >> 8: {"sequence_exhausted", wire.AlertCloseNotify},
	// What is not authentic causes no answer.
	ReasonForgeryLimit >> 8: {"forgery_limit", silent},

	ReasonAlert >> 8: {"alert_", silent},
	// RFC 5246 §7.2.1: a close_notify is answered by one.
	ReasonPeerClosed >> 8: {"peer_closed", wire.AlertCloseNotify},
	ReasonCanceled >> 8:   {"canceled", wire.AlertCloseNotify},

	ReasonVersionMismatch >> 8:        {"version_mismatch", wire.AlertProtocolVersion},
	ReasonNoCommonCipher >> 8:         {"no_common_cipher", wire.AlertHandshakeFailure},
	ReasonNoCommonGroup >> 8:          {"no_common_group", wire.AlertHandshakeFailure},
	ReasonNoCommonSignature >> 8:      {"no_common_signature", wire.AlertHandshakeFailure},
	ReasonNoCommonCertType >> 8:       {"no_common_certificate_type", wire.AlertUnsupportedCertificate}, // RFC 7250 §4.2
	ReasonNoExtendedMasterSecret >> 8: {"no_extended_master_secret", wire.AlertHandshakeFailure},        // RFC 7627 §5.2

	ReasonDecodeError >> 8:          {"decode_error", wire.AlertDecodeError},
	ReasonUnexpectedMessage >> 8:    {"unexpected_message", wire.AlertUnexpectedMessage},
	ReasonIllegalParameter >> 8:     {"illegal_parameter", wire.AlertIllegalParameter},
	ReasonUnsupportedExtension >> 8: {"unsupported_extension", wire.AlertUnsupportedExtension},
	ReasonBadRenegotiationInfo >> 8: {"bad_renegotiation_info", wire.AlertHandshakeFailure}, // RFC 5746 §3.4

	// A wrong key and an unknown identity are told by nothing but silence.
	ReasonBadPSKOrUnknownIdentity >> 8: {"bad_psk_or_unknown_identity", silent},
	ReasonUnknownIdentity >> 8:         {"unknown_identity", silent},
	ReasonBadPSK >> 8:                  {"bad_psk", silent},
	ReasonNoCredential >> 8:            {"no_credential", wire.AlertHandshakeFailure},
	ReasonUnknownServerName >> 8:       {"unknown_server_name", wire.AlertUnrecognizedName}, // RFC 6066 §3
	ReasonBadSignature >> 8:            {"bad_signature", wire.AlertDecryptError},
	ReasonBadFinished >> 8:             {"bad_finished", wire.AlertDecryptError},
	ReasonNoPeerKey >> 8:               {"no_peer_key", wire.AlertHandshakeFailure}, // RFC 5246 §7.4.6
	ReasonRPKNotPinned >> 8:            {"rpk_not_pinned", wire.AlertCertificateUnknown},
	ReasonCertBad >> 8:                 {"cert_bad", wire.AlertBadCertificate},
	ReasonCertExpired >> 8:             {"cert_expired", wire.AlertCertificateExpired},
	// RFC 5246 §7.2.2: certificate_expired is "expired or is not currently valid".
	ReasonCertNotYetValid >> 8:  {"cert_not_yet_valid", wire.AlertCertificateExpired},
	ReasonCertBadUsage >> 8:     {"cert_bad_usage", wire.AlertUnsupportedCertificate},
	ReasonCertUnknownCA >> 8:    {"cert_unknown_ca", wire.AlertUnknownCA},
	ReasonCertNameMismatch >> 8: {"cert_name_mismatch", wire.AlertBadCertificate},
	ReasonCertRevoked >> 8:      {"cert_revoked", wire.AlertCertificateRevoked},
	ReasonCertUnsupported >> 8:  {"cert_unsupported", wire.AlertUnsupportedCertificate},
	ReasonReflection >> 8:       {"reflection", wire.AlertIllegalParameter},

	// No oracle: silence for pre-shared keys, and for the rest what an unknown key
	// gets. Reason.Alert is asked for the latter alone.
	ReasonCredentialDisabled >> 8:    {"credential_disabled", wire.AlertCertificateUnknown},
	ReasonCredentialExpired >> 8:     {"credential_expired", wire.AlertCertificateUnknown},
	ReasonCredentialNotYetValid >> 8: {"credential_not_yet_valid", wire.AlertCertificateUnknown},
	ReasonDeviceDisabled >> 8:        {"device_disabled", wire.AlertCertificateUnknown},
	ReasonWrongNode >> 8:             {"wrong_node", wire.AlertCertificateUnknown},
	ReasonStoreUnavailable >> 8:      {"store_unavailable", wire.AlertCertificateUnknown},
	ReasonWeakPSK >> 8:               {"weak_psk", silent},

	// RFC 6066 §8: a response that is not satisfactory ends the handshake with
	// bad_certificate_status_response.
	ReasonCertStatusMissing >> 8: {"cert_status_missing", wire.AlertBadCertificateStatus},
	ReasonCertStatusBad >> 8:     {"cert_status_bad", wire.AlertBadCertificateStatus},
	// The peer has done nothing wrong: RFC 5246 §7.2.2, "some other (unspecified)
	// issue".
	ReasonCertStatusUnknown >> 8: {"cert_status_unknown", wire.AlertCertificateUnknown},

	ReasonInternal >> 8: {"internal", wire.AlertInternalError},
}

// ReasonForAlert is the reason of a session that a received alert ended.
func ReasonForAlert(a wire.Alert) Reason { return ReasonAlert | Reason(a) }

// ReasonForFlight is the reason of a handshake in which nothing answered the
// flight with the given number (RFC 6347 §4.2.4 counts from 1 to 6).
func ReasonForFlight(n int) Reason { return ReasonTimeout | Reason(uint8(n)) }

// Kind is the reason without the number that it carries.
func (r Reason) Kind() Reason { return r &^ 0xff }

func (r Reason) row() reasonRow {
	if int(r>>8) < len(reasons) {
		return reasons[r>>8]
	}
	return reasonRow{"unknown", wire.AlertInternalError}
}

// String is the one word that text, JSON, logs and metrics use.
func (r Reason) String() string {
	switch r.Kind() {
	case ReasonTimeout:
		return r.row().word + strconv.Itoa(int(uint8(r)))
	case ReasonAlert:
		return r.row().word + wire.Alert(r).String()
	}
	return r.row().word
}

// Alert is the alert that tells the peer of the reason; tell is false if
// nothing is to be sent.
func (r Reason) Alert() (a wire.Alert, tell bool) {
	a = r.row().alert
	return a, a != silent
}

// Error is what ended a session.
type Error struct {
	Reason Reason
	// Alert is the alert that was sent to the peer or received from it, if
	// Sent or Received is true.
	Alert          wire.Alert
	Sent, Received bool
	// Flight is the number of the last flight that was sent
	// (RFC 6347 §4.2.4: 1 to 6), and 0 after the handshake.
	Flight int
	// Silence is what the peer's silence would have meant to a handshake that
	// was canceled, as if its time limit had been now; else ReasonNone.
	Silence Reason
}

func (e *Error) Error() string {
	text := "dtls: " + e.Reason.String()
	switch {
	case e.Received && e.Reason.Kind() != ReasonAlert:
		text += " (received alert " + e.Alert.String() + ")"
	case e.Sent:
		text += " (sent alert " + e.Alert.String() + ")"
	}
	return text
}
