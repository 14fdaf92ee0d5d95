// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/load"
)

func TestParseMix(t *testing.T) {
	for _, c := range []struct {
		spec string
		non  bool
		want []load.Request
	}{
		{spec: "GET /a", want: []load.Request{{Weight: 1, Method: coap.GET, Path: "/a"}}},
		{spec: "get /a?x=1 90%, POST /b 10 64B", want: []load.Request{
			{Weight: 90, Method: coap.GET, Path: "/a?x=1"},
			{Weight: 10, Method: coap.POST, Path: "/b", PayloadSize: 64}}},
		{spec: "put /c 8b 3 non,iPATCH /", want: []load.Request{
			{Weight: 3, Method: coap.PUT, Path: "/c", PayloadSize: 8, NonConfirmable: true},
			{Weight: 1, Method: coap.IPATCH, Path: "/"}}},
		{spec: "GET /a con, GET /b", non: true, want: []load.Request{
			{Weight: 1, Method: coap.GET, Path: "/a"},
			{Weight: 1, Method: coap.GET, Path: "/b", NonConfirmable: true}}},
	} {
		got, err := parseMix(c.spec, c.non)
		if err != nil {
			t.Errorf("%q: %v", c.spec, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q: %s", c.spec, diff)
		}
	}
}

func TestParseMixRefuses(t *testing.T) {
	for _, spec := range []string{"", "GET", "/a", "GET a", "GET /a,", "GET /a 0", "GET /a -1", "GET /a 1 2", "GET /a 1B 2B",
		"GET /a con non", "GET /a 65508B", "GET /a xB", "GET /a B", "FROB /a", "GET /a 1000001", "EMPTY /a", "2.05 /a"} {
		if mix, err := parseMix(spec, false); err == nil {
			t.Errorf("%q is taken as %v", spec, mix)
		}
	}
}

func FuzzParseMix(f *testing.F) {
	f.Add("GET /a 90, POST /b 10 64B")
	f.Add("put /c 8b 3% non,iPATCH /")
	f.Fuzz(func(t *testing.T, spec string) {
		mix, err := parseMix(spec, false)
		if err != nil {
			return
		}
		for _, r := range mix {
			if !r.Method.IsRequest() || r.Weight < 1 || r.PayloadSize < 0 || r.PayloadSize > maxPayload || r.Path[0] != '/' {
				t.Errorf("%q: %+v", spec, r)
			}
		}
	})
}
