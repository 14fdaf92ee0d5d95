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
	"strings"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// formatJSON is our own: the devices as package registry keeps them, in an
// array, or one after the other, and groups that have keys, whose name stands under
// "group".
var formatJSON = &Format{
	Name: "json", Title: "devices of coaps, an array or one a line: has words for everything",
	Lacks: "nothing", Secret: true,
	Named: []string{"coaps", "ndjson"},
	looks: func(head []byte) bool { return jsonWith(head, "name") || jsonWith(head, "group") },
	read:  readJSON,
	write: func(w io.Writer, o *WriteOptions) writer { return &jsonWriter{w: w} },
}

func readJSON(r io.Reader, _ *Options) iter.Seq2[Entry, error] {
	return readElements(r, func(object json.RawMessage, line int) (Entry, bool, error) {
		owner, err := registry.ParseOwner(object)
		if err != nil {
			return Entry{}, false, err
		}
		if g, ok := owner.(*registry.Group); ok {
			return Entry{Group: g, Line: line}, true, nil
		}
		return Entry{Device: *owner.(*registry.Device), Line: line}, true, nil
	})
}

// jsonWriter writes an array with a device a line, so that it is good for
// line-based tools as well.
type jsonWriter struct {
	w     io.Writer
	array arrayWriter
}

func (j *jsonWriter) device(d *registry.Device) (bool, error) {
	text := d.AppendJSON(nil)
	defer clear(text)
	return true, j.array.add(j.w, json.RawMessage(text))
}

func (j *jsonWriter) group(g *registry.Group) error {
	text := registry.AppendOwner(nil, g)
	defer clear(text)
	return j.array.add(j.w, json.RawMessage(text))
}

func (j *jsonWriter) end() error { return j.array.end(j.w) }

// formatAiocoap is aiocoap's credentials file. A server finds its clients in it
// by their identity, whatever the entry is called; for a client, an entry is
// called by the URIs that it is for.
//
//	{":acme/sensor-7": {"dtls": {"psk": {"hex": "…"}, "client-identity": {"ascii": "sensor-7"}}}}
var formatAiocoap = &Format{
	Name: "aiocoap", Title: "aiocoap credentials JSON: dtls entries",
	Lacks: "groups, validity, public keys; read: entries other than dtls", Secret: true,
	looks: looksLikeAiocoap,
	read:  readAiocoap,
	write: func(w io.Writer, o *WriteOptions) writer { return &aiocoapWriter{w: w, o: o} },
}

func looksLikeAiocoap(head []byte) bool {
	head = bytes.TrimSpace(head)
	return len(head) > 0 && head[0] == '{' && bytes.Contains(head, []byte(`"dtls"`)) && bytes.Contains(head, []byte(`"client-identity"`))
}

// aiocoapEntry is what stands under a name; other kinds are skipped.
type aiocoapEntry struct {
	DTLS *aiocoapDTLS `json:"dtls"`
}

type aiocoapDTLS struct {
	PSK      aiocoapOctets `json:"psk"`
	Identity aiocoapOctets `json:"client-identity"`
}

// aiocoapOctets is text or hexadecimal.
type aiocoapOctets struct {
	ASCII *string `json:"ascii,omitempty"`
	Hex   *string `json:"hex,omitempty"`
}

func (a *aiocoapOctets) octets() ([]byte, error) {
	switch {
	case a.ASCII != nil && a.Hex == nil:
		return []byte(*a.ASCII), nil
	case a.Hex != nil && a.ASCII == nil:
		octets, err := hex.DecodeString(strings.NewReplacer("-", "", " ", "", ":", "").Replace(*a.Hex))
		if err != nil {
			return nil, errors.New("not hexadecimal")
		}
		return octets, nil
	}
	return nil, errors.New(`{"ascii": "…"} or {"hex": "…"} is needed`)
}

func aiocoapText(octets []byte) aiocoapOctets {
	text := string(octets)
	if plainText(octets) && !strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) {
		return aiocoapOctets{ASCII: &text}
	}
	text = hex.EncodeToString(octets)
	return aiocoapOctets{Hex: &text}
}

