// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/pflag"
)

// The flag groups. A flag is spelled the same wherever it occurs: libcoap's
// letters first, then the words of curl and openssl. The back-quoted word of
// each line is the name of its argument in the help.

// identityFlags say what to show.
type identityFlags struct {
	identity string
	psk      string
	pskFile  string
	cert     string
	key      string
	rpk      string
}

func (f *identityFlags) register(all *pflag.FlagSet) {
	set, done := beginGroup(all, groupIdentity)
	defer done()
	set.StringVarP(&f.identity, "identity", "u", "", "pre-shared key: the identity `ID`")
	set.StringVarP(&f.psk, "psk", "k", "", "pre-shared `KEY`: "+keyForms)
	set.StringVar(&f.pskFile, "psk-file", "", "pre-shared keys: `FILE` of lines IDENTITY:HEXKEY, as psktool writes it")
	set.StringVarP(&f.rpk, "rpk", "M", "", "raw public key (RFC 7250): `FILE` with the private key")
	set.StringVarP(&f.cert, "cert", "c", "", "certificate: `FILE` with the chain, PEM or DER")
	set.StringVarP(&f.key, "key", "j", "", "certificate: `FILE` with its private key, may be the same")
}

// trustFlags say whom to believe.
type trustFlags struct {
	ca       []string
	crl      []string
	peerKey  []string
	ocsp     bool
	insecure bool
}

func (f *trustFlags) register(all *pflag.FlagSet, client bool) {
	set, done := beginGroup(all, groupTrust)
	defer done()
	set.StringArrayVarP(&f.ca, "ca", "C", nil, "believe certificates of the CAs in `FILE`; repeatable")
	set.StringArrayVar(&f.crl, "crl", nil, "but not those that a revocation list in `FILE` names; a list that has run out refuses all of its CA; repeatable")
	set.StringArrayVar(&f.peerKey, "peer-key", nil, "believe this public key: `NAME` is a file, ni:///sha-256;..., nih:..., sha256//B64 or SHA256:B64; repeatable")
	if client {
		set.BoolVar(&f.ocsp, "require-ocsp", false, "believe a certificate only with a fresh OCSP response of its CA beside it")
		set.BoolVarP(&f.insecure, "insecure", "n", false, "believe any server: for tests only, whoever is in between reads and changes everything")
	}
}

// dtlsFlags shape the handshake.
type dtlsFlags struct {
	cipher string
	sni    string
	mtu    int
	keylog string
}

func (f *dtlsFlags) register(all *pflag.FlagSet, client bool) {
	set, done := beginGroup(all, groupDTLS)
	defer done()
	set.StringVar(&f.cipher, "cipher", "", "cipher suites: `LIST` of IANA names, best first, separated by commas; any other name lists what there is")
	set.IntVar(&f.mtu, "mtu", 0, "send no datagram with more than `N` bytes, DTLS included (default 1232)")
	set.StringVar(&f.keylog, "keylog", "", "append the session secrets to `FILE` for Wireshark (or set SSLKEYLOGFILE)")
	if client {
		set.StringVar(&f.sni, "sni", "", "server `NAME` to send, or off (default: the host of the URI)")
	}
}

// messageFlags shape the request.
type messageFlags struct {
	payload       string
	file          string
	hex           bool
	contentFormat string
	accept        string
	non           bool
	options       []string
	token         string
	timeout       time.Duration
}

func (f *messageFlags) register(all *pflag.FlagSet, body bool) {
	set, done := beginGroup(all, groupMessage)
	defer done()
	if body {
		set.StringVarP(&f.payload, "payload", "e", "", "payload: `TEXT`")
		set.StringVarP(&f.file, "file", "f", "", "payload: the content of `FILE`; - reads stdin")
		set.BoolVar(&f.hex, "hex", false, "the payload is written in hexadecimal")
		set.StringVarP(&f.contentFormat, "content-format", "t", "", "payload's `FORMAT`: json, cbor, text, link, ..., a media type or a number")
	}
	set.StringVarP(&f.accept, "accept", "A", "", "wanted `FORMAT`: json, cbor, text, link, ..., a media type or a number")
	set.BoolVarP(&f.non, "non", "N", false, "send non-confirmable: once, without acknowledgement")
	set.StringArrayVarP(&f.options, "option", "O", nil, "add `OPTION`: NAME,VALUE or NUMBER,VALUE; the value is text, a number or 0xHEX; repeatable")
	set.StringVarP(&f.token, "token", "T", "", "`TOKEN`: 0xHEX or text, up to 8 bytes (default: random)")
	registerTimeout(set, &f.timeout)
}

// registerTimeout is the one message flag that every command with a URI has.
func registerTimeout(set *pflag.FlagSet, timeout *time.Duration) {
	set.DurationVarP(timeout, "timeout", "B", 30*time.Second, "give up after `TIME`, handshake included")
}

func registerTimeoutGroup(all *pflag.FlagSet, timeout *time.Duration) {
	set, done := beginGroup(all, groupMessage)
	defer done()
	registerTimeout(set, timeout)
}

// networkFlags shape the socket of a client.
type networkFlags struct {
	bind    string
	loss    string
	ipv4    bool
	ipv6    bool
	noProbe bool
}

func (f *networkFlags) register(all *pflag.FlagSet) {
	set, done := beginGroup(all, groupNetwork)
	defer done()
	set.StringVarP(&f.bind, "bind", "a", "", "send from this `ADDRESS`: ADDR, ADDR:PORT or :PORT")
	set.BoolVarP(&f.ipv4, "ipv4", "4", false, "IPv4 only")
	set.BoolVarP(&f.ipv6, "ipv6", "6", false, "IPv6 only")
	set.BoolVar(&f.noProbe, "no-probe", false, "when nothing answers, do not ask by one more datagram whether the plain and the secure port were mixed up")
	registerLoss(set, &f.loss)
}

func registerLoss(set *pflag.FlagSet, loss *string) {
	set.StringVarP(loss, "loss", "l", "", lossForms)
}

// outputFlags shape what is printed.
type outputFlags struct {
	output  string
	include bool
	json    bool
	format  string
}

func (f *outputFlags) register(all *pflag.FlagSet) {
	set, done := beginGroup(all, groupOutput)
	defer done()
	set.StringVarP(&f.output, "output", "o", "", "write to `FILE` instead of stdout")
	set.BoolVarP(&f.include, "include", "i", false, "first a line with code, format, size, time and security")
	set.StringVar(&f.format, "format", formatAuto, "show the payload as `FORMAT`: auto, raw, hex, edn, json or text")
	set.BoolVar(&f.json, "json", false, "print one JSON object, described in coaps help get")
}

// registerJSON is for commands whose output has no payload.
func registerJSON(all *pflag.FlagSet, json *bool) {
	set, done := beginGroup(all, groupOutput)
	defer done()
	set.BoolVar(json, "json", false, "print JSON instead of text")
}
