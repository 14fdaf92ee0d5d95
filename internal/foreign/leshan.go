// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// formatLeshan is the JSON of Leshan's REST interface (GET and PUT
// /api/security/clients), of its older versions, and of its Redis store:
//
//	{"endpoint":"ep","tls":{"mode":"psk","details":{"identity":"id","key":"HEX"}}}
//	{"endpoint":"ep","tls":{"mode":"rpk","details":{"key":"HEX of the SPKI"}}}
//	{"endpoint":"ep","tls":{"mode":"x509"}}
//	{"endpoint":"ep","psk":{"identity":"id","key":"HEX"}}
//	{"ep":"ep","id":"id","psk":"HEX"}
//	{"ep":"ep","rpk":{"x":"HEX","y":"HEX","params":"secp256r1"}}
//	{"ep":"ep","x509":true}
//
// A certificate is that whose subject has the endpoint as its common name, as
// LwM2M wants it. OSCORE contexts are skipped with a note.
var formatLeshan = &Format{
	Name: "leshan", Title: "Leshan security JSON (REST interface, Redis store)",
	Lacks: "groups, tenants, labels, validity, a second credential, identities that are not text", Secret: true,
	looks: func(head []byte) bool { return jsonWith(head, "endpoint") || jsonWith(head, "ep") },
	read:  readLeshan,
	write: func(w io.Writer, o *WriteOptions) writer { return &leshanWriter{w: w, o: o} },
}

// jsonWith says whether the file begins like JSON objects with that name among
// the first.
func jsonWith(head []byte, name string) bool {
	start := bytes.TrimLeft(head, " \t\r\n[")
	if len(start) == 0 || start[0] != '{' {
		return false
	}
	// A file cut in the middle of its first object has no value to decode.
	var names map[string]json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(start)).Decode(&names); err != nil {
		return bytes.Contains(start, []byte(`"`+name+`"`))
	}
	_, found := names[name]
	return found
}

// leshanInfo is all of the shapes at once.
type leshanInfo struct {
	Endpoint string          `json:"endpoint"`
	EP       string          `json:"ep"`
	ID       string          `json:"id"`
	TLS      *leshanTLS      `json:"tls"`
	PSK      json.RawMessage `json:"psk"`
	RPK      *leshanKey      `json:"rpk"`
	X509     bool            `json:"x509"`
	OSCORE   json.RawMessage `json:"oscore"`
}

type leshanTLS struct {
	Mode    string    `json:"mode"`
	Details leshanKey `json:"details"`
}

// leshanKey is a shared key, or a public key in one of two forms.
type leshanKey struct {
	Identity string `json:"identity,omitempty"`
	Key      string `json:"key,omitempty"`
	X        string `json:"x,omitempty"`
	Y        string `json:"y,omitempty"`
	Params   string `json:"params,omitempty"`
}

func readLeshan(r io.Reader, o *Options) iter.Seq2[Entry, error] {
	return readElements(r, func(object json.RawMessage, line int) (Entry, bool, error) {
		var info leshanInfo
		if err := json.Unmarshal(object, &info); err != nil {
			return Entry{}, false, errors.New("not an object of Leshan's: " + jsonTrouble(err))
		}
		d := registry.Device{Name: info.Endpoint}
		if d.Name == "" {
			d.Name = info.EP
		}
		if d.Name == "" {
			return Entry{}, false, errors.New(`there is no "endpoint"`)
		}
		credential, err := info.credential(d.Name)
		if err != nil {
			return Entry{}, false, err
		}
		if credential == nil {
			o.note(line, "%s is secured by OSCORE alone, which this server does not speak: skipped", d.Name)
			return Entry{}, false, nil
		}
		if info.OSCORE != nil {
			o.note(line, "the OSCORE context of %s is skipped", d.Name)
		}
		d.Credentials = []registry.Credential{*credential}
		return Entry{Device: d, Line: line}, true, nil
	})
}

// readElements makes devices of a JSON file in which each object is one.
func readElements(r io.Reader, parse func(object json.RawMessage, line int) (Entry, bool, error)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e := newElements(r); ; {
			object, line, err := e.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			entry, found, err := parse(object, line)
			if err != nil {
				err = &LineError{Line: line, Err: err}
			}
			if (found || err != nil) && !yield(entry, err) {
				return
			}
		}
	}
}

// jsonTrouble says what does not fit, by the name of the field and never by its
// value.
func jsonTrouble(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return "a " + wrong.Value + " where an object is needed"
		}
		return fmt.Sprintf("%q is a %s", wrong.Field, wrong.Value)
	}
	return "it does not have the right form"
}

