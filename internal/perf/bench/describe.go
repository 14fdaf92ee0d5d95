// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/coaps-go/coaps/internal/perf"
)

// coresVariable tells the program that has been pinned which cores there are.
const coresVariable = "COAPS_BENCH_CORES"

// pinSelfBut pins this process to the clients' core and remembers the other.
func pinSelfBut(server, client int) error {
	if os.Getenv(coresVariable) != "" {
		return nil
	}
	os.Setenv(coresVariable, strconv.Itoa(server)+" "+strconv.Itoa(client)+" "+strconv.Itoa(runtime.NumCPU()))
	return pinSelf(client)
}

func describeMachine() perf.Machine {
	m := perf.Machine{CPU: cpuModel(), OS: osName(), Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, Cores: 1}
	if f := strings.Fields(os.Getenv(coresVariable)); len(f) == 3 {
		m.ServerCore, _ = strconv.Atoi(f[0])
		m.ClientCore, _ = strconv.Atoi(f[1])
		m.Cores, _ = strconv.Atoi(f[2])
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.MemoryMiB = int(uint64(info.Totalram) * uint64(info.Unit) >> 20)
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(text), " ")
		m.Load, _ = strconv.ParseFloat(first, 64)
	}
	return m
}

// valueOf returns what stands after the name in a file of "name: value" or
// NAME=value lines.
func valueOf(file, name, separator string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if n, value, found := strings.Cut(line, separator); found && strings.TrimSpace(n) == name {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

func cpuModel() string { return valueOf("/proc/cpuinfo", "model name", ":") }

func osName() string { return valueOf("/etc/os-release", "PRETTY_NAME", "=") }

// commit is that of the work tree.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// describePrograms lists the contestants, with the reason where one is missing.
func (b *bench) describePrograms() []perf.Program {
	var all []perf.Program
	for _, c := range append(slices.Clone(allContestants), careful) {
		p := perf.Program{Name: c.name, Version: version(c)}
		if c.mode != "" {
			p.Name += ", " + c.mode
		}
		env, argv, err := c.command(b, 5683)
		if err != nil {
			p.Skipped = err.Error()
		} else {
			p.Command = strings.Join(append(env, argv...), " ")
			p.Command = strings.NewReplacer(b.pion, "pion", b.self, "bench", b.dir, "$DIR").Replace(p.Command)
		}
		all = append(all, p)
	}
	return all
}

// version is that of a contestant and of the library that it takes DTLS from.
func version(c *contestant) string {
	switch {
	case strings.HasPrefix(c.name, "libcoap-gnutls"):
		return debian("libcoap3-bin") + ", GnuTLS " + debian("libgnutls30")
	case strings.HasPrefix(c.name, "libcoap-openssl"):
		return debian("libcoap3-bin") + ", OpenSSL " + debian("libssl3")
	case c.name == "libcoap":
		return debian("libcoap3-bin")
	case c.name == "pion":
		return "pion/dtls " + valueOf("tools/peers/pion/go.mod", "require github.com/pion/dtls/", "v3 ")
	}
	return "this commit"
}

// debian is the version of an installed package.
func debian(name string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		return "(version unknown)"
	}
	return string(out)
}
