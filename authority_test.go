// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
)

// A Uri-Host given by the caller takes the place of the URI's host: it must not
// occur twice (RFC 7252 section 5.4.5, and table 4).
func TestURIHostIsReplaced(t *testing.T) {
	mux := NewMux()
	mux.HandleFunc("/host", func(w ResponseWriter, r *Request) { fmt.Fprintf(w, "%q", r.Host) })
	s := newStage(t, mux, nil)
	c := s.client(security.NoSec)
	uri := strings.Replace(s.plain, "127.0.0.1", "localhost", 1) + "/host"
	c.Network = "udp4"
	for _, test := range []struct {
		options coap.OptionList
		want    string
	}{
		{nil, `"localhost"`},
		{coap.OptionList{{Number: coap.URIHost, Value: []byte("virtual.example")}}, `"virtual.example"`},
	} {
		response, err := c.Do(timeout(t), &Request{URI: uri, Options: test.options})
		if err != nil {
			t.Fatal(err)
		}
		if response.Code != coap.Content || string(response.Payload) != test.want {
			t.Errorf("%v: %v %s, want %s", test.options, response.Code, response.Payload, test.want)
		}
	}
}

// An address behind an interface that does not exist is refused at once, not by
// waiting for an answer that cannot come.
func TestUnknownZone(t *testing.T) {
	c := &Client{}
	defer c.Close()
	for _, uri := range []string{"coap://[fe80::1%25nosuchinterface]/", "coap://[fe80::1%2599999]/"} {
		start := time.Now()
		_, err := c.Get(timeout(t), uri)
		e := wantReason(t, err, ReasonUnreachable)
		if e.Err == nil || !strings.Contains(e.Err.Error(), "interface") {
			t.Errorf("%s: %v", uri, err)
		}
		if took := time.Since(start); took > promptly {
			t.Errorf("%s: took %v", uri, took)
		}
	}
}
