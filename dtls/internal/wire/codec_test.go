// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"fmt"
	"testing"
)

// codec is one parser with what it can read.
type codec struct {
	name string
	// samples are good encodings, as Append writes them.
	samples [][]byte
	// again parses a body and encodes what was parsed.
	again func(body []byte) ([]byte, error)
	// whole are the lengths at which a prefix of a sample is a message too.
	whole func(sample []byte) []int
}

// codecs lists every parser of a handshake message, of an extension list and
// of an alert.
func codecs() []codec {
	list := []codec{
		{name: "ClientHello", samples: sampleClientHellos(), again: againClientHello, whole: beforeExtensions},
		{name: "HelloVerifyRequest", samples: sampleVerifyRequests(), again: againVerifyRequest},
		{name: "ServerHello", samples: sampleServerHellos(), again: againServerHello, whole: beforeExtensions},
		{name: "Certificate", samples: sampleCertificates(), again: againCertificates},
		{name: "RawPublicKey", samples: [][]byte{AppendRawPublicKey(nil, nil), AppendRawPublicKey(nil, fill(91, 0x30))}, again: againRawPublicKey},
		{name: "CertificateStatus", samples: [][]byte{AppendCertificateStatus(nil, fill(1, 0x30)), AppendCertificateStatus(nil, fill(300, 0x31))}, again: againCertificateStatus},
		{name: "CertificateRequest", samples: sampleCertificateRequests(), again: againCertificateRequest},
		{name: "CertificateVerify", samples: sampleCertificateVerifies(), again: againCertificateVerify},
		{name: "Alert", samples: [][]byte{AppendAlert(nil, LevelFatal, AlertDecodeError), AppendAlert(nil, LevelWarning, AlertCloseNotify)}, again: againAlert},
		{name: "ClientExtensions", samples: sampleClientExtensions(), again: againClientExtensions, whole: betweenExtensions},
		{name: "ServerExtensions", samples: sampleServerExtensions(), again: againServerExtensions, whole: betweenExtensions},
	}
	for _, form := range forms {
		list = append(list,
			codec{name: fmt.Sprintf("ServerKeyExchange%+v", form), samples: sampleServerKeyExchanges(form), again: againServerKeyExchange(form)},
			codec{name: fmt.Sprintf("ClientKeyExchange%+v", form), samples: sampleClientKeyExchanges(form), again: againClientKeyExchange(form)})
	}
	return list
}

// forms are those of the four key exchanges.
var forms = []KeyExchangeForm{{PSK: true}, {PSK: true, ECDHE: true}, {ECDHE: true, Signed: true}}

// fill is n bytes of one value.
func fill(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }

func sampleClientHellos() (out [][]byte) {
	for _, h := range []ClientHello{
		{CipherSuites: ListOf([]CipherSuite{TLS_PSK_WITH_AES_128_CCM_8}), Compression: []byte{0}},
		{
			SessionID: fill(32, 7), Cookie: fill(255, 9), Compression: []byte{1, 0},
			CipherSuites: ListOf([]CipherSuite{TLS_PSK_WITH_AES_128_CCM_8, TLS_EMPTY_RENEGOTIATION_INFO_SCSV}),
			Extensions:   sampleClientExtensions()[1],
		},
	} {
		h.Version, h.Random = VersionDTLS12, fill(32, 1)
		out = append(out, h.Append(nil))
	}
	return out
}

func sampleVerifyRequests() (out [][]byte) {
	for _, n := range []int{0, 1, 16, 32, 33, 255} {
		r := HelloVerifyRequest{Version: VersionDTLS10, Cookie: fill(n, 0xcc)}
		out = append(out, r.Append(nil))
	}
	return out
}

func sampleServerHellos() (out [][]byte) {
	for _, h := range []ServerHello{{}, {SessionID: fill(32, 3), Extensions: sampleServerExtensions()[1]}} {
		h.Version, h.Random, h.CipherSuite = VersionDTLS12, fill(32, 2), TLS_PSK_WITH_AES_128_CCM_8
		out = append(out, h.Append(nil))
	}
	return out
}

