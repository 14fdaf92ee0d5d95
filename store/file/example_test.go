// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store/file"
)

// Devices in a file that people edit.
func ExampleOpen() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "devices.yaml")
	const devices = `
devices:
  sensor-7:
    groups: [sensors]
    psk: [{key: "hex:00112233445566778899aabbccddeeff"}]
acl:
  - allow group:sensors POST /telemetry/{device}
`
	if err := os.WriteFile(path, []byte(devices), 0o600); err != nil {
		log.Fatal(err)
	}

	s, err := file.Open(path, registry.Records, file.Options{})
	if err != nil {
		log.Fatal(err) // with line and column
	}
	defer s.Close()
	for device, err := range registry.New(s).Devices(context.Background(), registry.Filter{}) {
		fmt.Println(device.Name, device.Groups, len(device.Credentials), err)
	}
	// Output: sensor-7 [sensors] 1 <nil>
}