// credential is nil if there is none but OSCORE.
func (i *leshanInfo) credential(endpoint string) (*registry.Credential, error) {
	switch {
	case i.TLS != nil:
		return i.TLS.credential(endpoint)
	case i.PSK != nil:
		return i.oldPSK()
	case i.RPK != nil:
		return i.RPK.rpk()
	case i.X509:
		return certificateOf(endpoint), nil
	case i.OSCORE != nil:
		return nil, nil
	}
	return nil, errors.New(`there is no "tls"`)
}

func (t *leshanTLS) credential(endpoint string) (*registry.Credential, error) {
	switch t.Mode {
	case "psk":
		return t.Details.psk()
	case "rpk":
		return t.Details.rpk()
	case "x509":
		return certificateOf(endpoint), nil
	}
	return nil, errors.New(`"mode" is psk, rpk or x509`)
}

// oldPSK is an object beside "endpoint", or the key itself beside "id".
func (i *leshanInfo) oldPSK() (*registry.Credential, error) {
	key := leshanKey{Identity: i.ID}
	if json.Unmarshal(i.PSK, &key.Key) == nil {
		return key.psk()
	}
	if err := json.Unmarshal(i.PSK, &key); err != nil {
		return nil, errors.New(`"psk" is not an object with identity and key`)
	}
	return key.psk()
}

func (k *leshanKey) psk() (*registry.Credential, error) {
	key, err := hex.DecodeString(k.Key)
	defer clear(key)
	if err != nil {
		return nil, errors.New(`"key" is not hexadecimal`)
	}
	psk, err := keys.NewPSK([]byte(k.Identity), key)
	if err != nil {
		return nil, err
	}
	credential := pskCredential(psk)
	return &credential, nil
}

func (k *leshanKey) rpk() (*registry.Credential, error) {
	text := k.Key
	if text == "" {
		if k.Params != "secp256r1" || len(k.X) != 64 || len(k.Y) != 64 {
			return nil, errors.New(`"rpk" has neither "key" nor x and y of 32 octets on secp256r1`)
		}
		text = k.X + k.Y
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		return nil, errors.New("the public key is not hexadecimal")
	}
	credential, err := rpkCredential(key)
	return &credential, err
}

// certificateOf is the certificate of an LwM2M endpoint.
func certificateOf(endpoint string) *registry.Credential {
	return &registry.Credential{Certificate: &registry.Certificate{Subject: "CN=" + endpoint}}
}

// leshanWriter writes an array. The device gets one entry: Leshan has one
// credential an endpoint. The last that can be written wins, which is the newest.
type leshanWriter struct {
	w     io.Writer
	o     *WriteOptions
	array arrayWriter
}

func (l *leshanWriter) device(d *registry.Device) (bool, error) {
	var chosen *leshanTLS
	for c := range l.o.usable(d) {
		tls := l.tls(d, c)
		if tls == nil {
			continue
		}
		if chosen != nil {
			l.o.left(d, "an older credential: there is room for one")
		}
		chosen = tls
	}
	if chosen == nil {
		return false, nil
	}
	entry := struct {
		Endpoint string `json:"endpoint"`
		TLS      any    `json:"tls"`
	}{d.Name, chosen}
	if chosen.Mode == "x509" {
		entry.TLS = struct {
			Mode string `json:"mode"`
		}{"x509"}
	}
	return true, l.array.add(l.w, entry)
}

func (l *leshanWriter) tls(d *registry.Device, c *registry.Credential) *leshanTLS {
	switch {
	case c.PSK != nil && plainText(c.PSK.Identity):
		return &leshanTLS{"psk", leshanKey{Identity: string(c.PSK.Identity), Key: hex.EncodeToString(c.PSK.Key.Bytes())}}
	case c.RPK != nil && len(c.RPK.SPKI) > 0:
		return &leshanTLS{"rpk", leshanKey{Key: hex.EncodeToString(c.RPK.SPKI)}}
	case c.Certificate != nil && c.Certificate.Subject == "CN="+d.Name && c.Certificate.Issuer == "":
		return &leshanTLS{Mode: "x509"}
	}
	l.o.left(d, "%s: there is no form for it", kindOf(c))
	return nil
}

func (l *leshanWriter) end() error { return l.array.end(l.w) }

// arrayWriter writes a JSON array, an element a line.
type arrayWriter struct{ n int }

func (a *arrayWriter) add(w io.Writer, element any) error {
	before := ",\n"
	if a.n == 0 {
		before = "[\n"
	}
	a.n++
	text, err := marshal(element)
	defer clear(text)
	if err != nil {
		return err
	}
	_, err = w.Write(slices.Concat([]byte(before), text))
	return err
}

func (a *arrayWriter) end(w io.Writer) error {
	after := "\n]\n"
	if a.n == 0 {
		after = "[]\n"
	}
	_, err := io.WriteString(w, after)
	return err
}

// marshal is json.Marshal without escapes for HTML.
func marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
