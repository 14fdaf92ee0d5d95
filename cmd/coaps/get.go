// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/coap"
)

// credentialHelp is the part of the help that the four request commands share.
const credentialHelp = `What to show and whom to believe, for coaps:// (plain coap:// needs nothing):

  PreSharedKey   --psk-file FILE            lines IDENTITY:HEXKEY; -u picks one
                 -u ID -k KEY               KEY: 0xHEX, b64:..., text:..., @FILE,
                                            env:VAR, or - to be asked
  RawPublicKey   --peer-key NAME [-M KEY]   the server's key by name or file, and
                                            ours, if the server wants to know us
  Certificate    -C CA [-c CERT -j KEY]     the host of the URI must be in the
                                            server's certificate

The payload goes to stdout and nothing else does; notes and errors go to
stderr. An error is three lines: what failed, the reason as one word, and what
to try.

Exit codes: 0 success, 2 usage, 3 local set-up, 4 and 5 the server answered
4.xx or 5.xx, 6 name not resolved, 7 refused, 28 timed out, 35 handshake
failed, 60 server not trusted, 130 interrupted, 1 anything else.`

func (a *app) getCommand() *cobra.Command {
	return a.requestCommand(coap.GET, false, &cobra.Command{
		Use:   "get URI",
		Short: "fetch a resource",
		Long: `Send a GET request and print the payload of the answer.

` + credentialHelp + `

--json prints one object, on success and on failure alike: v (schema version,
1), uri, method, code, ok, type, mid, token, options, content_format, payload
(base64 if payload_encoding says so), rtt_ms, retransmissions, bytes {up, down,
handshake_up, handshake_down}, dtls {version, cipher, group, peer {mode,
identity}}, error {kind, reason, detail, hint}.`,
		Example: `  coaps get coap://localhost/time
  coaps get --psk-file demo.psk coaps://localhost/hello
  coaps get -u sensor-7 -k @sensor-7.key -i coaps://gw.example.net/cfg
  coaps get -M me.key --peer-key 'ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi' coaps://192.0.2.9/hello
  coaps get -C plant-ca.pem -c me.crt -j me.key -A cbor --format edn coaps://gw.plant.example/whoami`,
	})
}
