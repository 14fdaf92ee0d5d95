// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/coap"
)

func (a *app) deleteCommand() *cobra.Command {
	return a.requestCommand(coap.DELETE, false, &cobra.Command{
		Use:   "delete URI",
		Short: "remove a resource",
		Long: `Send a DELETE request. It succeeds (2.02) also when there was nothing to
remove.

` + credentialHelp,
		Example: `  coaps delete coap://localhost/store/temp
  coaps delete --psk-file demo.psk coaps://localhost/store/7`,
	})
}
