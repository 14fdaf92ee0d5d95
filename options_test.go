// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
)

// Pitfall R3: thousands of options, of one byte each, cost the server nothing
// but their octets: no handler sees them.
func TestManyOptionsAreRefused(t *testing.T) {
	var handled atomic.Int32
	s := newStage(t, HandlerFunc(func(ResponseWriter, *Request) { handled.Add(1) }), nil)
	conn := must(net.Dial("udp", strings.TrimPrefix(s.plain, "coap://")))
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	for i, tt := range []struct {
		options int
		want    coap.Code
	}{{maxOptions, coap.Content}, {maxOptions + 1, coap.BadRequest}, {65_000, coap.BadRequest}} {
		m := coap.Message{Code: coap.GET, MessageID: uint16(i), Token: []byte{byte(i)}}
		m.Options = coap.AppendOption(nil, 0, coap.IfMatch, nil)
		m.Options = append(m.Options, make([]byte, tt.options-1)...) // the same again
		conn.Write(must(m.AppendTo(nil)))
		buf := make([]byte, 1500)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := coap.Parse(buf[:n]); err != nil || r.MessageID != uint16(i) || r.Code != tt.want {
			t.Errorf("%d options: %v, %v, want %v", tt.options, r.Code, err, tt.want)
		}
	}
	if got := s.server.Stats().OptionsRefused; got != 2 || handled.Load() != 1 {
		t.Errorf("%d refused, %d handled", got, handled.Load())
	}
}

// A server can send as many, within what it is trusted with.
func TestManyOptionsInAResponse(t *testing.T) {
	s := newStage(t, HandlerFunc(func(w ResponseWriter, _ *Request) {
		for range maxOptions + 1 {
			w.SetOption(coap.LocationPath, nil)
		}
	}), nil)
	_, err := s.client(allModes[0]).Get(timeout(t), s.plain)
	if e := wantReason(t, err, ReasonBadResponse); !errors.Is(e, errTooManyOptions) {
		t.Errorf("cause %v", e.Err)
	}
}
