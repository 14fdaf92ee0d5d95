// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Command instructions counts the instructions of the server's hot paths and
// compares them with those on record.
//
//	go run ./internal/perf/instructions           compare with the record
//	go run ./internal/perf/instructions -accept   make the counts the record
//
// A count does not depend on what else the machine does, so it shows a change of
// a few per cent that no clock would. It is made by callgrind: each path runs
// twice, more often the second time, and the difference is the cost, without
// that of starting up. It depends on the compiler and on what the processor can
// do, so the record names both, and where they differ nothing is compared.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

func main() {
	var (
		record = flag.String("record", "internal/perf/instructions/record.txt", "the `file` with the counts to compare with")
		accept = flag.Bool("accept", false, "write the counts to the record")
		run    = flag.String("run", "", "run the `path` instead, as it is run under callgrind")
		times  = flag.Int("n", 0, "how often to take it")
	)
	flag.Parse()
	var err error
	if *run != "" {
		err = take(*run, *times)
	} else {
		err = count(*record, *accept)
	}
	switch {
	case errors.Is(err, errSkipped):
		fmt.Println(err)
	case err != nil:
		fmt.Fprintln(os.Stderr, "instructions:", err)
		os.Exit(1)
	}
}

// errSkipped says that there is nothing to compare, which is no failure.
var errSkipped = errors.New("skipped")

// take runs one path.
func take(name string, n int) error {
	i := slices.IndexFunc(paths, func(p path) bool { return p.name == name })
	if i < 0 {
		return fmt.Errorf("there is no path %q", name)
	}
	return paths[i].run(paths[i].many, n)
}

// count counts all paths and compares, or accepts, what comes out.
func count(file string, accept bool) error {
	if _, err := exec.LookPath("valgrind"); err != nil {
		return fmt.Errorf("%w: valgrind is not installed", errSkipped)
	}
	here := platform()
	old, err := readRecord(file)
	switch {
	case accept && errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case !accept && old.platform != here:
		return fmt.Errorf("%w: the record is of\n  %s\nand this is\n  %s\nSuch counts cannot be compared", errSkipped, old.platform, here)
	}
	counts, err := countAll()
	if err != nil {
		return err
	}
	for _, line := range compare(old.counts, counts) {
		fmt.Println(line)
	}
	if accept {
		return os.WriteFile(file, []byte(newRecord(here, counts)), 0o644)
	}
	return judge(old.counts, counts)
}
