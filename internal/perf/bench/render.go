// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"

	"github.com/coaps-go/coaps/internal/perf"
)

// renderCommand makes the documents of the results, beside these.
func renderCommand(args []string) error {
	set := flag.NewFlagSet("render", flag.ExitOnError)
	in := set.String("in", "docs/performance.json", "`file` with the results of bench run")
	soak := set.String("soak", "docs/soak.json", "`file` with those of bench soak; it may be missing")
	set.Parse(args)
	results, err := perf.Read(*in)
	if err != nil {
		return err
	}
	files, err := results.Document()
	if err != nil {
		return err
	}
	if err := files.Write(filepath.Dir(*in)); err != nil {
		return err
	}
	return renderSoak(*soak)
}

func renderSoak(file string) error {
	report, err := perf.ReadSoak(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	files, err := report.Document()
	if err != nil {
		return err
	}
	return files.Write(filepath.Dir(file))
}