func sampleCertificates() [][]byte {
	return [][]byte{
		AppendCertificates(nil, nil),
		AppendCertificates(nil, [][]byte{{0x30}}),
		AppendCertificates(nil, [][]byte{fill(300, 0x30), fill(20, 0x31)}),
	}
}

func sampleCertificateRequests() [][]byte {
	names := AppendAuthority(AppendAuthority(nil, []byte("one")), []byte("two"))
	small := CertificateRequest{Types: []byte{64}, Schemes: ListOf([]SignatureScheme{SchemeECDSAP256SHA256})}
	full := CertificateRequest{Types: []byte{64, 1}, Schemes: ListOf([]SignatureScheme{SchemeEd25519, SchemeRSAPSSSHA256}), Authorities: names}
	return [][]byte{small.Append(nil), full.Append(nil)}
}

func sampleCertificateVerifies() (out [][]byte) {
	for _, n := range []int{0, 1, 72, 512} {
		v := CertificateVerify{Scheme: SchemeECDSAP256SHA256, Signature: fill(n, 0x5a)}
		out = append(out, v.Append(nil))
	}
	return out
}

func sampleServerKeyExchanges(form KeyExchangeForm) (out [][]byte) {
	for _, n := range []int{0, 1, 40} {
		x := ServerKeyExchange{Hint: fill(n, 'h'), Params: AppendECParams(nil, GroupX25519, fill(32, 9)), Scheme: SchemeEd25519, Signature: fill(n, 's')}
		out = append(out, x.Append(nil, form))
	}
	return out
}

func sampleClientKeyExchanges(form KeyExchangeForm) (out [][]byte) {
	for _, n := range []int{0, 1, 128} {
		x := ClientKeyExchange{Identity: fill(n, 'i'), Point: fill(65, 4)}
		out = append(out, x.Append(nil, form))
	}
	return out
}

func sampleClientExtensions() [][]byte {
	full := ClientExtensions{
		ServerName: []byte("server.example"), MaxFragmentLength: 1,
		Groups: ListOf([]Group{GroupSecp256r1, GroupX25519}), PointFormats: []byte{0}, Schemes: ListOf([]SignatureScheme{SchemeEd25519}),
		ClientCertTypes: []byte{2, 0}, ServerCertTypes: []byte{2}, ExtendedMasterSecret: true, RecordSizeLimit: 64,
	}
	for _, t := range extensionBits {
		full.Present |= t.Bit()
	}
	return [][]byte{nil, full.Append(nil)}
}

func sampleServerExtensions() [][]byte {
	full := ServerExtensions{
		MaxFragmentLength: 4, PointFormats: []byte{0}, ClientCertType: CertRawPublicKey, ServerCertType: CertX509,
		ExtendedMasterSecret: true, RecordSizeLimit: 16384, RenegotiationInfo: []byte{},
	}
	for _, t := range extensionBits {
		if t != ExtSupportedGroups && t != ExtSignatureAlgorithms {
			full.Present |= t.Bit()
		}
	}
	return [][]byte{nil, full.Append(nil)}
}

func againClientHello(body []byte) ([]byte, error) {
	var m ClientHello
	err := m.Parse(body)
	if err != nil {
		return nil, err
	}
	return m.Append(nil), nil
}

func againVerifyRequest(body []byte) ([]byte, error) {
	var m HelloVerifyRequest
	err := m.Parse(body)
	return m.Append(nil), err
}

func againServerHello(body []byte) ([]byte, error) {
	var m ServerHello
	err := m.Parse(body)
	return m.Append(nil), err
}

func againCertificates(body []byte) ([]byte, error) {
	chain, err := ParseCertificates(body, 10)
	return AppendCertificates(nil, chain), err
}

func againRawPublicKey(body []byte) ([]byte, error) {
	spki, err := ParseRawPublicKey(body)
	return AppendRawPublicKey(nil, spki), err
}

func againCertificateStatus(body []byte) ([]byte, error) {
	ocsp, err := ParseCertificateStatus(body)
	return AppendCertificateStatus(nil, ocsp), err
}

