// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// summary is a device in one line, keys and all, for tables of expectations.
func summary(d *registry.Device) string {
	text := d.Name
	if d.Tenant != "" {
		text = d.Tenant + "/" + text
	}
	if len(d.Groups) > 0 {
		text += " in " + strings.Join(d.Groups, "+")
	}
	if d.Label != "" {
		text += " " + fmt.Sprintf("%q", d.Label)
	}
	if d.Disabled {
		text += " disabled"
	}
	for i := range d.Credentials {
		c := &d.Credentials[i]
		switch {
		case c.PSK != nil:
			text += fmt.Sprintf(" psk(%s,%x)", keys.PrintableIdentity(c.PSK.Identity), c.PSK.Key.Bytes())
		case c.RPK != nil:
			text += fmt.Sprintf(" rpk(%s)", c.RPK.Name)
		case c.Certificate != nil && c.Certificate.Subject != "":
			text += " cert(" + c.Certificate.Subject + ")"
		case c.Certificate != nil:
			text += fmt.Sprintf(" cert(%s)", c.Certificate.Pin)
		}
		if c.Host != "" {
			text += "@" + c.Host
		}
	}
	return text
}

// readAll returns what a file holds: devices, errors and notes, with their lines.
func readAll(f *Format, data string, o Options) (devices, errs, notes []string) {
	o.Note = func(line int, text string) { notes = append(notes, fmt.Sprintf("%d: %s", line, text)) }
	for e, err := range f.Read(strings.NewReader(data), o) {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		devices = append(devices, fmt.Sprintf("%d: %s", e.Line, summary(&e.Device)))
	}
	return devices, errs, notes
}

