// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/coap"
)

func (a *app) putCommand() *cobra.Command {
	return a.requestCommand(coap.PUT, true, &cobra.Command{
		Use:   "put URI",
		Short: "store a resource",
		Long: `Send a PUT request: the resource is created (2.01) or changed (2.04). The
payload comes from -e or -f and must fit into one datagram.

` + credentialHelp,
		Example: `  coaps put -e 21.5 coap://localhost/store/temp
  coaps put -f reading.cbor -t cbor --psk-file demo.psk coaps://localhost/store/7
  date | coaps put -f - coap://localhost/store/now
  coaps put -e 'a1 01 02' --hex -t cbor coap://localhost/store/map`,
	})
}
