// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The octets of each extension are those of its RFC.
//
// Proves rfc8422 §5.1.2: "A client compliant with this specification that
// supports no other curves MUST send the following octets; note that the
// first two octets indicate the extension type (Supported Point Formats
// Extension):"
// Proves rfc7627 §5.1: "Thus, the entire encoding of the extension is 00 17
// 00 00 (in hexadecimal.)"
// Proves rfc8422 §5.1.1: "Items in named_curve_list are ordered according to
// the client's preferences (favorite choice first)."
func TestExtensionOctets(t *testing.T) {
	for _, test := range []struct {
		ext  ExtensionType
		e    ClientExtensions
		want string
	}{
		{ExtECPointFormats, ClientExtensions{PointFormats: []byte{PointUncompressed}}, "000b 0002 01 00"},
		{ExtExtendedMasterSecret, ClientExtensions{}, "0017 0000"},
		// The example of RFC 8422 §5.1.1.
		{ExtSupportedGroups, ClientExtensions{Groups: ListOf([]Group{GroupSecp256r1, GroupSecp384r1})}, "000a 0006 0004 0017 0018"},
		// Those of RFC 7252 §9.1.3.2, figure 14.
		{ExtSignatureAlgorithms, ClientExtensions{Schemes: ListOf([]SignatureScheme{SchemeECDSAP256SHA256})}, "000d 0004 0002 0403"},
		{ExtServerName, ClientExtensions{ServerName: []byte("a.b")}, "0000 0008 0006 00 0003 612e62"},
		{ExtMaxFragmentLength, ClientExtensions{MaxFragmentLength: 1}, "0001 0001 01"},
		// RFC 7250 §5, figure 6: a raw public key in both directions.
		{ExtServerCertType, ClientExtensions{ServerCertTypes: []byte{2}}, "0014 0002 01 02"},
		{ExtClientCertType, ClientExtensions{ClientCertTypes: []byte{2, 0}}, "0013 0003 02 0200"},
		{ExtRecordSizeLimit, ClientExtensions{RecordSizeLimit: 16385}, "001c 0002 4001"},
		// RFC 5746 §3.2: an empty renegotiated_connection.
		{ExtRenegotiationInfo, ClientExtensions{}, "ff01 0001 00"},
		// RFC 6066 §8: type ocsp, no responders named, no extensions.
		{ExtStatusRequest, ClientExtensions{}, "0005 0005 01 0000 0000"},
	} {
		test.e.Present = test.ext.Bit()
		if got, want := test.e.Append(nil), unhex(t, test.want); !bytes.Equal(got, want) {
			t.Errorf("extension %d is %x, want %x", test.ext, got, want)
		}
	}
}

// The server's form of the certificate types is a single value.
//
// Proves rfc7250 §4.2: "Note that only a single value is permitted in the
// server_certificate_type extension when carried in the server hello."
func TestServerCertTypeIsSingle(t *testing.T) {
	e := ServerExtensions{Present: ExtServerCertType.Bit() | ExtClientCertType.Bit(), ServerCertType: CertRawPublicKey}
	if got := e.Append(nil); !bytes.Equal(got, unhex(t, "0013 0001 00 0014 0001 02")) {
		t.Errorf("%x", got)
	}
	for _, list := range []string{"0014 0002 01 02", "0014 0002 0200", "0014 0000", "0013 0003 020200"} {
		if err := e.Parse(unhex(t, list)); !errors.Is(err, ErrDecode) {
			t.Errorf("%s: %v", list, err)
		}
	}
}