// readAiocoap reads the one object of the file, member by member.
func readAiocoap(r io.Reader, o *Options) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		e := newElements(r)
		if err := e.enter(); err != nil {
			yield(Entry{}, err)
			return
		}
		for {
			name, object, line, err := e.member()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			d, err := aiocoapDevice(name, object)
			if err == nil && len(d.Credentials) == 0 {
				o.note(line, "an entry that is not of the kind dtls: skipped")
				continue
			}
			if err != nil {
				err = &LineError{Line: line, Err: err}
			}
			if !yield(Entry{Device: d, Line: line}, err) {
				return
			}
		}
	}
}

func aiocoapDevice(name string, object json.RawMessage) (registry.Device, error) {
	var entry aiocoapEntry
	if object[0] == '"' || object[0] == 'n' { // a reference, or an entry that was taken back
		return registry.Device{}, nil
	}
	if err := json.Unmarshal(object, &entry); err != nil {
		return registry.Device{}, errors.New(jsonTrouble(err))
	}
	if entry.DTLS == nil {
		return registry.Device{}, nil
	}
	identity, err := entry.DTLS.Identity.octets()
	if err != nil {
		return registry.Device{}, fmt.Errorf("client-identity: %w", err)
	}
	key, err := entry.DTLS.PSK.octets()
	defer clear(key)
	if err != nil {
		return registry.Device{}, fmt.Errorf("psk: %w", err)
	}
	psk, err := keys.NewPSK(identity, key)
	if err != nil {
		return registry.Device{}, err
	}
	d := pskDevice(psk)
	if own, found := strings.CutPrefix(name, ":"); found && own != "" {
		d.Name = own
		if tenant, rest, found := strings.Cut(own, "/"); found && tenant != "" && rest != "" {
			d.Name, d.Tenant = rest, tenant
		}
	}
	return d, nil
}

// aiocoapWriter writes an entry for each device: the last of its keys, which is
// the newest.
type aiocoapWriter struct {
	w io.Writer
	o *WriteOptions
	n int
}

func (a *aiocoapWriter) device(d *registry.Device) (bool, error) {
	var psk *registry.PSK
	for c := range a.o.usable(d) {
		switch {
		case c.PSK == nil:
			a.o.left(d, "%s: there are only entries for shared keys", kindOf(c))
		case psk != nil:
			a.o.left(d, "shared key %s: there is room for one", keys.PrintableIdentity(psk.Identity))
			psk = c.PSK
		default:
			psk = c.PSK
		}
	}
	if psk == nil {
		return false, nil
	}
	name := ":" + d.Name
	if d.Tenant != "" {
		name = ":" + d.Tenant + "/" + d.Name
	}
	return true, a.entry(name, psk)
}

func (a *aiocoapWriter) entry(name string, psk *registry.PSK) error {
	key, err := marshal(name)
	if err != nil {
		return err
	}
	value, err := marshal(aiocoapEntry{&aiocoapDTLS{PSK: aiocoapText(psk.Key.Bytes()), Identity: aiocoapText(psk.Identity)}})
	defer clear(value)
	if err != nil {
		return err
	}
	before := ",\n"
	if a.n == 0 {
		before = "{\n"
	}
	a.n++
	_, err = a.w.Write(slices.Concat([]byte(before), key, []byte(": "), value))
	return err
}

func (a *aiocoapWriter) end() error {
	after := "\n}\n"
	if a.n == 0 {
		after = "{}\n"
	}
	_, err := io.WriteString(a.w, after)
	return err
}

// AiocoapLine is the entry that an aiocoap client needs to talk to the server at
// uri, such as "coaps://gw.example/*".
func AiocoapLine(uri string, psk keys.PSK) (string, error) {
	var b strings.Builder
	w := &aiocoapWriter{w: &b}
	if err := w.entry(uri, &registry.PSK{Identity: psk.Identity, Key: psk.Key}); err != nil {
		return "", err
	}
	err := w.end()
	return b.String(), err
}
