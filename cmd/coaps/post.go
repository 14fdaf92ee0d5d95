// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/coap"
)

func (a *app) postCommand() *cobra.Command {
	return a.requestCommand(coap.POST, true, &cobra.Command{
		Use:   "post URI",
		Short: "have a resource process a payload",
		Long: `Send a POST request and print the payload of the answer. Where the server
created something, -i shows its location.

` + credentialHelp,
		Example: `  coaps post -e '{"on":true}' -t json coap://gw.example.net/lamp
  coaps post -i -f reading.cbor -t cbor --psk-file me.psk coaps://gw.example.net/telemetry`,
	})
}
