// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"strconv"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
)

// The sizes of records that a client and a server ask of each other are those
// that the other one keeps to.
func TestRecordSizes(t *testing.T) {
	const all = 1 << 14
	for _, test := range []struct {
		limit, fragment int // the client's RecordSizeLimit and MaxFragmentLength
		server          int // the server's RecordSizeLimit
		down, up        int // what each side may put into one record
		tooLargeUp      int // a payload that the client refuses to send
	}{
		{0, 0, 0, all, all, 5000},
		{0, 512, 0, 512, 512, 512},
		{300, 0, 0, 300, all, 5000},
		{300, 512, 200, 300, 200, 200},
	} {
		s := newStage(t, HandlerFunc(func(w ResponseWriter, r *Request) {
			w.Write([]byte(strconv.Itoa(r.Peer.Facts.PeerMaxFragment)))
		}), func(s *Server) { s.RecordSizeLimit = test.server })
		c := s.client(security.PreSharedKey)
		c.RecordSizeLimit, c.MaxFragmentLength = test.limit, test.fragment
		r, err := c.Get(timeout(t), s.secure+"/")
		if err != nil {
			t.Fatal(err)
		}
		if up, down := r.Peer.Facts.PeerMaxFragment, string(r.Payload); up != test.up || down != strconv.Itoa(test.down) {
			t.Errorf("%+v: records of %d bytes up and %s down", test, up, down)
		}
		_, err = c.Put(timeout(t), s.secure+"/", coap.OctetStream, make([]byte, test.tooLargeUp))
		wantReason(t, err, ReasonTooLarge)
	}
}

// Sizes that no RFC has are errors of the configuration.
func TestRecordSizesThatAreNone(t *testing.T) {
	s := newStage(t, whoami, nil)
	c := s.client(security.PreSharedKey)
	c.MaxFragmentLength = 500
	_, err := c.Get(timeout(t), s.secure+"/")
	wantReason(t, err, ReasonSetup)
	bad := &Server{SecureAddr: "127.0.0.1:0", Security: s.credentials(s.server.secure.shards[0].conn.LocalAddr()), RecordSizeLimit: 63}
	if err := bad.Listen(); err == nil || !strings.Contains(err.Error(), "record size limit 63") {
		t.Errorf("Listen: %v", err)
	}
}
