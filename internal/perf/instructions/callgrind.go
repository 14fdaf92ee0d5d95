// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/cpu"
)

// platform is what the counts depend on beside the code: the compiler, and the
// features of the processor that the standard library chooses its code by.
func platform() string {
	var features []string
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"aes", cpu.X86.HasAES}, {"pclmulqdq", cpu.X86.HasPCLMULQDQ}, {"avx2", cpu.X86.HasAVX2}, {"bmi2", cpu.X86.HasBMI2},
		{"adx", cpu.X86.HasADX}, {"erms", cpu.X86.HasERMS}, {"arm64-aes", cpu.ARM64.HasAES},
	} {
		if f.has {
			features = append(features, f.name)
		}
	}
	return runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + " " + strings.Join(features, ",")
}

// countAll counts each path, as many at a time as there are processors.
func countAll() (map[string]uint64, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	totals := make([][2]uint64, len(paths))
	failures := make([]error, 2*len(paths))
	room := make(chan struct{}, runtime.NumCPU())
	var all sync.WaitGroup
	for i, p := range paths {
		for j, n := range []int{p.few, p.many} {
			all.Go(func() {
				room <- struct{}{}
				totals[i][j], failures[2*i+j] = callgrind(self, p.name, n)
				<-room
			})
		}
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			return nil, err
		}
	}
	counts := map[string]uint64{}
	for i, p := range paths {
		counts[p.name] = (totals[i][1] - totals[i][0]) / uint64(p.many-p.few)
	}
	return counts, nil
}

var collected = regexp.MustCompile(`(?m)^==\d+== Collected : (\d+)$`)

// callgrind returns the instructions of a whole run. One processor, no
// collection and no preemption make it repeatable to about a thousandth.
func callgrind(program, path string, n int) (uint64, error) {
	cmd := exec.Command("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "-run", path, "-n", strconv.Itoa(n))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	m := collected.FindSubmatch(out)
	if err != nil || m == nil {
		return 0, fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return strconv.ParseUint(string(m[1]), 10, 64)
}
