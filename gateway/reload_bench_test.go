// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
)

// devicesFile is a file of n devices, JSON, of which one has a label.
func devicesFile(n int, label string) string {
	var b strings.Builder
	b.WriteString(`{"acl":["allow authenticated GET /hello"],"devices":{"sensor-7":{"label":"` + label + `","psk":[{"key":"text:the key of sensor-7 is this"}]}`)
	for i := range n {
		fmt.Fprintf(&b, `,"d-%d":{"groups":["g"],"psk":[{"key":"hex:%032x"}]}`, i, i+1)
	}
	b.WriteString("}}")
	return b.String()
}

// BenchmarkReload100k reads 100,000 devices from a file again, of which one has
// changed, while a client asks one request after the other. slowest-ms is the
// longest that one of its requests took.
func BenchmarkReload100k(b *testing.B) {
	const devices = 100_000
	r := start(b, strings.Replace(liveConfig, "bolt:devices.db", "file:devices.json", 1)+"log: {level: error}\n", map[string]string{"devices.json": devicesFile(devices, "")})
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")
	ctx, cancel := context.WithCancel(b.Context())
	var slowest, asked atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		uri := "coaps://" + r.secure.String() + "/hello"
		for ctx.Err() == nil {
			begin := time.Now()
			if _, err := sensor.client.Do(ctx, &coaps.Request{URI: uri}); err != nil {
				return
			}
			slowest.Store(max(slowest.Load(), int64(time.Since(begin))))
			asked.Add(1)
		}
	}()
	files := []string{devicesFile(devices, "a"), devicesFile(devices, "b")}
	n := 0
	for b.Loop() {
		r.write("devices.json", files[n%2])
		n++
		if _, err := r.client.Reload(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	cancel()
	<-ended
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
	b.ReportMetric(float64(asked.Load())/float64(n), "requests/reload")
}