// What is parsed is what was said, and absent is not empty.
func TestClientExtensionFields(t *testing.T) {
	list := sampleClientExtensions()[1]
	var e ClientExtensions
	if err := e.Parse(list); err != nil {
		t.Fatal(err)
	}
	want := ClientExtensions{
		Present: 1<<len(extensionBits) - 1, ServerName: []byte("server.example"), MaxFragmentLength: 1,
		Groups: List[Group]{0, 23, 0, 29}, PointFormats: []byte{0}, Schemes: List[SignatureScheme]{8, 7},
		ClientCertTypes: []byte{2, 0}, ServerCertTypes: []byte{2}, ExtendedMasterSecret: true, RecordSizeLimit: 64,
		RenegotiationInfo: []byte{}, OCSP: true,
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	if err := e.Parse(nil); err != nil || !cmp.Equal(e, ClientExtensions{}) {
		t.Errorf("no extensions: %+v, %v", e, err)
	}
}

// A server ignores what it does not know; a client cannot have asked for it.
//
// Proves rfc5746 §3.6: "TLS servers implementing this specification MUST
// ignore any unknown extensions offered by the client"
// Proves rfc5246 §7.4.1.4: "If a client receives an extension type in
// ServerHello that it did not request in the associated ClientHello, it MUST
// abort the handshake with an unsupported_extension fatal alert."
// Pitfall O11: junk in unknown extensions is skipped and costs nothing
func TestUnknownExtensions(t *testing.T) {
	for _, list := range []string{"abcd 0000", "000e 0005 ffffffffff", "0023 0002 0000", "0010 0003 ffff00"} {
		b := unhex(t, list)
		var c ClientExtensions
		if err := c.Parse(b); err != nil || c.Present != 0 {
			t.Errorf("client's %s: %v", list, err)
		}
		if n := testing.AllocsPerRun(10, func() { c.Parse(b) }); n != 0 {
			t.Errorf("%s costs %v allocations", list, n)
		}
		var s ServerExtensions
		if err := s.Parse(b); !errors.Is(err, ErrUnsupportedExtension) {
			t.Errorf("server's %s: %v", list, err)
		}
	}
	// These two are the client's to send.
	for _, list := range []string{"000a 0004 0002 0017", "000d 0004 0002 0403"} {
		var s ServerExtensions
		if err := s.Parse(unhex(t, list)); !errors.Is(err, ErrUnsupportedExtension) {
			t.Errorf("server's %s: %v", list, err)
		}
	}
}

// No type occurs twice, be it known or not, and the list is bounded.
//
// Proves rfc5246 §7.4.1.4: "There MUST NOT be more than one extension of the
// same type."
func TestRepeatedExtensions(t *testing.T) {
	for _, list := range []string{"0017 0000 0017 0000", "abcd 0000 0017 0000 abcd 0001 00", "ff01 0001 00 ff01 0001 00"} {
		var c ClientExtensions
		var s ServerExtensions
		if err := c.Parse(unhex(t, list)); !errors.Is(err, ErrDecode) {
			t.Errorf("client's %s: %v", list, err)
		}
		if err := s.Parse(unhex(t, list)); err == nil {
			t.Errorf("server's %s is accepted", list)
		}
	}
	var many []byte
	for i := range MaxExtensions {
		many = append(many, 0x7f, byte(i), 0, 0)
	}
	var c ClientExtensions
	if err := c.Parse(many); err != nil {
		t.Errorf("%d extensions: %v", MaxExtensions, err)
	}
	if err := c.Parse(append(many, 0x7e, 0, 0, 0)); !errors.Is(err, ErrDecode) {
		t.Errorf("%d extensions: %v", MaxExtensions+1, err)
	}
}

// Each extension that is known is checked to its last byte.
//
// Pitfall O11: malformed extensions are errors, each at once
func TestMalformedExtensions(t *testing.T) {
	for _, list := range []string{
		"0000 0000", "0000 0002 0000", "0000 0006 0005 00 0001 61", // server_name: nothing, no names, wrong length
		"0001 0000", "0001 0002 0101", // max_fragment_length
		"000a 0000", "000a 0002 0000", "000a 0003 0001 17", "000a 0006 0002 0017 0018", // supported_groups
		"000b 0000", "000b 0001 00", "000b 0003 01 0000", // ec_point_formats
		"000d 0002 0000", "000d 0003 0001 04", // signature_algorithms
		"0013 0001 00", "0013 0003 01 0200", "0014 0001 00", "0014 0000", // certificate types
		"0017 0001 00",                                  // extended_master_secret
		"001c 0000", "001c 0001 40", "001c 0003 400000", // record_size_limit
		"ff01 0000", "ff01 0001 01", "ff01 0002 0000", // renegotiation_info
		"00", "0017", "0017 00", "0017 0001", // no extension at all
	} {
		var c ClientExtensions
		if err := c.Parse(unhex(t, list)); !errors.Is(err, ErrDecode) {
			t.Errorf("%s: %v", list, err)
		}
	}
}

// A client names itself one server.
//
// Proves rfc6066 §3: "The ServerNameList MUST NOT contain more than one name
// of the same name_type."
// Proves rfc6066 §3: "For backward compatibility, all future data structures
// associated with new NameTypes MUST begin with a 16-bit length field."
func TestServerNames(t *testing.T) {
	for list, want := range map[string]string{
		"0000 0006 0004 00 0001 61":            "a",
		"0000 000a 0008 05 0001 78 00 0001 61": "a", // a name of another type before it
		"0000 000a 0008 00 0001 61 05 0001 78": "a",
		"0000 0006 0004 05 0001 78":            "",
	} {
		var c ClientExtensions
		if err := c.Parse(unhex(t, list)); err != nil || string(c.ServerName) != want {
			t.Errorf("%s: %q, %v", list, c.ServerName, err)
		}
	}
	for _, list := range []string{"0000 000a 0008 00 0001 61 00 0001 62", "0000 0005 0003 00 0000", "0000 0007 0005 00 0001 61 00"} {
		var c ClientExtensions
		if err := c.Parse(unhex(t, list)); !errors.Is(err, ErrDecode) {
			t.Errorf("%s: %q, %v", list, c.ServerName, err)
		}
	}
	// The server's answer is empty.
	var s ServerExtensions
	if s.Parse(unhex(t, "0000 0000")) != nil || s.Parse(unhex(t, "0000 0002 0000")) == nil {
		t.Error("the server's answer has content")
	}
}

// The codes of max_fragment_length are four.
//
// Proves rfc6066 §4: "The allowed values for this field are: 2^9, 2^10, 2^11,
// and 2^12."
func TestMaxFragmentLengthCodes(t *testing.T) {
	want := map[uint8]int{1: 512, 2: 1024, 3: 2048, 4: 4096}
	for code := range 256 {
		if got := MaxFragmentLengthOf(uint8(code)); got != want[uint8(code)] {
			t.Errorf("code %d: %d", code, got)
		}
	}
	for code, length := range want {
		if got := MaxFragmentLengthCode(length); got != code {
			t.Errorf("length %d: code %d", length, got)
		}
	}
	for _, length := range []int{0, 1, 256, 511, 513, 8192, 16384, -512} {
		if got := MaxFragmentLengthCode(length); got != 0 {
			t.Errorf("length %d: code %d", length, got)
		}
	}
}

// The set of extensions tells all of them apart.
func TestExtensionSet(t *testing.T) {
	var all ExtensionSet
	for _, known := range extensionBits {
		if all.Has(known) {
			t.Errorf("extension %d has another's bit", known)
		}
		all |= known.Bit()
		if !all.Has(known) {
			t.Errorf("extension %d has no bit", known)
		}
	}
	if all.Has(0x1234) || ExtensionType(0x1234).Bit() != 0 {
		t.Error("an unknown extension is in the set")
	}
}
