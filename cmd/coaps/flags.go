// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/pflag"
)

// The flag groups. A flag is spelled the same wherever it occurs: libcoap's
// letters first, then the words of curl and openssl.

// identityFlags say what to show.
type identityFlags struct {
	identity string
	psk      string
	pskFile  string
	cert     string
	key      string
	rpk      string
}

func (f *identityFlags) register(set *pflag.FlagSet) {
	set.StringVarP(&f.identity, "identity", "u", "", "pre-shared key: the identity")
	set.StringVarP(&f.psk, "psk", "k", "", "pre-shared key: "+keyForms)
	set.StringVar(&f.pskFile, "psk-file", "", "pre-shared keys: lines IDENTITY:HEXKEY, as psktool writes them")
	set.StringVarP(&f.cert, "cert", "c", "", "certificate chain to show, PEM or DER")
	set.StringVarP(&f.key, "key", "j", "", "private key of --cert; - when it stands in the same file")
	set.StringVarP(&f.rpk, "rpk", "M", "", "private key to show as a raw public key (RFC 7250)")
}

// trustFlags say whom to believe.
type trustFlags struct {
	ca       []string
	peerKey  []string
	insecure bool
}

func (f *trustFlags) register(set *pflag.FlagSet, client bool) {
	set.StringArrayVarP(&f.ca, "ca", "C", nil, "CA certificates to trust, PEM or DER; repeatable")
	set.StringArrayVar(&f.peerKey, "peer-key", nil, "the peer's public key: FILE, ni:///sha-256;..., nih:..., sha256//B64 or SHA256:B64; repeatable")
	if client {
		set.BoolVarP(&f.insecure, "insecure", "n", false, "believe any server: for tests only, anyone in between can read and change everything")
	}
}

// dtlsFlags shape the handshake.
type dtlsFlags struct {
	cipher string
	sni    string
	mtu    int
	keylog string
}

func (f *dtlsFlags) register(set *pflag.FlagSet, client bool) {
	set.StringVar(&f.cipher, "cipher", "", "cipher suites by IANA name, in order of preference, separated by commas")
	set.IntVar(&f.mtu, "mtu", 0, "largest UDP payload in bytes, DTLS included (default 1232)")
	set.StringVar(&f.keylog, "keylog", "", "append the session secrets to this file for Wireshark (also SSLKEYLOGFILE)")
	if client {
		set.StringVar(&f.sni, "sni", "", "server name to send, or off (default: the host of the URI)")
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

func (f *messageFlags) register(set *pflag.FlagSet, body bool) {
	if body {
		set.StringVarP(&f.payload, "payload", "e", "", "payload as text")
		set.StringVarP(&f.file, "file", "f", "", "payload from a file; - reads stdin")
		set.BoolVar(&f.hex, "hex", false, "the payload of -e or -f is written in hexadecimal")
		set.StringVarP(&f.contentFormat, "content-format", "t", "", "format of the payload: json, cbor, text, link, ... or a number")
	}
	set.StringVarP(&f.accept, "accept", "A", "", "format wanted in the answer: json, cbor, text, link, ... or a number")
	set.BoolVarP(&f.non, "non", "N", false, "send non-confirmable: no retransmission")
	set.StringArrayVarP(&f.options, "option", "O", nil, "add an option NAME|NUMBER,VALUE (value: text, a number, or 0xHEX); repeatable")
	set.StringVarP(&f.token, "token", "T", "", "token: 0xHEX or text, at most 8 bytes (default: random)")
	f.registerTimeout(set)
}

func (f *messageFlags) registerTimeout(set *pflag.FlagSet) {
	set.DurationVarP(&f.timeout, "timeout", "B", 30*time.Second, "give up after this long, handshake included")
}

// networkFlags shape the socket of a client.
type networkFlags struct {
	bind string
	loss string
	ipv4 bool
	ipv6 bool
}

func (f *networkFlags) register(set *pflag.FlagSet) {
	set.StringVarP(&f.bind, "bind", "a", "", "local address to send from: ADDR, ADDR:PORT or :PORT")
	set.BoolVarP(&f.ipv4, "ipv4", "4", false, "IPv4 only")
	set.BoolVarP(&f.ipv6, "ipv6", "6", false, "IPv6 only")
	f.registerLoss(set)
}

func (f *networkFlags) registerLoss(set *pflag.FlagSet) {
	set.StringVarP(&f.loss, "loss", "l", "", lossForms)
}

// outputFlags shape what is printed.
type outputFlags struct {
	output  string
	include bool
	json    bool
	format  string
}

func (f *outputFlags) register(set *pflag.FlagSet) {
	set.StringVarP(&f.output, "output", "o", "", "write to this file instead of stdout")
	set.BoolVarP(&f.include, "include", "i", false, "first a line with code, format, size, time and security")
	set.StringVar(&f.format, "format", formatAuto, "show the payload as auto, raw, hex, edn, json or text")
	f.registerJSON(set)
}

func (f *outputFlags) registerJSON(set *pflag.FlagSet) {
	set.BoolVar(&f.json, "json", false, "one JSON object per answer (see coaps help get)")
}
