// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"iter"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
	"github.com/coaps-go/coaps/store/file"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/redis"
	"github.com/coaps-go/coaps/store/redis/redistest"
	"github.com/coaps-go/coaps/store/sealed"
)

// manyDevices is a sequence of n devices with a key each.
func manyDevices(n int) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		for i := range n {
			name := "sensor-" + strconv.Itoa(i)
			key := keys.NewSecret(fmt.Appendf(nil, "%016d", i))
			d := Device{Name: name, Groups: []string{"sensors"}, Credentials: []Credential{{PSK: &PSK{Identity: []byte(name), Key: key}}}}
			if !yield(d, nil) {
				return
			}
		}
	}
}

// openBolt opens a store in a file of its own.
func openBolt(b testing.TB, path string) *bolt.Store {
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// devicesInBench is how many devices the benchmarks have; COAPS_DEVICES=1000000
// asks for a million.
func devicesInBench() int {
	if n, err := strconv.Atoi(os.Getenv("COAPS_DEVICES")); err == nil {
		return n
	}
	return 20_000
}

func BenchmarkImport(b *testing.B) {
	n := devicesInBench()
	for b.Loop() {
		s := openBolt(b, b.TempDir()+"/devices.db")
		if got, err := New(s).Import(b.Context(), manyDevices(n), ImportOptions{}); err != nil || got.Added != n {
			b.Fatal(got, err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/import")
	b.ReportMetric(float64(n), "devices")
}

// backEnds are stores with many devices.
var backEnds = []struct {
	name string
	open func(b *testing.B) store.Store
}{
	{"memory", func(b *testing.B) store.Store { return filled(b, memory.New()) }},
	{"file", openFile},
	{"bolt", func(b *testing.B) store.Store { return filled(b, openBolt(b, b.TempDir()+"/devices.db")) }},
	{"sealed", openSealed},
	{"redis", openRedis},
}

// BenchmarkFetch is a look-up of a credential that is not in memory: the whole of
// Fetch, in one back end after the other. cpu-ns/op is the time of this process: of
// Redis, which is another one, it has the client's part.
//
//	COAPS_DEVICES=1000000 go test ./security/registry -run '^$' -bench 'Fetch/(bolt|sealed|redis)|Cached' -benchtime 3s -timeout 30m
//	COAPS_DEVICES=100000 go test ./security/registry -run '^$' -bench 'Fetch/(memory|file)' -benchtime 3s
func BenchmarkFetch(b *testing.B) {
	for _, back := range backEnds {
		b.Run(back.name, func(b *testing.B) { benchmarkFetch(b, back.open(b)) })
	}
}

// filled imports the devices.
func filled(b *testing.B, s store.Store) store.Store {
	b.Helper()
	if _, err := New(s).Import(b.Context(), manyDevices(devicesInBench()), ImportOptions{}); err != nil {
		b.Fatal(err)
	}
	return s
}

func openFile(b *testing.B) store.Store {
	doc := []byte(`{"devices":{`)
	for d := range manyDevices(devicesInBench()) {
		if len(doc) > len(`{"devices":{`) {
			doc = append(doc, ',')
		}
		doc = d.AppendJSON(append(appendText(doc, d.Name), ':'))
	}
	path := b.TempDir() + "/devices.json"
	if err := os.WriteFile(path, append(doc, "}}"...), 0o600); err != nil {
		b.Fatal(err)
	}
	s, err := file.Open(path, Records, file.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// openSealed is bolt with sealed values.
func openSealed(b *testing.B) store.Store {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	s, err := sealed.Open(b.Context(), openBolt(b, b.TempDir()+"/devices.db"), sealed.Keys{Identities: []age.Identity{identity}})
	if err != nil {
		b.Fatal(err)
	}
	return filled(b, s)
}

// openRedis is a server on the loopback interface.
func openRedis(b *testing.B) store.Store {
	o, err := redis.Parse(redistest.Start(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	s, err := redis.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return filled(b, s)
}

// cpuTime is the processor time of this process so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchmarkFetch(b *testing.B, s store.Store) {
	ctx, n := context.Background(), devicesInBench()
	claims := make([]security.Claim, 10_000)
	for i := range claims {
		claims[i].PSKIdentity = fmt.Appendf(nil, "sensor-%d", i*7919%n)
	}
	d := NewDirectory(s, Options{Entries: 1000})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ReportAllocs()
	i, cpu := 0, cpuTime()
	for b.Loop() {
		if e := d.Fetch(ctx, &claims[i%len(claims)], time.Now()); e.Device == "" {
			b.Fatalf("%+v", e)
		}
		i++
	}
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N), "cpu-ns/op")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc)/1e6, "MB-heap")
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1e6, "MB-kept")
}

// What a credential in memory costs.
func BenchmarkCacheMemory(b *testing.B) {
	const n = 1 << 16
	r := New(openBolt(b, b.TempDir()+"/devices.db"))
	if _, err := r.Import(b.Context(), manyDevices(n), ImportOptions{}); err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	for b.Loop() {
		d := NewDirectory(r.Store(), Options{})
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range n {
			d.Fetch(b.Context(), &security.Claim{PSKIdentity: fmt.Appendf(nil, "sensor-%d", i)}, time.Now())
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(d.Status().Cached), "bytes/credential")
	}
}

// A file that people edit, read anew.
func BenchmarkRecords(b *testing.B) {
	n := devicesInBench()
	doc := []byte(`{"devices":{`)
	for d := range manyDevices(n) {
		if len(doc) > 12 {
			doc = append(doc, ',')
		}
		doc = d.AppendJSON(append(appendText(doc, d.Name), ':'))
	}
	doc = append(doc, "}}"...)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if records, err := Records(doc); err != nil || len(records) != 2*n {
			b.Fatal(len(records), err)
		}
	}
}