// The files in testdata are as the tools write them, or their documentation has
// them.
func TestReadGolden(t *testing.T) {
	for _, test := range []struct {
		file, format string
		options      Options
		want         []string
		notes        int
	}{
		{file: "psktool.txt", format: "psktool", want: []string{
			"1: urn:imei:350457799486418 psk(urn:imei:350457799486418,86f72d6aa61c256c5cc3a133419720e2b4b581c2405d4274fd7eced77b530ab3)",
			"2: sensor-7 psk(sensor-7,4991e3ca553130b689c23533db074360a1d664fff3ffca18809be6bfc7bb57a5)",
			"3: Ünï code psk(Ünï code,1781ecc14d2ac4f8e4f591e835eb673b76c23725e7a7a87926bddab4445f6e6f)",
		}},
		{file: "libcoap-i.txt", format: "libcoap", want: []string{
			"2: sensor-7 psk(sensor-7,73656372657450534b2d6f662d7369787465656e)",
			"3: sensor-8 psk(sensor-8,61206b65792c2077697468206120636f6d6d61)",
		}},
		{file: "psk-store.txt", format: "californium-psk", options: Options{Split: "@", Group: "meters"}, want: []string{
			"1: DEFAULT_TENANT/A580000 in meters psk(A580000@DEFAULT_TENANT,636f61702d736563726574)",
			"2: DEFAULT_TENANT/A580001 in meters psk(A580001@DEFAULT_TENANT,636f61702d73656372657432)",
			"5: cali.1 in meters psk(cali.1,73656372657450534b)",
		}},
		{file: "californium.txt", format: "californium", notes: 2, want: []string{
			`4: Demo.10034780012 in Thing "My Demo Weatherstation" psk(Client_identity,73656372657450534b) rpk(ni:///sha-256;X1JFRa5d0DaMjTLusw9usX-4KyLqyplwFydmk9tC9zk)`,
			"10: Demo.10560970055 in Thing disabled psk(cali.0012345,73656372657450534b)",
			"14: DemoDevice1 in Demo psk(Device_identity,010203040506)",
			"18: DemoDevice2 in Demo rpk(ni:///sha-256;q-ZZP0AeFQjASGnRZSqjh7FjnvhNTecQhISp12Eonxo)",
			`41: Demo.40145780125 in Thing "Door" cert(ni:///sha-256;8PMZ1EK1QBEKqXCtwA-tzQrLZ8yTBSB5zuD8rCDUvdc)`,
		}},
		{file: "leshan.json", format: "leshan", notes: 1, want: []string{
			"1: ep-psk psk(id-1,00112233445566778899aabbccddeeff)",
			"2: ep-rpk rpk(ni:///sha-256;472clsAtkRhLa1h-8EJkOACGLWx9w4Sa5m3cSvaz_Hc)",
			"3: ep-x509 cert(CN=ep-x509)",
		}},
		{file: "leshan-redis.json", format: "leshan", want: []string{
			"1: myendPoint psk(pskIdentity,deadbeef)",
			"2: rpkEndPoint rpk(ni:///sha-256;472clsAtkRhLa1h-8EJkOACGLWx9w4Sa5m3cSvaz_Hc)",
			"3: old psk(old-id,00ff)",
		}},
		{file: "fleet.csv", format: "csv", options: Options{Tenant: "other", Host: "gw.example"}, want: []string{
			`2: acme/sensor-1 in sensors+outdoor "north gate; left" psk(sensor-1@acme,00112233445566778899aabbccddeeff)@gw.example`,
			"3: acme/sensor-2 in sensors psk(sensor-2,000102030405060708090a0b0c0d0e0f)@gw.example",
			"4: other/valve-3 in valves rpk(ni:///sha-256;X1JFRa5d0DaMjTLusw9usX-4KyLqyplwFydmk9tC9zk)@gw.example",
		}},
		{file: "aiocoap.json", format: "aiocoap", notes: 2, want: []string{
			"2: client_Identity psk(client_Identity,73656372657450534b)",
			"3: acme/sensor-7 psk(0xff00,00112233)",
		}},
	} {
		t.Run(test.file, func(t *testing.T) {
			data, err := os.ReadFile("testdata/" + test.file)
			if err != nil {
				t.Fatal(err)
			}
			format := Recognise(data)
			if format == nil || format.Name != test.format {
				t.Fatalf("recognised as %v, want %s", format, test.format)
			}
			devices, errs, notes := readAll(format, string(data), test.options)
			if diff := cmp.Diff(test.want, devices); diff != "" {
				t.Errorf("devices (-want +got):\n%s", diff)
			}
			if len(errs) > 0 || len(notes) != test.notes {
				t.Errorf("errors %q, notes %q", errs, notes)
			}
			// As Windows writes it, with a byte order mark.
			windows := "\xef\xbb\xbf" + strings.ReplaceAll(string(data), "\n", "\r\n")
			again, errs, _ := readAll(format, windows, test.options)
			if Recognise([]byte(windows)) != format || len(errs) > 0 || !cmp.Equal(test.want, again) {
				t.Errorf("with CR LF: errors %q, %s", errs, cmp.Diff(test.want, again))
			}
		})
	}
}

