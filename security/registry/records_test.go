// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
)

const fileText = `{
 "devices": {
  "sensor-7": {"groups": ["sensors"], "psk": [{"key": "hex:00112233445566778899aabbccddeeff", "nodes": ["gateway-1"]}, {"identity": "0x00ff", "key": "text:sixteen byte key"}]},
  "urn:dev:8": {"rpk": [{"name": "ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi"}]},
  "bare": null
 },
 "groups": {"sensors": {"psk": [{"identity": "all", "key": "b64:c2l4dGVlbiBieXRlIGtleQ=="}]}},
 "tenants": {"acme": {"devices": {"sensor-7": {"token": [{"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}}, "groups": null}, "beta": null},
 "acl": ["allow group:sensors POST /telemetry/{device}", {"id": "7", "effect": "deny", "who": "anybody", "methods": ["*"], "path": "/x"}]
}`

// storeOf is a store with the content of a file.
func storeOf(t testing.TB, doc string) store.Store {
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	for _, record := range must(Records([]byte(doc))) {
		if err := store.Create(context.Background(), s, record.Key, record.Value); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestRecords(t *testing.T) {
	ctx, s := t.Context(), storeOf(t, fileText)
	r := New(s)
	checkIndex(t, s)
	for identity, want := range map[string]string{"sensor-7": "sensor-7", "\x00\xff": "sensor-7", "all": "group sensors", "sensor-8": "unknown_identity"} {
		if e := r.Who(ctx, claimPSK(identity), noon); told(e) != want {
			t.Errorf("%q: %s, want %s", identity, told(e), want)
		}
	}
	e := r.Who(ctx, claimPSK("\x00\xff"), noon)
	if string(e.Key.Bytes()) != "sixteen byte key" || e.Groups[0] != "sensors" {
		t.Errorf("got %+v", e)
	}
	n := 0
	for _, err := range r.Devices(ctx, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if got := ids(must(r.Rules(ctx))); n != 4 || got != "1 7" {
		t.Errorf("%d devices, rules %s", n, got)
	}
	// The same text gives the same records, or a store that looks again and
	// again would see changes.
	if a, b := must(Records([]byte(fileText))), must(Records([]byte(fileText))); len(a) != len(b) {
		t.Error("another number of records")
	} else {
		for i := range a {
			if a[i].Key != b[i].Key || string(a[i].Value) != string(b[i].Value) {
				t.Errorf("%s: %s, then %s", a[i].Key, a[i].Value, b[i].Value)
			}
		}
	}
	for _, empty := range []string{"null", "{}", `{"devices": null, "acl": []}`} {
		if got, err := Records([]byte(empty)); err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", empty, got, err)
		}
	}
}

// Mistakes are told with their place. What may be a secret is not repeated.
func TestRecordsErrors(t *testing.T) {
	for _, test := range []struct{ doc, path, want string }{
		{`{"devices": {"sensor-7": {"psk": [{"key": "hex:0"}]}}}`, "$.devices.sensor-7.psk[0].key", "even number"},
		{`{"devices": {"sensor-7": {"psk": [{"key": "k"}, {"key": "0011223344556677"}]}}}`, "$.devices.sensor-7.psk[0].key", "hex:…, b64:… or text:…"},
		{`{"devices": {"urn:dev:7": {"pks": []}}}`, "$.devices['urn:dev:7'].pks", "unknown field"},
		{`{"devices": {"it's": {"label": 7}}}`, `$.devices['it\'s'].label`, "text is expected here, not a number"},
		{`{"devices": {"a": {"groups": ["x", "x"]}}}`, "$.devices.a.groups[1]", "comes twice"},
		{`{"devices": {"a": {"groups": {"x": 1}}}}`, "$.devices.a.groups", "a list is expected here, not an object"},
		{`{"devices": {"a": {"not-after": "tomorrow"}}}`, "$.devices.a.not-after", "not a time such as"},
		{`{"devices": {"a": {"disabled": "yes"}}}`, "$.devices.a.disabled", "true or false"},
		{`{"devices": {"a": {"not-before": "2026-02-01T00:00:00Z", "not-after": "2026-01-01T00:00:00Z"}}}`, "$.devices.a.not-after", "before the beginning"},
		{`{"devices": {"a": {}, "a": {}}}`, "$.devices.a", "comes twice"},
		{`{"devices": {"a": {"name": "b"}}}`, "$.devices.a", "another one than that before it"},
		{`{"devices": {"..": {}}}`, "$.devices['..'].name", "means something else"},
		{`{"devices": {"a": {"psk": [{"identity": "i", "key": "text:1"}]}, "b": {"psk": [{"key": "text:1"}, {"identity": "i", "key": "text:1"}]}}}`, "$.devices.b.psk[1]", "PSK identity i is that of device a"},
		{`{"devices": {"a": {"rpk": [{"name": "ni:///sha-256-32;f4OxZQ"}]}}}`, "$.devices.a.rpk[0].name", "too short"},
		{`{"devices": {"a": {"rpk": [{"key": "b64:AAAA"}]}}}`, "$.devices.a.rpk[0].key", "not a public key"},
		{`{"devices": {"a": {"certificate": [{"uri": "urn:x", "dns": "y"}]}}}`, "$.devices.a.certificate[0]", "one of pin, uri"},
		{`{"devices": {"a": {"certificate": [{"dns": "*.example"}]}}}`, "$.devices.a.certificate[0].dns", "without wildcard"},
		{`{"devices": {"a": {"token": [{"sha256": "00"}]}}}`, "$.devices.a.token[0].sha256", "32 bytes"},
		{`{"groups": {"g": {"rpk": [{"name": "ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi"}]}}}`, "$.groups.g.rpk", "pre-shared key or a token"},
		{`{"tenants": {"t": {"devices": {"a": {"host": "x"}}}}}`, "$.tenants.t.devices.a.host", "unknown field"},
		{`{"tenants": {"t/u": {"devices": {"a": {}}}}}`, "$.tenants['t/u'].devices.a.tenant", `has a "/"`},
		{`{"acl": ["allow anybody GET /", "nonsense"]}`, "$.acl[1]", "a rule is"},
		{`{"acl": [{"id": "1", "effect": "allow", "who": "anybody", "methods": ["GET"], "path": "/"}, {"id": "1", "effect": "allow", "who": "anybody", "methods": ["GET"], "path": "/"}]}`, "$.acl[1].id", "comes twice"},
		{`{"device": {}}`, "$.device", "unknown field"},
		{`{"devices": []}`, "$.devices", "an object is expected here, not a list"},
	} {
		_, err := Records([]byte(test.doc))
		path, ok := errorsAs[*PathError](err)
		if !ok || path.Path() != test.path || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s: %s", test.doc, err, test.path, test.want)
			continue
		}
		if strings.Contains(err.Error(), "0011223344556677") {
			t.Error("a key is in the error")
		}
	}
	for _, doc := range []string{"", "{", "[]", "{} {}", `{"devices"`, "\xff", `{"a":1e999e}`, strings.Repeat("[", 100), `"x"`} {
		if _, err := Records([]byte(doc)); err == nil {
			t.Errorf("%q: no error", doc)
		}
	}
}
