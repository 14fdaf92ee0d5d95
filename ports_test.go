// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/udp"
)

// A server that is told no address takes the default ports, in both families,
// and of the two only those it is to serve.
func TestDefaultPorts(t *testing.T) {
	anyone := &security.Config{PSK: must(keys.NewPSKMap(must(keys.NewPSK([]byte("device"), make([]byte, 16)))))}
	for _, test := range []struct {
		plain  bool
		secure *security.Config
		want   []string
	}{
		{true, nil, []string{"udp :5683"}},
		{false, anyone, []string{"udp :5684"}},
		{true, anyone, []string{"udp :5683", "udp :5684"}},
	} {
		var got []string
		s := &Server{NoSec: test.plain, Security: test.secure, ListenPacket: func(network, addr string) (udp.Conn, error) {
			got = append(got, network+" "+addr)
			if len(got) < len(test.want) {
				return socket(t), nil
			}
			return nil, errors.New("that is all")
		}}
		if err := s.Listen(); err == nil {
			t.Error("listens without a socket")
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(diff)
		}
	}
}
