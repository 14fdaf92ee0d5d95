// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/coap"
)

func sampleExchange() *exchange {
	x := &exchange{uri: "coaps://gw/hello", method: "GET", answered: true, code: coap.Content, messageType: coap.Acknowledgement,
		messageID: 7, token: []byte{0xab}, payload: []byte("hi"), rtt: 3210 * time.Microsecond, retransmissions: 1,
		bytes:    byteCount{Up: 900, Down: 800, HandshakeUp: 850, HandshakeDown: 750},
		security: &securityReport{version: "DTLS 1.2", cipher: "TLS_PSK_WITH_AES_128_CCM_8", mode: "PreSharedKey", identity: "server", extendedMasterSecret: true}}
	x.options.Add(coap.ETag, []byte{1, 2})
	x.options.AddUint(coap.ContentFormatOption, 0)
	return x
}

func TestSummary(t *testing.T) {
	want := "2.05 Content, text/plain; charset=utf-8, etag=0x0102, 2 bytes, 3.21 ms, 1 retransmission [DTLS 1.2 PSK AES-128-CCM-8]"
	if got := sampleExchange().summary(); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	plain := &exchange{code: coap.Changed}
	if got, want := plain.summary(), "2.04 Changed, 0 bytes, 0.00 ms [NoSec]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The object is a contract: a change of this text needs a new "v".
func TestJSONReport(t *testing.T) {
	var out bytes.Buffer
	if err := writeJSON(&out, sampleExchange().report(nil)); err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"uri":"coaps://gw/hello","method":"GET","code":"2.05","ok":true,"type":"ACK","mid":7,"token":"ab",` +
		`"options":[{"number":4,"name":"ETag","value":"0x0102"},{"number":12,"name":"Content-Format","value":"0"}],` +
		`"content_format":"text/plain; charset=utf-8","payload":"hi","payload_encoding":"utf-8","rtt_ms":3.21,"retransmissions":1,` +
		`"bytes":{"up":900,"down":800,"handshake_up":850,"handshake_down":750},` +
		`"dtls":{"version":"DTLS 1.2","cipher":"TLS_PSK_WITH_AES_128_CCM_8","extended_master_secret":true,"peer":{"mode":"PreSharedKey","identity":"server"}}}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestJSONReportOfFailure(t *testing.T) {
	x := &exchange{uri: "coaps://gw/", method: "GET"}
	var out bytes.Buffer
	if err := writeJSON(&out, x.report(fail("timeout_flight_1", "x", "d").try("t"))); err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"uri":"coaps://gw/","method":"GET","ok":false,"retransmissions":0,` +
		`"bytes":{"up":0,"down":0,"handshake_up":0,"handshake_down":0},` +
		`"error":{"kind":"network","reason":"timeout_flight_1","detail":"d","hint":"t"}}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestCodeReason(t *testing.T) {
	for code, want := range map[coap.Code]string{
		coap.NotFound: "not_found", coap.InternalServerError: "internal_server_error",
		coap.RequestEntityTooLarge: "request_entity_too_large", coap.UnsupportedContentFormat: "unsupported_content_format",
		coap.Code(4<<5 | 31): "code_4.31",
	} {
		if got := codeReason(code); got != want {
			t.Errorf("%v: %s, want %s", code, got, want)
		}
	}
}

func TestDescribeDatagram(t *testing.T) {
	hello := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 5, 0, 14}, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 9, 9)
	sealed := []byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 2, 0, 1, 0}
	for _, c := range []struct {
		datagram []byte
		want     string
	}{
		{hello, "27 bytes: ClientHello (epoch 0, seq 5, 14)"},
		{append(bytes.Clone(hello), sealed...), "41 bytes: ClientHello (epoch 0, seq 5, 14), ApplicationData (epoch 1, seq 2, 1)"},
		{append(bytes.Clone(sealed), 1), "15 bytes: ApplicationData (epoch 1, seq 2, 1), 1 stray byte"},
		{[]byte{22}, "1 byte: 1 stray byte"},
	} {
		if got := describeDatagram(c.datagram); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func FuzzDescribeDatagram(f *testing.F) {
	f.Add([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 5, 0, 13, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 9})
	f.Add([]byte{0x40, 1, 0, 7})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if text := oneLine(describeDatagram(b)); text == "" {
			t.Error("no description")
		}
	})
}
