// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

const secretWord = "deadbeefcafe" // stands in keys, and must stand in no error

// A line that cannot be used is named by its number, what is behind it is read,
// and nothing of what it holds is repeated.
func TestBadLines(t *testing.T) {
	for _, test := range []struct {
		format, data string
		devices      int
		want         []string
	}{
		{"psktool", "a:00112233\nno colon " + secretWord + "\nb:" + secretWord + "x\nc:\n#zz:" + secretWord + "\nd:00\n", 2, []string{
			"line 2: no ':' between identity and key",
			"line 3, column 3: key is not hexadecimal",
			"line 4, column 3: keys: empty pre-shared key",
			"line 5, column 1: identity after '#' is not hexadecimal (a comment needs a space after '#')",
		}},
		{"psktool", "a:00\nb:" + secretWord + "\x00\nc:00\n", 2, []string{"line 2, column 15: holds a NUL octet: text in UTF-8 is needed"}},
		{"libcoap", "hint,only\n" + secretWord + "\n,id,key\nh,i,\n", 1, []string{
			"line 1, column 6: one comma only: hint,identity,key is needed",
			"line 2: no comma: hint,identity,key is needed",
			"line 4, column 5: keys: empty pre-shared key",
		}},
		{"californium-psk", "id " + secretWord + "\nid=" + secretWord + "!\nid=\nok=AAAA\n", 1, []string{
			"line 1: no '=' between identity and key",
			"line 2, column 4: the key is not base64",
			"line 3, column 4: keys: empty pre-shared key",
		}},
		{"californium", strings.Join([]string{
			".psk='a','" + secretWord + "'", "ok=g", ".psk='a','k'", "bad=g", ".psk='a'" + secretWord, ".rpk=AAAA", "none=g", "other=g",
			"else.psk=a," + secretWord, ".psk=a,:0x" + secretWord + "z", ".type=boss", "=g", "x509=g", ".x509=", "-----BEGIN CERTIFICATE-----", "AAAA", "-----END CERTIFICATE-----",
		}, "\n"), 1, []string{
			"line 1, column 1: a field before the first device",
			"line 5, column 6: no ',' between identity and key",
			"line 6, column 6: not a public key of a kind that can be used",
			"line 7: the device has neither .psk nor .rpk nor .x509",
			"line 9, column 1: the field names another device than the one above it",
			"line 10, column 6: the key: not hexadecimal",
			"line 11, column 7: .type is dev, prov or ca",
			"line 12, column 1: a device needs a name",
			"line 14: not a certificate",
		}},
		{"leshan", `[{"endpoint":"a","tls":{"mode":"psk","details":{"identity":"i","key":"` + secretWord + `z"}}},
{"tls":{}},
{"endpoint":"b"},
{"endpoint":7,"psk":{"key":"` + secretWord + `"}},
{"endpoint":"d","tls":{"mode":"rot13"}},
{"endpoint":"e","psk":["` + secretWord + `"]},
{"endpoint":"ok","tls":{"mode":"x509"}}]`, 1, []string{
			`line 1: "key" is not hexadecimal`,
			`line 2: there is no "endpoint"`,
			`line 3: there is no "tls"`,
			`line 4: not an object of Leshan's: "endpoint" is a number`,
			`line 5: "mode" is psk, rpk or x509`,
			`line 6: "psk" is not an object with identity and key`,
		}},
		{"leshan", "[{\"endpoint\":\"ok\",\"tls\":{\"mode\":\"x509\"}},\n{\"endpoint\":" + secretWord + "}]", 1, []string{"line 2: not JSON"}},
		{"leshan", `[{"endpoint":"ok","tls":{"mode":"x509"}}`, 1, []string{"line 1: the file ends in the middle"}},
		{"leshan", `[{"endpoint":"ok","tls":{"mode":"x509"}}] x`, 1, []string{"line 1: something follows the array"}},
		{"csv", "name,key,disabled\na," + secretWord + "z,\nb,00,maybe\n,00,\nc,00\nd,00,no\n", 1, []string{
			"line 2, column 3: key: not hexadecimal; other forms are b64:BASE64 and text:TEXT",
			"line 3, column 6: disabled: yes or no is needed",
			"line 4: the row names no device",
			"line 5: the header has 3 columns, this row has another number",
		}},
		{"csv", "name,secret\na," + secretWord + "\n", 0, []string{"line 1: column 2: no column of this table; there are " + csvColumnNames()}},
		{"csv", "name,key,name\n", 0, []string{"line 1: column 3: name comes twice"}},
		{"csv", "name,key\na,\"00\nb,00\n", 0, []string{"line 2: a quote in the wrong place, or one that is not closed"}},
		{"csv", "name,group,key,identity\na,g,00,a\na,h,00,b\nb,g,00,b\nc,,,\"id\"\n", 2, []string{
			"line 3: the device is on the row above already, with other properties",
			"line 5: an identity without a key",
		}},
		{"csv", "", 0, []string{"line 1: there is no header"}},
		{"json", `{"name":"ok"} {"name":"a/b"} {"name":"c","psk":[{"identity":"i","key":"hex:` + secretWord + `z"}]} {"nam":"x"}`, 1, []string{
			"line 1: name: the name \"a/b\" has a \"/\"",
			"line 1: psk[0].key: a key in hexadecimal holds an even number of the digits 0-9 and a-f",
			"line 1: nam: unknown field",
		}},
		{"aiocoap", `{":a": {"dtls": {"psk": {"hex": "` + secretWord + `z"}, "client-identity": {"ascii": "i"}}},
":b": {"dtls": {"psk": "` + secretWord + `"}},
":c": {"dtls": {"psk": {"ascii": "k"}, "client-identity": {"ascii": "i"}}}}`, 1, []string{
			"line 1: psk: not hexadecimal",
			`line 2: "dtls.psk" is a string`,
		}},
	} {
		devices, errs, _ := readAll(Find(test.format), test.data, Options{})
		if diff := cmp.Diff(test.want, errs); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", test.format, diff)
		}
		if len(devices) != test.devices {
			t.Errorf("%s: %d devices, want %d: %q", test.format, len(devices), test.devices, devices)
		}
		if all := strings.Join(errs, "\n"); strings.Contains(all, secretWord[:6]) {
			t.Errorf("%s: an error repeats a key: %s", test.format, all)
		}
	}
}