func againCertificateRequest(body []byte) ([]byte, error) {
	var m CertificateRequest
	if err := m.Parse(body); err != nil {
		return nil, err
	}
	var names []byte
	m.EachAuthority(func(name []byte) bool { names = AppendAuthority(names, name); return true })
	m.Authorities = names
	return m.Append(nil), nil
}

func againCertificateVerify(body []byte) ([]byte, error) {
	var m CertificateVerify
	err := m.Parse(body)
	return m.Append(nil), err
}

func againAlert(body []byte) ([]byte, error) {
	level, a, err := ParseAlert(body)
	return AppendAlert(nil, level, a), err
}

func againClientExtensions(list []byte) ([]byte, error) {
	var e ClientExtensions
	err := e.Parse(list)
	if e.ServerName == nil {
		e.Present &^= ExtServerName.Bit() // names of other types alone
	}
	return e.Append(nil), err
}

func againServerExtensions(list []byte) ([]byte, error) {
	var e ServerExtensions
	err := e.Parse(list)
	return e.Append(nil), err
}

func againServerKeyExchange(form KeyExchangeForm) func([]byte) ([]byte, error) {
	return func(body []byte) ([]byte, error) {
		var m ServerKeyExchange
		err := m.Parse(body, form)
		return m.Append(nil, form), err
	}
}

func againClientKeyExchange(form KeyExchangeForm) func([]byte) ([]byte, error) {
	return func(body []byte) ([]byte, error) {
		var m ClientKeyExchange
		err := m.Parse(body, form)
		return m.Append(nil, form), err
	}
}

// beforeExtensions is where a hello without extensions ends: before the list
// and its length.
func beforeExtensions(sample []byte) []int {
	var client ClientHello
	if client.Parse(sample) == nil && len(client.CipherSuites) > 0 && client.Version == VersionDTLS12 && client.Random[0] == 1 {
		return []int{len(sample) - len(client.Extensions) - 2}
	}
	var server ServerHello
	if server.Parse(sample) == nil && len(server.Extensions) > 0 {
		return []int{len(sample) - len(server.Extensions) - 2}
	}
	return nil
}

// betweenExtensions is where a list of extensions may end.
func betweenExtensions(sample []byte) (at []int) {
	for i := 0; i+4 <= len(sample); i += 4 + int(sample[i+2])<<8 + int(sample[i+3]) {
		at = append(at, i)
	}
	return at
}

// tight is a copy without room behind it, so that reading past the end fails.
func tight(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c[:len(b):len(b)]
}

// forEachSample runs a test with each good encoding of each message.
func forEachSample(t *testing.T, f func(t *testing.T, c codec, sample []byte)) {
	for _, c := range codecs() {
		for i, sample := range c.samples {
			t.Run(fmt.Sprintf("%s/%d", c.name, i), func(t *testing.T) { f(t, c, sample) })
		}
	}
}

// What was parsed and encoded again is what it was.
func TestMessagesRoundTrip(t *testing.T) {
	forEachSample(t, func(t *testing.T, c codec, sample []byte) {
		got, err := c.again(tight(sample))
		if err != nil || !bytes.Equal(got, sample) {
			t.Errorf("parsed and encoded again: %x, %v; want %x", got, err, sample)
		}
	})
}

// A message that ends too early is an error, wherever it ends, and so is one
// with something behind its end. No parser reads past the end.
//
// Pitfall P5, M5: every prefix of a HelloVerifyRequest is an error, no panic
// Pitfall P6, T6: likewise for a ServerHello and the extensions in it
// Pitfall T7: likewise for a cookie of 0 to 255 bytes
// Pitfall P8, M12: likewise for an identity hint
// Pitfall T15, O12: likewise for every other message
func TestEveryPrefixIsAnError(t *testing.T) {
	forEachSample(t, func(t *testing.T, c codec, sample []byte) {
		whole := map[int]bool{}
		if c.whole != nil {
			for _, n := range c.whole(sample) {
				whole[n] = true
			}
		}
		for n := range sample {
			if _, err := c.again(tight(sample[:n])); (err == nil) != whole[n] {
				t.Errorf("%d of %d bytes: error %v", n, len(sample), err)
			}
		}
		if _, err := c.again(append(tight(sample), 0)); err == nil {
			t.Error("a byte behind the end is accepted")
		}
	})
}

