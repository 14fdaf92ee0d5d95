// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bolt

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
)

// million is how many devices the benchmarks have; with -short, a hundredth.
func million() int {
	if testing.Short() {
		return 10_000
	}
	return 1_000_000
}

// indexKey is the key of the n-th device's index record: as if of a hash, so in
// no order.
func indexKey(n int) string {
	return "i/" + string(binary.BigEndian.AppendUint64(nil, uint64(n)*0x9e3779b97f4a7c15))
}

func deviceKey(n int) string { return fmt.Sprintf("d/default/sensor-%07d", n) }

// devices are two records a device, as they come from a list of devices.
func devices(n int) iter.Seq2[store.Op, error] {
	value := bytes.Repeat([]byte(`{"psk":"0123456789abcdef"}`), 10)[:250]
	return func(yield func(store.Op, error) bool) {
		for i := range n {
			key := deviceKey(i)
			if !yield(store.Op{Key: key, Value: value, IfVersion: store.Absent}, nil) ||
				!yield(store.Op{Key: indexKey(i), Value: []byte(key), IfVersion: store.Absent}, nil) {
				return
			}
		}
	}
}

// resident returns the memory of the process that is not the page cache's.
func resident(tb testing.TB) (octets float64) {
	tb.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		tb.Skip("needs /proc")
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
		switch name {
		case "VmRSS":
			octets += n * 1024
		case "RssFile":
			octets -= n * 1024
		}
	}
	return octets
}

func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMillion loads two records for each of a million devices into an
// empty store, once, and then looks them up in no order, two Gets each. The
// metrics: time, CPU and memory of the Load, its file; CPU and memory of a
// look-up. Memory is beyond the page cache.
func BenchmarkMillion(b *testing.B) {
	n := million()
	s := opened(b, filepath.Join(b.TempDir(), "devices.db"))
	ctx := context.Background()
	peak, stop := watchMemory(b)
	begin, used := time.Now(), cpu(b)
	if _, err := s.Load(ctx, devices(n)); err != nil {
		b.Fatal(err)
	}
	loaded, burnt := time.Since(begin), cpu(b)-used
	stop()
	info, err := os.Stat(s.path)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	rnd := rand.New(rand.NewPCG(1, 2))
	used = cpu(b)
	b.ReportAllocs()
	for b.Loop() {
		r, err := s.Get(ctx, indexKey(rnd.IntN(n)))
		if err == nil {
			_, err = s.Get(ctx, string(r.Value))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu(b)-used).Nanoseconds())/float64(b.N), "cpu-ns/lookup")
	b.ReportMetric(resident(b)/1e6, "MB")
	b.ReportMetric(loaded.Seconds(), "load-s")
	b.ReportMetric(burnt.Seconds(), "load-cpu-s")
	b.ReportMetric(*peak/1e6, "load-MB")
	b.ReportMetric(float64(info.Size())/1e6, "file-MB")
}

// watchMemory takes the greatest resident memory until stop is called.
func watchMemory(b *testing.B) (peak *float64, stop func()) {
	peak = new(float64)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			*peak = max(*peak, resident(b))
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return peak, func() { close(done); <-ended }
}

// BenchmarkLoadOver loads a hundredth over a full store.
func BenchmarkLoadOver(b *testing.B) {
	n := million()
	s := opened(b, filepath.Join(b.TempDir(), "devices.db"))
	ctx := context.Background()
	if _, err := s.Load(ctx, devices(n)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, err := s.Load(ctx, func(yield func(store.Op, error) bool) {
			for i := range n / 100 {
				if !yield(store.Op{Key: deviceKey(i * 100), Value: []byte("{}")}, nil) {
					return
				}
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	s := opened(b, filepath.Join(b.TempDir(), "devices.db"))
	ctx := context.Background()
	if _, err := s.Load(ctx, devices(10_000)); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if err := store.Put(ctx, s, deviceKey(i%10_000), []byte("{}")); err != nil {
			b.Fatal(err)
		}
	}
}