// A line, row or object without an end takes a bounded part of memory, and what
// is behind a line can be read.
func TestHugeLines(t *testing.T) {
	const size = 64 << 20
	for _, test := range []struct{ format, head, tail, want string }{
		{"psktool", "a:00\nb:", "\nc:00\n", "line 2: longer than 1048576 octets"},
		{"libcoap", "h,a,0\nh,b,", "\nh,c,0\n", "line 2: longer than 1048576 octets"},
		{"californium", "a=g\n.psk='a','0'\nb=g\n.label=", "\nc=g\n.psk='a','0'\n", "line 4: longer than 1048576 octets"},
		{"californium-psk", "a=0000\nb=", "\nc=0000\n", "line 2: longer than 1048576 octets"},
		{"csv", "name,key\na,00\nb,\"", "", "line 3: a row of more than a million octets: is a quote open?"},
		{"leshan", `[{"endpoint":"a","x509":true},{"endpoint":"`, "", "line 1: an object of more than 1048576 octets"},
		{"json", `{"name":"a"}{"label":"`, "", "line 1: an object of more than 1048576 octets"},
		{"json", "", "", "line 1: an object of more than 1048576 octets"},
		{"aiocoap", `{"a":"`, "", "line 1: an object of more than 1048576 octets"},
	} {
		filler := io.LimitReader(endless('0'), size)
		if test.head == "" {
			filler = io.LimitReader(endless(' '), size)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var errs []string
		devices := 0
		for _, err := range Find(test.format).Read(io.MultiReader(strings.NewReader(test.head), filler, strings.NewReader(test.tail)), Options{}) {
			if err != nil {
				errs = append(errs, err.Error())
				continue
			}
			devices++
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 40<<20 {
			t.Errorf("%s: %d MB for a file of %d", test.format, used>>20, size>>20)
		}
		if len(errs) == 0 || !strings.HasSuffix(errs[0], strings.TrimPrefix(test.want, "line 1: ")) {
			t.Errorf("%s %.10q: errors %q", test.format, test.head, errs)
		}
		if test.tail != "" && devices != 2 {
			t.Errorf("%s: %d devices around the long line", test.format, devices)
		}
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// A file that is none of these is not taken for one.
func TestRecogniseNothing(t *testing.T) {
	for _, data := range []string{"", "\n\n", "hello", "<xml/>", "\x00\x01\x02", "[1,2]", "{}", `{"a":1}`, "-----BEGIN CERTIFICATE-----\nAAAA\n",
		"root:x:0:0:root:/root:/bin/bash\n", "key: value\nother: [1]\n"} {
		if f := Recognise([]byte(data)); f != nil {
			t.Errorf("%q is taken for %s", data, f.Name)
		}
	}
}

// A table whose header is not quite right is not taken for libcoap's hints, which
// may be any three words: their keys would be "key" and "0x0011...".
func TestRecogniseHeader(t *testing.T) {
	const row = "\na,a,0x00112233445566778899aabbccddeeff\n"
	for _, header := range []string{"name,nosuch,key", "name,name,key", "# fleet\nname,identity,key", "Name;Sekret;PSK;Nodes", "name\tidentity\ttypo"} {
		f := Recognise([]byte(header + row))
		if f == nil || f.Name != "csv" {
			t.Errorf("%q is taken for %v", header, f)
			continue
		}
		if devices, errs, _ := readAll(f, header+row, Options{}); len(errs) == 0 || len(devices) > 0 {
			t.Errorf("%q: %q, errors %q", header, devices, errs)
		}
	}
	if f := Recognise([]byte("# hint,identity,key" + row)); f == nil || f.Name != "libcoap" {
		t.Errorf("hints behind a comment are taken for %v", f)
	}
}

// A file for a server name has no identities: somebody has to know them.
func TestLibcoapSNI(t *testing.T) {
	f := Find("libcoap-sni")
	const data = "# comment\nGW.example,hint,key-of-16-octets\n"
	if _, errs, _ := readAll(f, data, Options{}); len(errs) != 1 {
		t.Errorf("errors without identity: %q", errs)
	}
	devices, errs, _ := readAll(f, data, Options{Identity: []byte("fleet")})
	if want := []string{"2: gw.example psk(fleet,6b65792d6f662d31362d6f6374657473)@gw.example"}; !cmp.Equal(devices, want) || len(errs) > 0 {
		t.Errorf("%q %q", devices, errs)
	}
	if f.CanWrite() || !f.CanRead() {
		t.Error("can be written, or not read")
	}
}

// An error of the file itself ends the reading.
func TestReadFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, f := range Formats() {
		n := 0
		for _, err := range f.Read(io.MultiReader(strings.NewReader("name,key\n"), iotestError{broken}), Options{Identity: []byte("i")}) {
			n++
			if errors.Is(err, broken) {
				n = -1
				break
			}
		}
		if n != -1 && f.Name != "json" && f.Name != "leshan" && f.Name != "aiocoap" {
			t.Errorf("%s: the error did not come through", f.Name)
		}
	}
}

type iotestError struct{ err error }

func (e iotestError) Read([]byte) (int, error) { return 0, e.err }

// An error of the sequence, or of the file, ends the writing and comes back.
func TestWriteFails(t *testing.T) {
	gone := errors.New("gone")
	broken := func(yield func(registry.Device, error) bool) {
		_ = yield(registry.Device{}, gone)
	}
	for _, f := range Formats() {
		if !f.CanWrite() {
			continue
		}
		if _, err := f.Write(io.Discard, iter.Seq2[registry.Device, error](broken), WriteOptions{}); !errors.Is(err, gone) {
			t.Errorf("%s: %v", f.Name, err)
		}
		if _, err := f.Write(failingWriter{gone}, sequence(testDevices(t)), WriteOptions{}); !errors.Is(err, gone) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

// fuzz reads anything as f; whatever comes is a device that a registry takes, and
// what is written of it is read again the same.
func fuzz(f *testing.F, name string, seeds ...string) {
	format := Find(name)
	for _, file := range seeds {
		if data, err := os.ReadFile("testdata/" + file); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte("\xef\xbb\xbfa,b\r\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = Recognise(data)
		for e, err := range format.Read(bytes.NewReader(data), Options{Identity: []byte("i"), Split: "@"}) {
			if err != nil {
				continue
			}
			if err := e.Device.Check(); err != nil || e.Line < 1 {
				t.Fatalf("line %d: a device that is none: %v", e.Line, err)
			}
			if !format.CanWrite() {
				continue
			}
			writeAgain(t, format, &e.Device)
		}
	})
}

// writeAgain checks that the keys that are written are those that come back.
func writeAgain(t *testing.T, format *Format, d *registry.Device) {
	var file bytes.Buffer
	n, err := format.Write(&file, sequence([]registry.Device{*d}), WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	back := 0
	for e, err := range format.Read(bytes.NewReader(file.Bytes()), Options{}) {
		if err != nil {
			t.Fatalf("written, and not read again: %v\n%q", err, file.Bytes())
		}
		back++
		for i := range e.Device.Credentials {
			if c := &e.Device.Credentials[i]; c.PSK != nil && !hasKey(d, c.PSK) {
				t.Fatalf("another key comes back for %s", keys.PrintableIdentity(c.PSK.Identity))
			}
		}
	}
	if n > 0 && back == 0 {
		t.Fatalf("%d written, none read", n)
	}
}

func hasKey(d *registry.Device, psk *registry.PSK) bool {
	for i := range d.Credentials {
		if c := d.Credentials[i].PSK; c != nil && bytes.Equal(c.Identity, psk.Identity) && c.Key.Equal(psk.Key) {
			return true
		}
	}
	return false
}

func FuzzPSKTool(f *testing.F)     { fuzz(f, "psktool", "psktool.txt") }
func FuzzLibcoap(f *testing.F)     { fuzz(f, "libcoap", "libcoap-i.txt") }
func FuzzLibcoapSNI(f *testing.F)  { fuzz(f, "libcoap-sni", "libcoap-i.txt") }
func FuzzPSKStore(f *testing.F)    { fuzz(f, "californium-psk", "psk-store.txt") }
func FuzzCalifornium(f *testing.F) { fuzz(f, "californium", "californium.txt") }
func FuzzLeshan(f *testing.F)      { fuzz(f, "leshan", "leshan.json", "leshan-redis.json") }
func FuzzCSV(f *testing.F)         { fuzz(f, "csv", "fleet.csv") }
func FuzzJSONDevices(f *testing.F) { fuzz(f, "json", "leshan.json") }
func FuzzAiocoap(f *testing.F)     { fuzz(f, "aiocoap", "aiocoap.json") }
func FuzzRecognised(f *testing.F) {
	f.Add([]byte("a:00\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if format := Recognise(data); format != nil && format.CanRead() {
			for range format.Read(bytes.NewReader(data), Options{}) {
			}
		}
	})
}

func BenchmarkReadPSKTool(b *testing.B) {
	var file bytes.Buffer
	for i := range 10000 {
		fmt.Fprintf(&file, "sensor-%d:000102030405060708090a0b0c0d0e0f\n", i)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		for _, err := range formatPSKTool.Read(bytes.NewReader(file.Bytes()), Options{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