func testDevices(t testing.TB) []registry.Device {
	spki, err := hex.DecodeString("3059301306072a8648ce3d020106082a8648ce3d0301070342000489c048261979208666f2bfb188be1968fc9021c416ce12828c06f4e314c167b5cbf1eb7587f08e01688d9ada4be859137ca49f79394bad9179326b3090967b68")
	if err != nil {
		t.Fatal(err)
	}
	psk := func(identity, key string) registry.Credential {
		p, err := keys.NewPSK([]byte(identity), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return pskCredential(p)
	}
	rpk, err := rpkCredential(spki)
	if err != nil {
		t.Fatal(err)
	}
	all := []registry.Device{
		{Name: "sensor-1", Groups: []string{"sensors"}, Credentials: []registry.Credential{psk("sensor-1", "a key of text, and a comma")}},
		{Name: "sensor-2", Tenant: "acme", Label: "north, gate", Groups: []string{"sensors", "outdoor"}, Credentials: []registry.Credential{psk("sensor-2@acme", "\x00\x01\xffbinary key 16 b"), rpk}},
		{Name: "urn:imei:1", Credentials: []registry.Credential{psk("urn:imei:1", "0123456789abcdef")}},
		{Name: "off", Disabled: true, Groups: []string{"g"}, Credentials: []registry.Credential{psk("off", "0123456789abcdef")}},
		{Name: "binary", Groups: []string{"g"}, Credentials: []registry.Credential{psk("\xff\x00\n,=:\"'", "0123456789abcdef")}},
		{Name: "two", Groups: []string{"g"}, Credentials: []registry.Credential{psk("two.1", "0123456789abcdef"), psk("two.2", "0123456789abcdeg")}},
		{Name: "cert", Groups: []string{"g"}, Credentials: []registry.Credential{{Certificate: &registry.Certificate{Subject: "CN=cert", Issuer: "CN=a CA,O=x"}}}},
		{Name: "token", Groups: []string{"g"}, Credentials: []registry.Credential{{Token: &registry.Token{SHA256: bytes.Repeat([]byte{7}, 32)}}}},
		{Name: "bare", Groups: []string{"g"}},
	}
	full := psk("full", "0123456789abcdef")
	full.PSK.Nodes, full.Host, full.ID, full.Disabled = []string{"gw-1", "gw-2"}, "vhost.example", "old", true
	full.NotBefore, full.NotAfter = time.Unix(1700000000, 0).UTC(), time.Unix(1800000000, 0).UTC()
	return append(all, registry.Device{Name: "full", Label: "a \"quoted\" label, and more", Groups: []string{"g"}, Credentials: []registry.Credential{full},
		NotBefore: time.Unix(1600000000, 0).UTC(), NotAfter: time.Unix(1900000000, 0).UTC()})
}

func sequence(devices []registry.Device) func(func(registry.Device, error) bool) {
	return func(yield func(registry.Device, error) bool) {
		for _, d := range devices {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// What a format has words for comes back as it was; the rest is told, and
// nothing that was disabled or bounded comes back as good.
func TestWriteAndRead(t *testing.T) {
	devices := testDevices(t)
	for _, test := range []struct {
		format string
		want   []string // nil: all as they were
		left   int
	}{
		{format: "json"},
		{format: "csv"},
		{format: "psktool", left: 6, want: []string{
			"sensor-1 psk(sensor-1,61206b6579206f6620746578742c20616e64206120636f6d6d61)",
			"sensor-2@acme psk(sensor-2@acme,0001ff62696e617279206b65792031362062)",
			"urn:imei:1 psk(urn:imei:1,30313233343536373839616263646566)",
			"0xff000a2c3d3a2227 psk(0xff000a2c3d3a2227,30313233343536373839616263646566)",
			"two.1 psk(two.1,30313233343536373839616263646566)",
			"two.2 psk(two.2,30313233343536373839616263646567)",
		}},
		{format: "libcoap", left: 8, want: []string{
			"sensor-1 psk(sensor-1,61206b6579206f6620746578742c20616e64206120636f6d6d61)",
			"urn:imei:1 psk(urn:imei:1,30313233343536373839616263646566)",
			"two.1 psk(two.1,30313233343536373839616263646566)",
			"two.2 psk(two.2,30313233343536373839616263646567)",
		}},
		{format: "californium-psk", left: 7, want: []string{
			"sensor-1 psk(sensor-1,61206b6579206f6620746578742c20616e64206120636f6d6d61)",
			"sensor-2@acme psk(sensor-2@acme,0001ff62696e617279206b65792031362062)",
			"urn:imei:1 psk(urn:imei:1,30313233343536373839616263646566)",
			"two.1 psk(two.1,30313233343536373839616263646566)",
			"two.2 psk(two.2,30313233343536373839616263646567)",
		}},
		{format: "californium", left: 6, want: []string{
			"sensor-1 in sensors psk(sensor-1,61206b6579206f6620746578742c20616e64206120636f6d6d61)",
			"sensor-2 in sensors psk(sensor-2@acme,0001ff62696e617279206b65792031362062) rpk(ni:///sha-256;472clsAtkRhLa1h-8EJkOACGLWx9w4Sa5m3cSvaz_Hc)",
			"urn:imei:1 in - psk(urn:imei:1,30313233343536373839616263646566)",
			"off in g disabled psk(off,30313233343536373839616263646566)",
			"two in g psk(two.2,30313233343536373839616263646567)",
		}},
		{format: "leshan", left: 8, want: []string{
			"sensor-1 psk(sensor-1,61206b6579206f6620746578742c20616e64206120636f6d6d61)",
			"sensor-2 rpk(ni:///sha-256;472clsAtkRhLa1h-8EJkOACGLWx9w4Sa5m3cSvaz_Hc)",
			"urn:imei:1 psk(urn:imei:1,30313233343536373839616263646566)",
			"two psk(two.2,30313233343536373839616263646567)",
		}},
		{format: "aiocoap", left: 7, want: []string{
			"sensor-1 psk(sensor-1,61206b6579206f6620746578742c20616e64206120636f6d6d61)",
			"acme/sensor-2 psk(sensor-2@acme,0001ff62696e617279206b65792031362062)",
			"urn:imei:1 psk(urn:imei:1,30313233343536373839616263646566)",
			"binary psk(0xff000a2c3d3a2227,30313233343536373839616263646566)",
			"two psk(two.2,30313233343536373839616263646567)",
		}},
	} {
		t.Run(test.format, func(t *testing.T) {
			format := Find(test.format)
			var file bytes.Buffer
			var left []string
			n, err := format.Write(&file, sequence(devices), WriteOptions{Left: func(d *registry.Device, why string) {
				left = append(left, d.Name+": "+why)
			}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			var back []registry.Device
			for e, err := range format.Read(bytes.NewReader(file.Bytes()), Options{}) {
				if err != nil {
					t.Fatalf("%v in\n%s", err, file.String())
				}
				got, back = append(got, summary(&e.Device)), append(back, e.Device)
			}
			if test.want == nil {
				checkSame(t, devices, back)
			} else if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(left) != test.left {
				t.Errorf("left out %d: %q", len(left), left)
			}
			if Recognise(file.Bytes()) != format {
				t.Errorf("not recognised again: %s", file.String())
			}
			if test.want == nil && n != len(devices) {
				t.Errorf("wrote %d of %d", n, len(devices))
			}
		})
	}
}

// checkSame compares devices by the form in which they are stored.
func checkSame(t *testing.T, want, got []registry.Device) {
	t.Helper()
	text := func(devices []registry.Device) (lines []string) {
		for i := range devices {
			lines = append(lines, string(devices[i].AppendJSON(nil)))
		}
		return lines
	}
	if diff := cmp.Diff(text(want), text(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An empty list is a file that can be read.
func TestWriteNothing(t *testing.T) {
	for _, format := range Formats() {
		if !format.CanWrite() {
			continue
		}
		var file bytes.Buffer
		if _, err := format.Write(&file, sequence(nil), WriteOptions{}); err != nil {
			t.Errorf("%s: %v", format.Name, err)
		}
		for _, err := range format.Read(bytes.NewReader(file.Bytes()), Options{}) {
			t.Errorf("%s: %v", format.Name, err)
		}
	}
}

// No file brings in a name with what separates names in a list: it would be
// several groups after a backup that is read again.
func TestNamesOfLists(t *testing.T) {
	for format, data := range map[string]string{
		"json":        `{"name":"a","groups":["ops,root;admin"]}`,
		"californium": "a=ops;root\n.psk='a','0123456789abcdef'\n",
	} {
		if devices, errs, _ := readAll(Find(format), data, Options{}); len(devices) > 0 || len(errs) != 1 {
			t.Errorf("%s: %q %q", format, devices, errs)
		}
	}
}

// A cell that a spreadsheet would calculate is written as it is, and told.
func TestCSVFormulas(t *testing.T) {
	devices := []registry.Device{{Name: "=cmd()", Label: "+1", Groups: []string{"@all"}}, {Name: "plain"}}
	var file bytes.Buffer
	var notes []string
	_, err := formatCSV.Write(&file, sequence(devices), WriteOptions{Note: func(d *registry.Device, text string) { notes = append(notes, d.Name+": "+text) }})
	if err != nil {
		t.Fatal(err)
	}
	var back []registry.Device
	for e, err := range formatCSV.Read(&file, Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		back = append(back, e.Device)
	}
	checkSame(t, devices, back)
	if len(notes) != 3 || !strings.Contains(notes[0], "formula") {
		t.Errorf("notes %q", notes)
	}
}

// An identity that cannot be a name gives one that nothing else has.
func TestNameOfIdentity(t *testing.T) {
	for identity, want := range map[string]string{
		"urn:imei:1": "urn:imei:1", "a/b": "0x612f62", "\x00": "0x00", "": "0x", "anybody": "0x616e79626f6479", "group:x": "0x67726f75703a78",
		strings.Repeat("a", 128): strings.Repeat("a", 128), strings.Repeat("/", 65): "sha256-",
	} {
		got := nameOfIdentity([]byte(identity))
		if !strings.HasPrefix(got, want) || registry.CheckName(got) != nil || len(want) > 8 && got != want {
			t.Errorf("%.20q is called %q, want %q", identity, got, want)
		}
	}
}

// Groups come back from our own format, whatever stands first, with what the options
// say; of all others it is told that they have no words for them.
func TestGroups(t *testing.T) {
	psk, err := keys.NewPSK([]byte("all"), []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	group := registry.Group{Name: "sensors", Label: "outdoors", Credentials: []registry.Credential{{PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key}}}}
	groups := func(yield func(registry.Group, error) bool) { yield(group, nil) }
	for _, format := range Formats() {
		if !format.CanWrite() {
			continue
		}
		var file bytes.Buffer
		var left []string
		if _, err := format.Write(&file, sequence(nil), WriteOptions{Groups: groups, LeftGroup: func(g *registry.Group, why string) { left = append(left, g.Name+why) }}); err != nil {
			t.Fatal(err)
		}
		if ours := format == formatJSON; ours == (len(left) > 0) || !ours && bytes.Contains(file.Bytes(), []byte("0123456789abcdef")) {
			t.Errorf("%s: left %q\n%s", format.Name, left, file.String())
		}
		if format != formatJSON {
			continue
		}
		if Recognise(file.Bytes()) != format {
			t.Errorf("not recognised: %s", file.String())
		}
		for e, err := range format.Read(&file, Options{Tenant: "acme", Group: "others", Host: "h.example"}) {
			if err != nil || e.Group == nil {
				t.Fatal(e, err)
			}
			if g := e.Group; g.Name != "sensors" || g.Tenant != "acme" || g.Label != "outdoors" || e.Credentials()[0].Host != "h.example" || e.Owner() != registry.Owner(g) {
				t.Errorf("%+v", g)
			}
		}
	}
	broken := errors.New("the store is away")
	if _, err := formatJSON.Write(io.Discard, sequence(nil), WriteOptions{Groups: func(yield func(registry.Group, error) bool) { yield(registry.Group{}, broken) }}); err != broken {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{`{"group": "a/b"}`, `{"group": "a", "label": "\u0007"}`, `{"group": "a", "groups": []}`} {
		for _, err := range formatJSON.Read(strings.NewReader("\n"+bad), Options{}) {
			if line, ok := errors.AsType[*LineError](err); !ok || line.Line != 2 {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
}
