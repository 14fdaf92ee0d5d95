// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// Exit codes. 6, 7, 28, 35 and 60 are curl's, which scripts already know.
const (
	exitOK          = 0
	exitUnexpected  = 1
	exitUsage       = 2
	exitSetup       = 3
	exitClientError = 4
	exitServerError = 5
	exitResolve     = 6
	exitRefused     = 7
	exitCheck       = 9
	exitTimeout     = 28
	exitHandshake   = 35
	exitUntrusted   = 60
	exitInterrupted = 130
)

// noCredentialHint names one way for each mode.
const noCredentialHint = "--psk-file FILE (or -u ID -k @FILE), -M KEY --peer-key NAME, or -C CA"

// reasonInfo is what one reason word means to a person.
type reasonInfo struct {
	exit    int
	meaning string
	hint    string
}

// reasons holds every word a command may end with, apart from the families in
// reasonFamilies. The same words appear in text, JSON and logs.
var reasons = map[string]reasonInfo{
	// The command itself.
	"unexpected":  {exitUnexpected, "an error that has no name yet", "run it again with -vv and report what it prints"},
	"usage":       {exitUsage, "the command line is not understood", "coaps help"},
	"bad_uri":     {exitUsage, "the URI is not a coap or coaps URI", "coap://HOST[:5683]/PATH or coaps://HOST[:5684]/PATH; an IPv6 address goes in brackets"},
	"interrupted": {exitInterrupted, "stopped by a signal before it was done", "run it again; -B 2m waits longer"},

	// A load.
	"too_many_failures": {exitCheck, "more operations failed than --fail-above allows", "the report lists the failures by reason"},
	"message_ids":       {exitSetup, "the clients have used all the Message IDs that they may within 247 s (RFC 7252 section 4.4)", "more --clients, a lower --rate or a shorter --duration: a client may send some 65,000 messages in 247 s"},
	"only_errors":       {exitClientError, "every answer was an error", "coaps get with the same URI shows the answer"},

	// Local set-up.
	"no_credential":       {exitSetup, "a coaps URI needs something to show or somebody to believe", noCredentialHint},
	"bad_credential":      {exitSetup, "the credential cannot be used", "coaps key id FILE shows what a file holds"},
	"bad_credential_file": {exitSetup, "the file holds nothing usable", "coaps key id FILE shows what a file holds"},
	"file_unreadable":     {exitSetup, "the file cannot be read", "check the path and its owner"},
	"file_permissions":    {exitSetup, "others can read this secret", "chmod 600 FILE"},
	"file_exists":         {exitSetup, "nothing is overwritten", "choose another name or remove the file first"},
	"names_not_confirmed": {exitSetup, "nobody has said that the request's names are right", "coaps cert show FILE shows the request; --accept-names agrees"},
	"not_issued":          {exitSetup, "the CA has not issued this certificate", "coaps cert show FILE shows issuer and serial number"},
	"file_unwritable":     {exitSetup, "the file cannot be written", "check the directory and its owner"},
	"address_in_use":      {exitSetup, "another process holds this port", "--bind 127.0.0.1:0 picks a free pair, or stop the other server (ss -ulpn shows it)"},
	"address_unavailable": {exitSetup, "this machine does not have that address", "ip addr lists what there is"},
	"bind_permission":     {exitSetup, "the system does not allow this port", "use a port above 1023 or grant CAP_NET_BIND_SERVICE"},
	"invalid_config":      {exitSetup, "these settings do not make a safe whole", "coaps COMMAND --help lists what goes together"},
	"store_locked":        {exitSetup, "another process has the store open and did not let go", "run it again; fuser FILE names the process, or talk to the server: --config coaps.yaml"},
	"store_denied":        {exitSetup, "the store does not let us in", "look at the user, the password and the database in the URL of the store"},
	"store_sealed":        {exitSetup, "the values of the store are encrypted, and this is not its key", "--store-key FILE with the age identity, COAPS_STORE_KEY, or store.key in the configuration"},
	"store_not_sealed":    {exitSetup, "a key was given, and the values of this store are not encrypted", "coaps store seal encrypts them; or leave the key out"},
	"store_readonly":      {exitSetup, "this store is for people who edit its file", "edit the file; the server sees the change by itself"},
	"store_full":          {exitSetup, "there is no room left for the store; nothing was changed", "df shows the disk; free some room and run it again"},
	"store_corrupt":       {exitSetup, "the store holds something it never wrote", "restore a copy of the file; coaps device export writes one"},
	"not_found":           {exitSetup, "the store has nothing of that name", "coaps device list shows what there is"},
	"already_there":       {exitSetup, "the store has one of that name; it was left alone", "another name, or remove the old one first"},
	"conflict":            {exitSetup, "what is there stands in the way; nothing was changed", "coaps device show NAME"},
	"bad_name":            {exitSetup, "the name cannot be used", "letters, digits and - . _ : are good in names"},
	"findings":            {exitCheck, "the check found something", "coaps psk rotate NAME gives a device a new key of its own"},
	"bad_lines":           {exitSetup, "the file has lines that cannot be used; nothing was imported", "mend the lines named; --dry-run reads without changing anything"},
	"not_expressible":     {exitSetup, "the other format has no words for this", "coaps device export --as json has words for everything"},
	"secret_to_terminal":  {exitSetup, "keys would appear on this terminal", "-o FILE writes them to a file of mode 0600; --reveal shows them"},
	"bad_rule":            {exitUsage, "the rule makes no sense", "coaps acl --help says what a rule is made of"},
	"ambiguous_name":      {exitUsage, "the name is that of a device and of a group", "say device:NAME or group:NAME"},
	"policy_differs":      {exitCheck, "the rules do not say what was expected", "coaps acl explain SUBJECT METHODS PATH -v shows the rules that decide"},
	"multicast":           {exitSetup, "a multicast address cannot be asked", "name one server; DTLS has no group keys (RFC 7252 section 9.1)"},

	"setup":    {exitSetup, "the local configuration or socket cannot be used", "coaps COMMAND --help lists what goes together"},
	"closed":   {exitUnexpected, "the connection was closed on this side", "run it again"},
	"busy":     {exitUnexpected, "a local queue is full", "run it again"},
	"canceled": {exitInterrupted, "stopped before it was done", "run it again; -B 2m waits longer"},

	// Reaching the peer.
	"not_resolved":   {exitResolve, "no address for this name", "check the spelling (getent hosts NAME), or give the address itself"},
	"refused":        {exitRefused, "nothing listens on that port", "is the server running? The secure port is usually 5684, the plain one 5683"},
	"unreachable":    {exitRefused, "there is no way to that address", "check the address and the route"},
	"timeout":        {exitTimeout, "no answer in the time given", "is this the right port and is UDP let through? -B sets how long to wait"},
	"plaintext_port": {exitHandshake, "DTLS got no answer on this port, but a plain CoAP ping did: it is not the secure port", "the secure port is usually the plain port + 1 (5684)"},
	"unavailable":    {exitServerError, "the server has no time (5.03)", "wait and run it again"},
	"not_observed":   {exitUnexpected, "the server answers, but does not tell of changes", "coaps get, now and then"},
	"reset":          {exitUnexpected, "the peer rejected the message (RST)", "the peer may have restarted or may not know this option; -vv shows the message"},
	"bad_response":   {exitUnexpected, "the answer breaks RFC 7252", "-vv shows the message"},
	"peer_closed":    {exitUnexpected, "the peer ended the session", "run it again; the server's log says why"},
	"too_large":      {exitUsage, "the message does not fit into one datagram", "send about 1024 bytes at most; a larger --mtu helps where the path allows it"},

	// The handshake.
	"bad_psk_or_unknown_identity": {exitHandshake, "the server does not know this identity or holds another key; on the wire both look the same", "check -u and -k; a key in hex needs 0x in front. The server's log says which"},
	"no_common_cipher":            {exitHandshake, "no cipher suite that both sides allow", "name more with --cipher, or give the kind of credential the server asks for"},
	"no_common_group":             {exitHandshake, "no elliptic curve that both sides allow", "secp256r1 is the one everybody has"},
	"no_common_signature":         {exitHandshake, "no signature scheme that both sides allow", "use a P-256 key"},
	"version_mismatch":            {exitHandshake, "the peer does not speak DTLS 1.2", "DTLS 1.0 is refused on purpose (RFC 8996); the peer needs an update"},
	"mtu_suspected":               {exitHandshake, "small datagrams pass and large ones vanish", "--mtu 512"},
	"decode_error":                {exitHandshake, "the peer sent something that is not DTLS", "is this a DTLS port?"},
	"unexpected_message":          {exitHandshake, "the peer broke the order of the handshake", "-vvv shows the flights"},
	"no_peer_key":                 {exitHandshake, "the peer showed no key where one is required", "give it one: -M KEY or -c CERT -j KEY"},
	"limit":                       {exitHandshake, "a limit was reached", "-vv shows which"},

	"unknown_server_name":        {exitHandshake, "the server does not serve the name that was sent", "--sni NAME, or --sni off"},
	"no_common_certificate_type": {exitHandshake, "one side shows a kind of key that the other does not take", "a raw public key (-M, --peer-key) or a certificate (-c, -C): use the kind the server uses"},
	"no_extended_master_secret":  {exitHandshake, "the peer does not know the extended master secret (RFC 7627)", "the peer needs an update"},
	"illegal_parameter":          {exitHandshake, "the peer sent a value that it may not", "-vvv shows the flights"},
	"unsupported_extension":      {exitHandshake, "the peer answered with an extension nobody offered", "-vvv shows the flights"},
	"bad_renegotiation_info":     {exitHandshake, "the peer's renegotiation_info is wrong (RFC 5746)", "-vvv shows the flights"},
	"bad_signature":              {exitHandshake, "the peer does not hold the private key of what it shows", "somebody may be in between, or the server's key and certificate do not match"},
	"bad_finished":               {exitHandshake, "the two sides saw different handshakes", "somebody may be in between; with a shared key, check -u and -k"},
	"reflection":                 {exitHandshake, "our own messages came back", "check the address: it may be this machine"},
	"internal":                   {exitUnexpected, "a fault in this program", "run it again with -vvv and report what it prints"},
	"sequence_exhausted":         {exitUnexpected, "the session is used up", "run it again: a new session is made"},
	"forgery_limit":              {exitUnexpected, "too many forged records arrived", "somebody on the path is interfering; run it again"},

	// Trust.
	"cert_unknown_ca":    {exitUntrusted, "the certificate does not lead to a CA you trust", "-C CA.pem with the CA that signed it, or pin the key: --peer-key ni:///..."},
	"cert_unsupported":   {exitUntrusted, "the certificate's kind or use is not acceptable", "openssl x509 -in FILE -text shows it"},
	"cert_not_yet_valid": {exitUntrusted, "the certificate is not valid yet", "check this machine's clock (date): at the year 1970 every certificate is too new"},
	"cert_bad_usage":     {exitUntrusted, "the certificate is not for this use", "the server's certificate needs serverAuth and digitalSignature"},
	"cert_expired":       {exitUntrusted, "the certificate is outside its period of validity", "check this machine's clock (date) and the certificate's dates"},
	"cert_revoked":       {exitUntrusted, "the certificate was revoked", "the server needs a new certificate"},
	"cert_name_mismatch": {exitUntrusted, "the certificate is for another name", "use the name the certificate holds in the URI, or pin the key: --peer-key ni:///..."},
	"cert_bad":           {exitUntrusted, "the certificate cannot be accepted", "openssl x509 -in FILE -text shows it"},
	"rpk_not_pinned":     {exitUntrusted, "the peer's key is not the one you named", "if the key was changed on purpose, take its new name from the server (coaps key id FILE) and give it with --peer-key"},

	// What the operator's side may say.
	"unknown_identity":         {exitHandshake, "no key for this identity", "add a line IDENTITY:HEXKEY to the file given with --psk-file"},
	"bad_psk":                  {exitHandshake, "the peer holds another key for this identity", "compare the two keys"},
	"credential_disabled":      {exitHandshake, "the credential is disabled", "coaps device show NAME, coaps device enable NAME"},
	"credential_expired":       {exitHandshake, "the credential is past its not-after", "coaps psk rotate NAME gives the device a new one"},
	"credential_not_yet_valid": {exitHandshake, "the credential's not-before has not come", "check the server's clock (date) and coaps device show NAME"},
	"device_disabled":          {exitHandshake, "the device is disabled", "coaps device enable NAME"},
	"wrong_node":               {exitHandshake, "the key is not for communication with this node (RFC 7252 section 9)", "coaps device show NAME lists the nodes of each key"},
	"store_unavailable":        {exitHandshake, "the store of devices does not answer", "coaps status shows since when and why"},
	"weak_psk":                 {exitHandshake, "the pre-shared key is shorter than 16 bytes", "coaps psk rotate NAME"},
	"cert_status_missing":      {exitUntrusted, "the server did not show a fresh OCSP response", "the server's operator renews the response it staples"},
	"cert_status_unknown":      {exitUntrusted, "whether the certificate was revoked is not known: there is no current revocation list", "make a new list (coaps cert crl) and give it to the servers"},
	"cert_status_bad":          {exitUntrusted, "the OCSP response that the server showed is forged, stale or another certificate's", "check this machine's clock (date); the server's operator renews the response"},
	"denied":                   {exitClientError, "this identity may not do that", "ask the operator of the server"},
}

