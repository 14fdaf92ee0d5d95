// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// A served directory is open once, however often the configuration is read, well or
// badly, and whether the collector has run or not; another one in its place is opened.
func TestReloadOpensNoMore(t *testing.T) {
	config := liveConfig + "acl: {rules: [\"allow authenticated GET /**\"]}\nresources: {files: [{path: /fw/, dir: fw}]}\n"
	r := start(t, config, map[string]string{"fw/a.txt": "one"})
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 5 {
		r.write("coaps.yaml", config+"dtls: {ciphers: [none]}\n")
		if _, err := r.client.Reload(t.Context()); err == nil {
			t.Error("a bad configuration was taken")
		}
		r.write("coaps.yaml", config+"log: {audit: none/audit.log}\n")
		if _, err := r.client.Reload(t.Context()); err == nil {
			t.Error("a log that cannot be opened was taken")
		}
		r.write("coaps.yaml", config)
		if _, err := r.client.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		sensor.want("/fw/a.txt", "2.05")
	}
	if n := r.opened("fw"); n != 1 {
		t.Errorf("the directory is open %d times", n)
	}
	if err := os.Rename(r.path("fw"), r.path("before")); err != nil {
		t.Fatal(err)
	}
	r.write("fw/b.txt", "two")
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	sensor.want("/fw/b.txt", "2.05")
	sensor.want("/fw/a.txt", "4.04")
}

// opened is how often a file of the test is open in this process.
func (r *running) opened(name string) (n int) {
	r.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		r.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == r.path(name) {
			n++
		}
	}
	return n
}
