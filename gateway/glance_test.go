// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
)

// stalled is a store on a disk that does not answer until hold is closed.
type stalled struct {
	store.Store
	hold chan struct{}
}

func (s *stalled) Current() error {
	<-s.hold
	return nil
}

// A disk that hangs makes nobody wait who asks how the store does: that is the
// answer. What looks after the health of the server goes on.
func TestDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &stalled{memory.New(), make(chan struct{})}
		defer disk.Close()
		there, err := os.Executable() // any file: nobody is to open it
		if err != nil {
			t.Fatal(err)
		}
		p := &provision{store: disk, base: disk, url: "bolt:" + there}
		began := time.Now()
		for range 3 {
			asked := time.Now()
			status := p.storeStatus()
			if status.OK || !errors.Is(status.Err, errHangs) || !errors.Is(status.Err, store.ErrUnavailable) {
				t.Errorf("status %+v", status)
			}
			if took := time.Since(asked); took != glanceTime {
				t.Errorf("it took %v", took)
			}
			if since := status.Since.Sub(began); since != glanceTime {
				t.Errorf("it hangs since %v after the beginning", since)
			}
		}
		asked := time.Now()
		(&server{}).openReplaced(t.Context(), p)
		if took := time.Since(asked); took != glanceTime {
			t.Errorf("a new file was looked for for %v", took)
		}
		close(disk.hold)
		synctest.Wait()
		if status := p.storeStatus(); !status.OK {
			t.Errorf("it answers again: %+v", status)
		}
	})
}
