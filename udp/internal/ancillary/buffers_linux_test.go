// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ancillary

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Who may get more than the system's limit gets it; who may not gets as much as
// the limit allows, and no error.
func TestSetBuffers(t *testing.T) {
	limit := 2 * readNumber(t, "/proc/sys/net/core/rmem_max") // as the kernel counts
	for _, privileged := range []bool{true, false} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // for good: the thread ends with what it has lost
			if !privileged {
				dropNetAdmin()
			}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer unix.Close(fd)
			mayForce := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 100_000) == nil
			if mayForce && !privileged {
				t.Error("the right to force it is still there")
			}
			for _, asked := range []int{100_000, limit} {
				SetBuffers(fd, asked)
				want := 2 * asked
				if !mayForce {
					want = min(want, limit)
				}
				if receive, send := Buffers(fd); receive != want || send < 100_000 {
					t.Errorf("asked for %d, may force it %v: %d and %d bytes, want %d", asked, mayForce, receive, send, want)
				}
			}
		}()
		<-done
	}
}

// dropNetAdmin gives up the right of the thread, if it has it.
func dropNetAdmin() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) == nil {
		data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		_ = unix.Capset(&header, &data[0])
	}
}

func readNumber(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Skip(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
