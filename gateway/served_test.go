// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"os"
	"path/filepath"
	"testing"
)

// What the server keeps to itself is not served, whichever way leads there.
func TestVisible(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"fw/sub", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "fw"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		root, path string
		want       bool
	}{
		{"fw", "fw/server.key", true}, {"fw", "fw/sub/server.key", true}, {"fw", "link/server.key", true}, {"link", "fw/server.key", true},
		{".", "etc/coaps.yaml", true}, {"fw", "etc/server.key", false}, {"fw", "fw.key", false}, {"fw", "fw/.keys/server.key", false}, {"fw", ".", false}, {"etc", "fw/../etc/x", true},
	} {
		if got := visible(filepath.Join(dir, test.root), filepath.Join(dir, test.path)); got != test.want {
			t.Errorf("%s below %s: %v", test.path, test.root, got)
		}
	}
}

// A device that may not read a list finds what it may use in that of the server, and
// nothing else of what there is.
func TestListOfWhatIsOnesOwn(t *testing.T) {
	r := start(t, liveConfig+`
acl:
  rules:
    - allow authenticated GET /.well-known/core
    - allow group:sensors GET,PUT /store/{device}
    - allow group:sensors GET /fw/common.bin
    - allow group:sensors GET /fw/own/{device}/**
    - allow group:sensors GET /fw/own      # no list: that is /fw/own/
    - allow group:sensors GET /fw/other.bin/ # no file
    - allow device:admin * /**
resources:
  hello: false
  time: false
  whoami: false
  store: {path: /store/}
  files: [{path: /fw/, dir: fw}]
`, map[string]string{"fw/common.bin": "1", "fw/other.bin": "2", "fw/own/sensor-7/a.bin": "3", "fw/own/sensor-8/a.bin": "4", "fw/.own/sensor-7": "5"})
	for _, name := range []string{"sensor-7", "sensor-8"} {
		r.addDevice(name, "sensors")
		r.peer(name).put("/store/"+name, "value")
	}
	r.addDevice("admin")
	for name, want := range map[string]string{
		"sensor-7": `</fw/common.bin>;sz=1;ct=42;obs,</fw/own/sensor-7/>;ct=40;obs,</store/sensor-7>;sz=5;obs`,
		"sensor-8": `</fw/common.bin>;sz=1;ct=42;obs,</fw/own/sensor-8/>;ct=40;obs,</store/sensor-8>;sz=5;obs`,
		"admin":    `</fw/>;ct=40;obs,</store/>;title="Keeps what you PUT, until the server ends";obs`,
	} {
		response, err := r.peer(name).client.Get(t.Context(), "coaps://"+r.secure.String()+"/.well-known/core")
		if err != nil || string(response.Payload) != want {
			t.Errorf("%s: %v, %v, want %s", name, response, err, want)
		}
	}
}
