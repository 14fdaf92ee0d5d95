// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
)

// Caller is what a server knows of whoever asks.
type Caller struct {
	Mode     string `json:"mode"`               // NoSec, PreSharedKey, RawPublicKey or Certificate
	Identity string `json:"identity,omitempty"` // empty when nothing was proved
	Device   string `json:"device,omitempty"`   // whose credential it was, where a server knows
	Group    string `json:"group,omitempty"`    // the group that shares it
	Tenant   string `json:"tenant,omitempty"`   // of the device or group
	Suite    string `json:"suite,omitempty"`    // IANA name
	Version  string `json:"version,omitempty"`  // "DTLS 1.2"
	Address  string `json:"address"`            // address and port
}

// CallerOf collects what the handshake proved about a peer.
func CallerOf(peer *coaps.Peer) Caller {
	c := Caller{Mode: peer.Mode.String(), Address: peer.Addr.String()}
	if peer.Mode == security.NoSec || peer.Facts == nil {
		return c
	}
	c.Suite, c.Version = peer.CipherSuite.String(), peer.Facts.Version.String()
	if !peer.Identity.Anonymous() {
		c.Identity = peer.Identity.Name()
		whose := peer.Identity.Principal()
		c.Device, c.Group, c.Tenant = whose.Device, whose.Group, whose.Tenant
	}
	return c
}

// text is the plain form: one "name: value" a line, without what is not known.
func (c Caller) text() []byte {
	var b strings.Builder
	for _, row := range [][2]string{
		{"mode", c.Mode}, {"identity", c.Identity}, {"device", c.Device}, {"group", c.Group}, {"tenant", c.Tenant},
		{"suite", c.Suite}, {"version", c.Version}, {"address", c.Address},
	} {
		if row[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", row[0], row[1])
		}
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

// whoami answers as text, JSON or CBOR, as Accept asks.
func whoami(w coaps.ResponseWriter, r *coaps.Request) {
	format, ok := choose(w, r, coap.TextPlain, coap.JSON, coap.CBOR)
	if !ok {
		return
	}
	payload, err := CallerOf(&r.Peer).encode(format)
	if err != nil {
		coaps.WriteError(w, coap.InternalServerError, "no encoding")
		return
	}
	w.SetContentFormat(format)
	w.SetUint(coap.MaxAge, 0) // it is about the caller: nobody else may be shown it
	_, _ = w.Write(payload)
}

func (c Caller) encode(format coap.ContentFormat) ([]byte, error) {
	switch format {
	case coap.JSON:
		return json.Marshal(c)
	case coap.CBOR:
		return cbor.Marshal(c) // the encoder understands the json tags
	}
	return c.text(), nil
}
