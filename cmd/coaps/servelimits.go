// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/gateway"
)

// parseLimits reads every --limit NAME=VALUE.
func parseLimits(cmd *cobra.Command, specs []string) (gateway.Limits, error) {
	var l gateway.Limits
	for _, spec := range specs {
		name, value, _ := strings.Cut(spec, "=")
		one := gateway.LimitNamed(name)
		if one == nil {
			return l, usage(cmd, "--limit %q: the limits are %s", spec, limitNames())
		}
		if err := one.Set(&l, value); err != nil {
			return l, usage(cmd, "--limit %q: %v", spec, err)
		}
	}
	return l, nil
}

func limitNames() string {
	names := make([]string, len(gateway.LimitTable))
	for i, one := range gateway.LimitTable {
		names[i] = one.Name
	}
	return strings.Join(names, ", ")
}

// limitHelp is the part of serve's help that explains --limit.
func limitHelp() string {
	var text strings.Builder
	text.WriteString("--limit bounds what others can make the server hold or do, for each port. What is\nrefused is counted; -v shows the counters at the end. Rates: 0 is none.\n")
	for _, one := range gateway.LimitTable {
		fmt.Fprintf(&text, "\n  %-18s %s", one.Name, one.Help)
	}
	return text.String()
}
