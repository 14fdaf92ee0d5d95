// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// recorder is a ResponseWriter that remembers.
type recorder struct {
	code    coap.Code
	options coap.OptionList
	payload []byte
}

func (r *recorder) SetCode(code coap.Code)                  { r.code = code }
func (r *recorder) SetOption(n coap.OptionNumber, v []byte) { r.options.Set(n, v) }
func (r *recorder) SetContentFormat(format coap.ContentFormat) {
	r.SetUint(coap.ContentFormatOption, uint32(format))
}
func (r *recorder) SetUint(n coap.OptionNumber, v uint32) {
	r.options.Set(n, coap.AppendUint(nil, v))
}
func (r *recorder) Write(p []byte) (int, error) {
	r.payload = append(r.payload, p...)
	return len(p), nil
}

// pskPeer is a peer that has proved a pre-shared key.
func pskPeer(t *testing.T, identity string) coaps.Peer {
	t.Helper()
	psk, err := keys.NewPSK([]byte(identity), []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	psks, err := keys.NewPSKMap(psk)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := (&security.Config{PSK: psks}).Server()
	if err != nil {
		t.Fatal(err)
	}
	suite := dtls.CipherSuite(0xc0a8) // TLS_PSK_WITH_AES_128_CCM_8
	facts := &dtls.Facts{Version: dtls.VersionDTLS12, CipherSuite: suite, PSKIdentity: []byte(identity)}
	return coaps.Peer{Mode: security.PreSharedKey, Identity: policy.Identify(facts, nil), CipherSuite: suite,
		Addr: netip.MustParseAddrPort("192.0.2.7:4711"), Facts: facts}
}

func strangerPeer() coaps.Peer {
	return coaps.Peer{Addr: netip.MustParseAddrPort("192.0.2.7:4711")}
}

// demoMux is the demonstration, which nobody observes.
func demoMux(now func() time.Time) *coaps.Mux {
	mux, _ := New(now, Nobody{})
	return mux
}

// ask runs one request against the demonstration.
func ask(h coaps.Handler, r *coaps.Request) *recorder {
	w := &recorder{}
	h.ServeCOAP(w, r)
	return w
}

func get(path string, peer coaps.Peer, options ...coap.Option) *coaps.Request {
	return &coaps.Request{Method: coap.GET, Path: path, Peer: peer, Options: options}
}

func uintOption(number coap.OptionNumber, value uint32) coap.Option {
	return coap.Option{Number: number, Value: coap.AppendUint(nil, value)}
}

func TestHelloGreetsByIdentity(t *testing.T) {
	mux := demoMux(time.Now)
	for _, c := range []struct {
		peer coaps.Peer
		want string
	}{
		{pskPeer(t, "demo"), "Hello, demo. You are authenticated (PSK, DTLS 1.2, AES-128-CCM-8)."},
		{pskPeer(t, "a\x00b"), "Hello, 0x610062. You are authenticated (PSK, DTLS 1.2, AES-128-CCM-8)."},
		{strangerPeer(), "Hello, stranger. Nothing protects this exchange (NoSec)."},
	} {
		if got := string(ask(mux, get("/hello", c.peer)).payload); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestTime(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := ask(demoMux(func() time.Time { return now }), get("/time", strangerPeer()))
	if string(w.payload) != "2026-01-02T03:04:05Z" {
		t.Errorf("%q", w.payload)
	}
	if age, ok := w.options.GetUint(coap.MaxAge); !ok || age != 1 {
		t.Errorf("Max-Age %d, %v: a clock must not be cached for a minute", age, ok)
	}
}

func TestWhoamiSpeaksTheWantedFormat(t *testing.T) {
	mux := demoMux(time.Now)
	peer := pskPeer(t, "demo")
	want := Caller{Mode: "PreSharedKey", Identity: "demo", Suite: "TLS_PSK_WITH_AES_128_CCM_8", Version: "DTLS 1.2", Address: "192.0.2.7:4711"}
	decoders := map[coap.ContentFormat]func([]byte, any) error{
		coap.JSON: json.Unmarshal,
		coap.CBOR: cbor.Unmarshal,
	}
	for format, decode := range decoders {
		w := ask(mux, get("/whoami", peer, uintOption(coap.Accept, uint32(format))))
		var got Caller
		if err := decode(w.payload, &got); err != nil {
			t.Errorf("%v: %v", format, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", format, diff)
		}
		if sent, _ := w.options.GetUint(coap.ContentFormatOption); sent != uint32(format) {
			t.Errorf("Content-Format %d, want %d", sent, format)
		}
	}
	text := "mode: PreSharedKey\nidentity: demo\nsuite: TLS_PSK_WITH_AES_128_CCM_8\nversion: DTLS 1.2\naddress: 192.0.2.7:4711"
	if w := ask(mux, get("/whoami", peer)); string(w.payload) != text {
		t.Errorf("%q", w.payload)
	}
	if w := ask(mux, get("/whoami", strangerPeer())); string(w.payload) != "mode: NoSec\naddress: 192.0.2.7:4711" {
		t.Errorf("%q", w.payload)
	}
}

// Proves rfc7252 §5.10.4: "If the preferred Content-Format cannot be returned,
// then a 4.06 "Not Acceptable" MUST be sent as a response, unless another error
// code takes precedence for this response."
func TestNotAcceptable(t *testing.T) {
	mux := demoMux(time.Now)
	for _, path := range []string{"/hello", "/time", "/whoami"} {
		if w := ask(mux, get(path, strangerPeer(), uintOption(coap.Accept, uint32(coap.XML)))); w.code != coap.NotAcceptable {
			t.Errorf("%s: %v", path, w.code)
		}
	}
}

func TestUnknownResourceAndMethod(t *testing.T) {
	mux := demoMux(time.Now)
	if w := ask(mux, get("/nothing", strangerPeer())); w.code != coap.NotFound {
		t.Errorf("%v", w.code)
	}
	if w := ask(mux, &coaps.Request{Method: coap.POST, Path: "/hello"}); w.code != coap.MethodNotAllowed {
		t.Errorf("%v", w.code)
	}
	if w := ask(mux, &coaps.Request{Method: coap.POST, Path: "/store/x"}); w.code != coap.MethodNotAllowed {
		t.Errorf("%v", w.code)
	}
	for _, method := range []coap.Code{coap.PUT, coap.DELETE} {
		if w := ask(mux, &coaps.Request{Method: method, Path: "/store/"}); w.code != coap.BadRequest {
			t.Errorf("%v of the list: %v", method, w.code)
		}
	}
}

func TestDirectory(t *testing.T) {
	w := ask(demoMux(time.Now), get("/.well-known/core", strangerPeer()))
	for _, path := range []string{"</hello>", "</time>", "</whoami>", "</store/>"} {
		if !strings.Contains(string(w.payload), path) {
			t.Errorf("%s is missing in %s", path, w.payload)
		}
	}
}

// put stores and returns the code.
func put(h coaps.Handler, path, payload string, options ...coap.Option) *recorder {
	return ask(h, &coaps.Request{Method: coap.PUT, Path: path, Payload: []byte(payload), Options: options})
}

func TestStore(t *testing.T) {
	s := NewStore(DefaultLimits, Nobody{})
	created := put(s, "/store/a", "one", uintOption(coap.ContentFormatOption, 50))
	if created.code != coap.Created {
		t.Errorf("the first PUT: %v", created.code)
	}
	w := ask(s, get("/store/a", strangerPeer()))
	if format, _ := w.options.GetUint(coap.ContentFormatOption); string(w.payload) != "one" || format != 50 {
		t.Errorf("GET: %q, format %d", w.payload, format)
	}
	tag, ok := w.options.Get(coap.ETag)
	if !ok {
		t.Fatal("no ETag")
	}
	if w := ask(s, get("/store/a", strangerPeer(), coap.Option{Number: coap.ETag, Value: tag})); w.code != coap.Valid || len(w.payload) != 0 {
		t.Errorf("GET with a fresh ETag: %v, %q", w.code, w.payload)
	}
	if w := put(s, "/store/a", "two"); w.code != coap.Changed {
		t.Errorf("the second PUT: %v", w.code)
	}
	if w := ask(s, get("/store/a", strangerPeer(), coap.Option{Number: coap.ETag, Value: tag})); w.code == coap.Valid || string(w.payload) != "two" {
		t.Errorf("GET with a stale ETag: %v, %q", w.code, w.payload)
	}
	if w := ask(s, &coaps.Request{Method: coap.DELETE, Path: "/store/a"}); w.code != coap.Deleted {
		t.Errorf("DELETE: %v", w.code)
	}
	if w := ask(s, get("/store/a", strangerPeer())); w.code != coap.NotFound {
		t.Errorf("GET after DELETE: %v", w.code)
	}
	if s.total != 0 {
		t.Errorf("%d bytes are still accounted", s.total)
	}
}

// The request's buffer is recycled after the handler returns.
func TestStoreCopiesThePayload(t *testing.T) {
	s := NewStore(DefaultLimits, Nobody{})
	payload := []byte("one")
	ask(s, &coaps.Request{Method: coap.PUT, Path: "/store/a", Payload: payload})
	copy(payload, "xxx")
	if w := ask(s, get("/store/a", strangerPeer())); string(w.payload) != "one" {
		t.Errorf("%q", w.payload)
	}
}

// Conditions are kept for every method, not only for the usual one.
//
// Proves rfc7252 §5.10.8: "For each of these options, if the condition given is
// not fulfilled, then the server MUST NOT perform the requested method.
// Instead, the server MUST respond with the 4.12 (Precondition Failed) Response
// Code."
// Proves rfc7252 §5.10.8: "If the condition is fulfilled, the server performs
// the request method as if the conditional request options were not present."
func TestStoreConditions(t *testing.T) {
	none := coap.Option{Number: coap.IfNoneMatch}
	anything := coap.Option{Number: coap.IfMatch}
	other := coap.Option{Number: coap.IfMatch, Value: []byte("other")}
	s := NewStore(DefaultLimits, Nobody{})
	first := put(s, "/store/a", "one")
	tag, _ := first.options.Get(coap.ETag)
	same := coap.Option{Number: coap.IfMatch, Value: tag}
	for _, c := range []struct {
		name   string
		method coap.Code
		path   string
		option coap.Option
		want   coap.Code
		left   string // what /store/a holds afterwards
	}{
		{"PUT if something, on nothing", coap.PUT, "/store/b", anything, coap.PreconditionFailed, "one"},
		{"PUT if nothing, on something", coap.PUT, "/store/a", none, coap.PreconditionFailed, "one"},
		{"PUT with another tag", coap.PUT, "/store/a", other, coap.PreconditionFailed, "one"},
		{"DELETE if something, on nothing", coap.DELETE, "/store/b", anything, coap.PreconditionFailed, "one"},
		{"DELETE if nothing, on something", coap.DELETE, "/store/a", none, coap.PreconditionFailed, "one"},
		{"DELETE with another tag", coap.DELETE, "/store/a", other, coap.PreconditionFailed, "one"},
		{"GET if nothing, on something", coap.GET, "/store/a", none, coap.PreconditionFailed, "one"},
		{"GET with another tag", coap.GET, "/store/a", other, coap.PreconditionFailed, "one"},
		{"GET with the tag", coap.GET, "/store/a", same, coap.Empty, "one"},
		{"GET of the list with a tag", coap.GET, "/store/", other, coap.PreconditionFailed, "one"},
		{"PUT with the tag", coap.PUT, "/store/a", same, coap.Changed, "two"},
		{"PUT if nothing, on nothing", coap.PUT, "/store/b", none, coap.Created, "two"},
		{"DELETE if something", coap.DELETE, "/store/a", anything, coap.Deleted, ""},
	} {
		w := ask(s, &coaps.Request{Method: c.method, Path: c.path, Payload: []byte("two"), Options: coap.OptionList{c.option}})
		if w.code != c.want {
			t.Errorf("%s: %v, want %v", c.name, w.code, c.want)
		}
		if got := string(s.entries["/store/a"].payload); got != c.left {
			t.Errorf("%s: %q is stored, want %q", c.name, got, c.left)
		}
	}
}

// If-Match and If-None-Match are critical: a resource may not pass over them.
func TestConditionsOnFixedResources(t *testing.T) {
	mux := demoMux(time.Now)
	for _, path := range []string{"/hello", "/time", "/whoami", "/.well-known/core"} {
		for option, want := range map[*coap.Option]coap.Code{
			{Number: coap.IfNoneMatch}:                 coap.PreconditionFailed,
			{Number: coap.IfMatch, Value: []byte("x")}: coap.PreconditionFailed,
			{Number: coap.IfMatch}:                     coap.Empty, // the default, 2.05
		} {
			if w := ask(mux, get(path, strangerPeer(), *option)); w.code != want {
				t.Errorf("%s with %v: %v, want %v", path, option, w.code, want)
			}
		}
	}
}

func TestStoreIsBounded(t *testing.T) {
	s := NewStore(Limits{Resources: 2, Size: 10, Total: 30, Name: 12, Age: DefaultAge}, Nobody{})
	steps := []struct {
		path    string
		payload int
		want    coap.Code
	}{
		{"/store/a", 11, coap.RequestEntityTooLarge},
		{"/store/name-too-long", 1, coap.BadRequest},
		{"/store/a", 10, coap.Created},            // 18 bytes with the name
		{"/store/b", 10, coap.ServiceUnavailable}, // would be 36
		{"/store/b", 2, coap.Created},             // 28
		{"/store/b", 5, coap.ServiceUnavailable},  // would be 31
		{"/store/b", 4, coap.Changed},             // 30
		{"/store/c", 0, coap.ServiceUnavailable},  // a third one
	}
	for i, step := range steps {
		w := put(s, step.path, strings.Repeat("x", step.payload))
		if w.code != step.want {
			t.Errorf("step %d, %+v: %v", i, step, w.code)
		}
		if size, ok := w.options.GetUint(coap.Size1); step.want == coap.RequestEntityTooLarge && (!ok || size != 10) {
			t.Errorf("4.13 without the limit in Size1: %d, %v", size, ok)
		}
	}
	if s.Refused() != 5 {
		t.Errorf("%d refused, want 5", s.Refused())
	}
	if s.total > s.limits.Total || len(s.entries) > s.limits.Resources {
		t.Errorf("%d bytes in %d resources", s.total, len(s.entries))
	}
}

// The names in the list are those that a GET finds: Request.Path is in the form
// of a URI already.
func TestStoreList(t *testing.T) {
	s := NewStore(DefaultLimits, Nobody{})
	put(s, "/store/b", "22", uintOption(coap.ContentFormatOption, 60))
	put(s, "/store/a", "1")
	put(s, "/store/c%2Fd%3E%25", "1")
	want := `</store/a>;sz=1,</store/b>;sz=2;ct=60,</store/c%2Fd%3E%25>;sz=1`
	list := string(ask(s, get("/store/", strangerPeer())).payload)
	if list != want {
		t.Errorf("%s, want %s", list, want)
	}
	links, err := link.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if w := ask(s, get(l.Target, strangerPeer())); w.code != coap.Empty {
			t.Errorf("%s is listed and answered by %v", l.Target, w.code)
		}
	}
	for i := range 200 {
		put(s, fmt.Sprintf("/store/n%d", i), "")
	}
	if got := ask(s, get("/store/", strangerPeer())).payload; len(got) > listLimit {
		t.Errorf("a list of %d bytes does not fit into a datagram", len(got))
	}
}