// reasonFamilies are the words that end in a variable part.
var reasonFamilies = []struct {
	prefix string
	info   reasonInfo
}{
	{"alert_", reasonInfo{exitHandshake, "the peer ended the session with this alert", "the server's log says why"}},
	{"timeout_flight_", reasonInfo{exitTimeout, "the handshake stopped: no answer to this flight", "is this the DTLS port, and is UDP let through? --mtu 512 helps where large datagrams vanish"}},
}

// alertAdvice makes the alerts that people meet most easier to act on.
var alertAdvice = map[string]reasonInfo{
	"alert_handshake_failure":       {exitHandshake, "the server found nothing in common: cipher suite, credential type or key", "give the kind of credential the server asks for: -k, -M or -c and -j"},
	"alert_bad_certificate":         {exitHandshake, "the server refuses the certificate or key you showed", "is that key's name (coaps key id FILE) on the server's list?"},
	"alert_unknown_ca":              {exitHandshake, "the server does not trust the CA that signed your certificate", "show a certificate of the server's CA: -c CERT -j KEY"},
	"alert_certificate_unknown":     {exitHandshake, "the server does not accept the key or certificate you showed", "is that key's name (coaps key id FILE) on the server's list, its --peer-key?"},
	"alert_certificate_expired":     {exitHandshake, "your certificate is out of date for the server", "renew it and check the clocks"},
	"alert_certificate_required":    {exitHandshake, "the server wants to know who you are", "-M KEY or -c CERT -j KEY"},
	"alert_unsupported_certificate": {exitHandshake, "the server does not take this kind of key or certificate", "-c and -j instead of -M, or the reverse; a client's certificate needs the extended key usage clientAuth"},
	"alert_access_denied":           {exitHandshake, "the server knows you and refuses", "ask the operator of the server"},
	"alert_protocol_version":        {exitHandshake, "the peer does not speak DTLS 1.2", "DTLS 1.0 is refused on purpose (RFC 8996); the peer needs an update"},
	"alert_unrecognized_name":       {exitHandshake, "the server does not serve this name", "--sni NAME, or --sni off"},
	"alert_unknown_psk_identity":    {exitHandshake, "the server does not know this identity", "check -u; the server's list is its --psk-file"},
	"alert_decrypt_error":           {exitHandshake, "the peer could not verify what was sent", "with a shared key: check -u and -k; a key in hex needs 0x in front"},
	"alert_bad_record_mac":          {exitHandshake, "the peer could not open what was sent", "with a shared key: check -u and -k; a key in hex needs 0x in front"},
}

// lookupReason finds a word's row; a word nobody foresaw is an unexpected error.
func lookupReason(word string) reasonInfo {
	if info, ok := reasons[word]; ok {
		return info
	}
	if info, ok := alertAdvice[word]; ok {
		return info
	}
	for _, family := range reasonFamilies {
		if strings.HasPrefix(word, family.prefix) {
			return family.info
		}
	}
	return reasons["unexpected"]
}

// knownReason says whether a word of the library has a row here.
func knownReason(word string) bool {
	if _, ok := reasons[word]; ok {
		return true
	}
	if _, ok := alertAdvice[word]; ok {
		return true
	}
	for _, family := range reasonFamilies {
		if strings.HasPrefix(word, family.prefix) {
			return true
		}
	}
	return false
}
