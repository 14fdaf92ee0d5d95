// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "strconv"

// AlertLevel is the severity of an alert (RFC 5246 §7.2).
type AlertLevel uint8

// Alert levels.
const (
	LevelWarning AlertLevel = 1
	LevelFatal   AlertLevel = 2
)

// Alert is the description of an alert (IANA "TLS Alerts").
type Alert uint8

// Alert descriptions (RFC 5246 §7.2, RFC 6066 §9, RFC 4279 §2, RFC 7301 §3.2).
const (
	AlertCloseNotify            Alert = 0
	AlertUnexpectedMessage      Alert = 10
	AlertBadRecordMAC           Alert = 20
	AlertRecordOverflow         Alert = 22
	AlertHandshakeFailure       Alert = 40
	AlertBadCertificate         Alert = 42
	AlertUnsupportedCertificate Alert = 43
	AlertCertificateRevoked     Alert = 44
	AlertCertificateExpired     Alert = 45
	AlertCertificateUnknown     Alert = 46
	AlertIllegalParameter       Alert = 47
	AlertUnknownCA              Alert = 48
	AlertAccessDenied           Alert = 49
	AlertDecodeError            Alert = 50
	AlertDecryptError           Alert = 51
	AlertProtocolVersion        Alert = 70
	AlertInsufficientSecurity   Alert = 71
	AlertInternalError          Alert = 80
	AlertInappropriateFallback  Alert = 86
	AlertUserCanceled           Alert = 90
	AlertNoRenegotiation        Alert = 100
	AlertMissingExtension       Alert = 109
	AlertUnsupportedExtension   Alert = 110
	AlertUnrecognizedName       Alert = 112
	AlertBadCertificateStatus   Alert = 113
	AlertUnknownPSKIdentity     Alert = 115
	AlertCertificateRequired    Alert = 116
	AlertNoApplicationProtocol  Alert = 120
)

var alertNames = map[Alert]string{
	AlertCloseNotify:            "close_notify",
	AlertUnexpectedMessage:      "unexpected_message",
	AlertBadRecordMAC:           "bad_record_mac",
	AlertRecordOverflow:         "record_overflow",
	AlertHandshakeFailure:       "handshake_failure",
	AlertBadCertificate:         "bad_certificate",
	AlertUnsupportedCertificate: "unsupported_certificate",
	AlertCertificateRevoked:     "certificate_revoked",
	AlertCertificateExpired:     "certificate_expired",
	AlertCertificateUnknown:     "certificate_unknown",
	AlertIllegalParameter:       "illegal_parameter",
	AlertUnknownCA:              "unknown_ca",
	AlertAccessDenied:           "access_denied",
	AlertDecodeError:            "decode_error",
	AlertDecryptError:           "decrypt_error",
	AlertProtocolVersion:        "protocol_version",
	AlertInsufficientSecurity:   "insufficient_security",
	AlertInternalError:          "internal_error",
	AlertInappropriateFallback:  "inappropriate_fallback",
	AlertUserCanceled:           "user_canceled",
	AlertNoRenegotiation:        "no_renegotiation",
	AlertMissingExtension:       "missing_extension",
	AlertUnsupportedExtension:   "unsupported_extension",
	AlertUnrecognizedName:       "unrecognized_name",
	AlertBadCertificateStatus:   "bad_certificate_status_response",
	AlertUnknownPSKIdentity:     "unknown_psk_identity",
	AlertCertificateRequired:    "certificate_required",
	AlertNoApplicationProtocol:  "no_application_protocol",
}

// String is the name of the alert, or its number if it has none.
func (a Alert) String() string {
	if s, ok := alertNames[a]; ok {
		return s
	}
	return strconv.Itoa(int(a))
}

// AlertLen is the length of an alert message in bytes.
const AlertLen = 2

// AppendAlert appends the two bytes of an alert message.
func AppendAlert(dst []byte, level AlertLevel, a Alert) []byte {
	return append(dst, byte(level), byte(a))
}

// ParseAlert reads an alert record's content. DTLS sends one alert a record;
// fragmented or joined alerts are refused.
func ParseAlert(b []byte) (AlertLevel, Alert, error) {
	if len(b) != AlertLen || b[0] != byte(LevelWarning) && b[0] != byte(LevelFatal) {
		return 0, 0, ErrDecode
	}
	return AlertLevel(b[0]), Alert(b[1]), nil
}
