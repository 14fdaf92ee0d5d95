// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unhex reads hexadecimal with blanks between the fields.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Each field of a ClientHello is where the RFC puts it.
//
// Proves rfc6347 §4.2.1: "When sending the first ClientHello, the client does
// not have a cookie yet; in this case, the Cookie field is left empty (zero
// length)."
func TestClientHelloFields(t *testing.T) {
	random := fill(32, 0xaa)
	body := unhex(t, "fefd"+hex.EncodeToString(random)+"02 0102 00 0004 c0a8 00ff 02 01 00 0004 0017 0000")
	var h ClientHello
	if err := h.Parse(body); err != nil {
		t.Fatal(err)
	}
	want := ClientHello{
		Version: VersionDTLS12, Random: random, SessionID: []byte{1, 2}, Cookie: []byte{},
		CipherSuites: ListOf([]CipherSuite{TLS_PSK_WITH_AES_128_CCM_8, TLS_EMPTY_RENEGOTIATION_INFO_SCSV}),
		Compression:  []byte{1, 0}, Extensions: []byte{0, 0x17, 0, 0},
		BeforeCookie: body[:37], AfterCookie: body[38:],
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	if h.CipherSuites.Len() != 2 || h.CipherSuites.At(1) != TLS_EMPTY_RENEGOTIATION_INFO_SCSV || h.CipherSuites.Contains(TLS_PSK_WITH_AES_128_CCM) {
		t.Errorf("suites %x", h.CipherSuites)
	}
	var all []CipherSuite
	for s := range h.CipherSuites.All() {
		all = append(all, s)
		break
	}
	if len(all) != 1 || all[0] != TLS_PSK_WITH_AES_128_CCM_8 {
		t.Errorf("ranged over %v", all)
	}
}

// What a ClientHello must not be.
//
// Pitfall T8: a ClientHello that is wrong in any field does not parse
// Pitfall T4: nor does one of no length
func TestBadClientHellos(t *testing.T) {
	random := hex.EncodeToString(fill(32, 0xaa))
	for name, text := range map[string]string{
		"empty":                      "",
		"session ID of 33 bytes":     "fefd" + random + "21" + hex.EncodeToString(fill(33, 1)) + "00 0002 c0a8 01 00",
		"no suites":                  "fefd" + random + "00 00 0000 01 00",
		"half a suite":               "fefd" + random + "00 00 0003 c0a8c0 01 00",
		"no compression method":      "fefd" + random + "00 00 0002 c0a8 00",
		"cookie longer than message": "fefd" + random + "00 ff 0002 c0a8 01 00",
		"extensions too short":       "fefd" + random + "00 00 0002 c0a8 01 00 0005 0017 0000",
		"extensions too long":        "fefd" + random + "00 00 0002 c0a8 01 00 0003 0017 0000",
	} {
		var h ClientHello
		if h.Parse(unhex(t, text)) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A hello may end with the compression methods, or have a list of extensions
// that is empty.
//
// Proves rfc5246 §7.4.1.3: "The presence of extensions can be detected by
// determining whether there are bytes following the compression_method field
// at the end of the ServerHello."
func TestHelloWithoutExtensions(t *testing.T) {
	random := hex.EncodeToString(fill(32, 0xaa))
	for _, end := range []string{"", "0000"} {
		var c ClientHello
		var s ServerHello
		if err := c.Parse(unhex(t, "fefd"+random+"00 00 0002 c0a8 01 00"+end)); err != nil || len(c.Extensions) != 0 {
			t.Errorf("ClientHello ending in %q: %v, extensions %x", end, err, c.Extensions)
		}
		if err := s.Parse(unhex(t, "fefd"+random+"00 c0a8 00"+end)); err != nil || len(s.Extensions) != 0 {
			t.Errorf("ServerHello ending in %q: %v, extensions %x", end, err, s.Extensions)
		}
	}
}

// A cookie may have any length that a byte can say.
//
// Proves rfc6347 §4.2.1: "This specification increases the cookie size limit
// to 255 bytes for greater future flexibility."
// Pitfall W19, T7: cookies of 0 to 255 bytes, and lengths beyond what is there
func TestCookies(t *testing.T) {
	for n := range 256 {
		r := HelloVerifyRequest{Version: VersionDTLS10, Cookie: fill(n, byte(n))}
		body := r.Append(nil)
		var got HelloVerifyRequest
		if err := got.Parse(body); err != nil || !bytes.Equal(got.Cookie, r.Cookie) {
			t.Fatalf("cookie of %d bytes: %v", n, err)
		}
		for _, wrong := range []int{n - 1, n + 1, 255 - n} {
			if body[2] = byte(wrong); wrong != n && got.Parse(body) == nil {
				t.Errorf("length %d is believed with %d bytes", wrong, n)
			}
		}
	}
	room := make([]byte, 0, 64)
	r := HelloVerifyRequest{Version: VersionDTLS10, Cookie: fill(16, 1)}
	if n := testing.AllocsPerRun(10, func() { r.Append(room) }); n != 0 {
		t.Errorf("%v allocations for a HelloVerifyRequest", n)
	}
}

// The Certificate message of a raw public key is the key, with its length and
// nothing around it; of X.509 it is a list.
//
// Proves rfc7250 §3: "To carry the raw public key within the TLS handshake,
// the Certificate payload is used as a container, as shown in Figure 1."
// Pitfall E4: one form is never read as the other
func TestCertificateForms(t *testing.T) {
	spki := fill(0x5b, 0x30)
	raw := append([]byte{0, 0, 0x5b}, spki...)
	if got := AppendRawPublicKey(nil, spki); !bytes.Equal(got, raw) {
		t.Errorf("raw public key is written as %x", got)
	}
	if got := AppendRawPublicKey(nil, nil); !bytes.Equal(got, []byte{0, 0, 0}) {
		t.Errorf("no raw public key is written as %x", got)
	}
	if got, err := ParseRawPublicKey(raw); err != nil || !bytes.Equal(got, spki) {
		t.Errorf("raw public key is read as %x, %v", got, err)
	}
	if got, err := ParseRawPublicKey([]byte{0, 0, 0}); err != nil || len(got) != 0 {
		t.Errorf("no raw public key is read as %x, %v", got, err)
	}
	if got := AppendCertificates(nil, [][]byte{{0x30, 0}, {0x31}}); !bytes.Equal(got, unhex(t, "000009 000002 3000 000001 31")) {
		t.Errorf("chain is written as %x", got)
	}
	if chain, err := ParseCertificates(raw, 10); err == nil {
		t.Errorf("a raw public key is read as the chain %x", chain)
	}
}

// A chain is bounded, and has no empty certificates.
func TestBadChains(t *testing.T) {
	chain := [][]byte{{1}, {2}, {3}}
	if got, err := ParseCertificates(AppendCertificates(nil, chain), 3); err != nil || len(got) != 3 {
		t.Errorf("chain of three: %d, %v", len(got), err)
	}
	if _, err := ParseCertificates(AppendCertificates(nil, chain), 2); err == nil {
		t.Error("three certificates where two are allowed")
	}
	if _, err := ParseCertificates(AppendCertificates(nil, [][]byte{{1}, {}}), 3); err == nil {
		t.Error("an empty certificate is accepted")
	}
	if got, err := ParseCertificates([]byte{0, 0, 0}, 3); err != nil || got != nil {
		t.Errorf("empty chain: %v, %v", got, err)
	}
}

// A ServerKeyExchange with a hint that leaves no room for what should follow
// it is an error, as is one that is longer than its message.
//
// Pitfall P8, M12: hints as long as the body, one byte shorter and one longer
func TestHintAgainstItsBody(t *testing.T) {
	for _, form := range []KeyExchangeForm{{PSK: true}, {PSK: true, ECDHE: true}} {
		x := ServerKeyExchange{Hint: []byte("hint"), Params: AppendECParams(nil, GroupX25519, fill(32, 9))}
		body := x.Append(nil, form)
		room := len(body) - 2
		for n := range room + 3 {
			body[0], body[1] = byte(n>>8), byte(n)
			var got ServerKeyExchange
			err := got.Parse(tight(body), form)
			if fits := n == 4 || !form.ECDHE && n == room; (err == nil) != fits {
				t.Errorf("%+v: hint of %d bytes in a body of %d: %v", form, n, len(body), err)
			}
		}
	}
}

// Only named curves are left, and what is signed is the curve part as it was
// written.
//
// Proves rfc8422 §5.4: "The value named_curve indicates that a named curve is
// used. This option is now the only remaining format."
func TestCurveTypes(t *testing.T) {
	form := KeyExchangeForm{ECDHE: true, Signed: true}
	x := ServerKeyExchange{Params: AppendECParams(nil, GroupSecp256r1, fill(65, 4)), Scheme: SchemeEd25519, Signature: []byte{1}}
	body := x.Append(nil, form)
	for v := range 256 {
		body[0] = byte(v)
		var got ServerKeyExchange
		if err := got.Parse(body, form); (err == nil) != (v == 3) {
			t.Errorf("curve type %d: %v", v, err)
		}
	}
	body[0] = 3
	var got ServerKeyExchange
	if err := got.Parse(body, form); err != nil || !bytes.Equal(got.Params, body[:69]) || got.Group != GroupSecp256r1 || len(got.Point) != 65 {
		t.Errorf("%+v, %v", got, err)
	}
	if none := AppendECParams(nil, GroupSecp256r1, nil); got.Parse(append(none, 8, 7, 0, 0), form) == nil {
		t.Error("a point of no length is accepted")
	}
}

// An identity is bytes, whatever they are.
//
// Pitfall G6: NUL, no bytes, 65535 bytes and what is no UTF-8 come through
func TestIdentitiesAreBytes(t *testing.T) {
	form := KeyExchangeForm{PSK: true}
	for _, identity := range [][]byte{{}, {0}, []byte("a\x00b"), {0xff, 0xfe}, fill(65535, 'x')} {
		x := ClientKeyExchange{Identity: identity}
		var got ClientKeyExchange
		if err := got.Parse(x.Append(nil, form), form); err != nil || !bytes.Equal(got.Identity, identity) {
			t.Errorf("identity of %d bytes becomes %d, %v", len(identity), len(got.Identity), err)
		}
	}
}

// A CertificateRequest names its authorities one by one.
func TestAuthorities(t *testing.T) {
	r := CertificateRequest{Types: []byte{64}, Schemes: ListOf([]SignatureScheme{SchemeEd25519})}
	for _, name := range []string{"one", "two", "three"} {
		r.Authorities = AppendAuthority(r.Authorities, []byte(name))
	}
	var got CertificateRequest
	if err := got.Parse(r.Append(nil)); err != nil {
		t.Fatal(err)
	}
	var names []string
	got.EachAuthority(func(name []byte) bool { names = append(names, string(name)); return len(names) < 2 })
	if diff := cmp.Diff([]string{"one", "two"}, names); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string]CertificateRequest{
		"no types":          {Schemes: r.Schemes},
		"no schemes":        {Types: r.Types},
		"half a scheme":     {Types: r.Types, Schemes: []byte{8, 7, 4}},
		"an empty name":     {Types: r.Types, Schemes: r.Schemes, Authorities: []byte{0, 0}},
		"half a name":       {Types: r.Types, Schemes: r.Schemes, Authorities: []byte{0, 5, 'a'}},
		"a name of no size": {Types: r.Types, Schemes: r.Schemes, Authorities: []byte{0}},
	} {
		if got.Parse(bad.Append(nil)) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Alerts are two bytes, with one of two levels, alone in their record.
func TestAlertForm(t *testing.T) {
	for level := range 256 {
		_, _, err := ParseAlert([]byte{byte(level), 40})
		if known := level == 1 || level == 2; (err == nil) != known {
			t.Errorf("level %d: %v", level, err)
		}
	}
	for _, b := range [][]byte{nil, {2}, {2, 40, 2}, {2, 40, 2, 40}} {
		if _, _, err := ParseAlert(b); !errors.Is(err, ErrDecode) {
			t.Errorf("alert %x: %v", b, err)
		}
	}
}