// Each byte of a message becomes larger and smaller than what follows it, by
// one and by much. What is then still a message is encoded again as it was,
// or, where a list of extensions has ones that are not known, in a form that
// stays.
//
// Pitfall T5, T15: wrong lengths in every place
func TestEveryByteWrong(t *testing.T) {
	forEachSample(t, func(t *testing.T, c codec, sample []byte) {
		for i, was := range sample {
			rest := byte(len(sample) - i)
			for _, v := range []byte{0, 1, 2, 3, was - 1, was + 1, rest - 3, rest - 2, rest - 1, rest, rest + 1, 0x7f, 0x80, 0xfe, 0xff} {
				body := tight(sample)
				body[i] = v
				checkStable(t, c, body)
			}
		}
	})
}

// checkStable checks that parsing and encoding settle after one turn.
func checkStable(t testing.TB, c codec, body []byte) {
	t.Helper()
	once, err := c.again(tight(body))
	if err != nil {
		return
	}
	twice, err := c.again(tight(once))
	if err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("%s %x becomes %x and then %x, %v", c.name, body, once, twice, err)
	}
	if c.name == "ClientHello" || c.name == "ServerHello" || c.name == "ClientExtensions" || c.name == "ServerExtensions" {
		return // extensions may be absent, in another order, or unknown
	}
	if !bytes.Equal(once, body) {
		t.Fatalf("%s %x becomes %x", c.name, body, once)
	}
}

// Lengths that a message announces and does not have cost nothing.
//
// Pitfall P2, O18: no parser allocates by a length of a header
func TestAnnouncedLengthsAllocateNothing(t *testing.T) {
	lie := append(fill(34, 1), fill(60, 0xff)...)
	status := []byte{statusTypeOCSP, 0xff, 0xff, 0xff, 0x30}
	for name, parse := range map[string]func() error{
		"ClientHello":        func() error { var m ClientHello; return m.Parse(lie) },
		"ServerHello":        func() error { var m ServerHello; return m.Parse(lie) },
		"HelloVerifyRequest": func() error { var m HelloVerifyRequest; return m.Parse(lie[33:]) },
		"Certificate":        func() error { _, err := ParseCertificates(lie[34:], 10); return err },
		"RawPublicKey":       func() error { _, err := ParseRawPublicKey(lie[34:]); return err },
		"CertificateStatus":  func() error { _, err := ParseCertificateStatus(status); return err },
		"CertificateRequest": func() error { var m CertificateRequest; return m.Parse(lie[34:]) },
		"CertificateVerify":  func() error { var m CertificateVerify; return m.Parse(lie[34:]) },
		"ServerKeyExchange":  func() error { var m ServerKeyExchange; return m.Parse(lie[34:], KeyExchangeForm{PSK: true}) },
		"ClientKeyExchange":  func() error { var m ClientKeyExchange; return m.Parse(lie[34:], KeyExchangeForm{PSK: true}) },
		"ClientExtensions":   func() error { var e ClientExtensions; return e.Parse(lie[34:]) },
		"ServerExtensions":   func() error { var e ServerExtensions; return e.Parse(lie[34:]) },
	} {
		if parse() == nil {
			t.Errorf("%s: announced lengths are believed", name)
		}
		if n := testing.AllocsPerRun(10, func() { parse() }); n != 0 {
			t.Errorf("%s allocates %v times for what is not there", name, n)
		}
	}
}

// Good messages are parsed without a copy.
func TestParsingAllocatesNothing(t *testing.T) {
	hello, reply := sampleClientHellos()[1], sampleServerHellos()[1]
	offer, answer := sampleClientExtensions()[1], sampleServerExtensions()[1]
	var (
		m ClientHello
		s ServerHello
		c ClientExtensions
		e ServerExtensions
	)
	if n := testing.AllocsPerRun(10, func() {
		if m.Parse(hello) != nil || s.Parse(reply) != nil || c.Parse(offer) != nil || e.Parse(answer) != nil {
			t.Fatal("good messages do not parse")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
