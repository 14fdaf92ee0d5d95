// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/coaps-go/coaps/security/keys"
)

// AppendJSON appends the device as ParseDevice reads it and as a store keeps
// it. It writes keys in the clear: what it is written to belongs to its owner
// alone.
func (d *Device) AppendJSON(dst []byte) []byte {
	w := writer{dst: append(dst, '{')}
	w.text("name", d.Name)
	w.optional("tenant", d.Tenant)
	w.optional("label", d.Label)
	w.texts("groups", d.Groups)
	w.flag("disabled", d.Disabled)
	w.time("not-before", d.NotBefore)
	w.time("not-after", d.NotAfter)
	w.credentials(d.Credentials)
	w.number("last-id", d.LastID)
	w.time("created", d.Created)
	w.time("changed", d.Changed)
	return append(w.dst, '}')
}

// AppendJSON is Device.AppendJSON for a group.
func (g *Group) AppendJSON(dst []byte) []byte { return g.append(dst, "name") }

// AppendOwner appends a device or a group as ParseOwner reads it; see
// Device.AppendJSON.
func AppendOwner(dst []byte, o Owner) []byte {
	if g, ok := o.(*Group); ok {
		return g.append(dst, groupField)
	}
	return o.AppendJSON(dst)
}

// groupField is where a group among devices has its name.
const groupField = "group"

func (g *Group) append(dst []byte, nameField string) []byte {
	w := writer{dst: append(dst, '{')}
	w.text(nameField, g.Name)
	w.optional("tenant", g.Tenant)
	w.optional("label", g.Label)
	w.flag("disabled", g.Disabled)
	w.credentials(g.Credentials)
	w.number("last-id", g.LastID)
	w.time("created", g.Created)
	w.time("changed", g.Changed)
	return append(w.dst, '}')
}

// writer writes JSON without reflection and without other copies of the keys.
type writer struct{ dst []byte }

// name begins a field.
func (w *writer) name(name string) {
	if w.dst[len(w.dst)-1] != '{' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(append(append(w.dst, '"'), name...), '"', ':')
}

func (w *writer) text(name, value string) {
	w.name(name)
	w.dst = appendText(w.dst, value)
}

func (w *writer) optional(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	for i, s := range list {
		w.dst = appendText(append(w.dst, "[,"[min(i, 1)]), s)
	}
	w.dst = append(w.dst, ']')
}

func (w *writer) flag(name string, set bool) {
	if set {
		w.name(name)
		w.dst = append(w.dst, "true"...)
	}
}

func (w *writer) number(name string, n int) {
	if n != 0 {
		w.name(name)
		w.dst = strconv.AppendInt(w.dst, int64(n), 10)
	}
}

func (w *writer) time(name string, t time.Time) {
	if !t.IsZero() {
		w.name(name)
		w.dst = append(w.dst, '"')
		w.dst = append(t.UTC().AppendFormat(w.dst, time.RFC3339), '"')
	}
}

// credentials writes a list for each kind that there is. The order within a
// kind is kept.
func (w *writer) credentials(list []Credential) {
	for _, kind := range [...]string{"psk", "rpk", "certificate", "token"} {
		open := false
		for i := range list {
			c := &list[i]
			if c.Kind() != kind {
				continue
			}
			if !open {
				open = true
				w.name(kind)
				w.dst = append(w.dst, '[')
			} else {
				w.dst = append(w.dst, ',')
			}
			w.credential(c)
		}
		if open {
			w.dst = append(w.dst, ']')
		}
	}
}

func (w *writer) credential(c *Credential) {
	w.dst = append(w.dst, '{')
	w.optional("id", c.ID)
	switch {
	case c.PSK != nil:
		w.psk(c.PSK)
	case c.RPK != nil:
		w.rpk(c.RPK)
	case c.Certificate != nil:
		w.certificate(c.Certificate)
	default:
		w.text("sha256", hex.EncodeToString(c.Token.SHA256))
	}
	w.flag("disabled", c.Disabled)
	w.time("not-before", c.NotBefore)
	w.time("not-after", c.NotAfter)
	w.optional("host", c.Host)
	w.time("created", c.Created)
	w.dst = append(w.dst, '}')
}

func (w *writer) psk(p *PSK) {
	w.text("identity", keys.PrintableIdentity(p.Identity))
	w.name("key")
	w.dst = append(keys.AppendLiteral(append(w.dst, '"'), p.Key), '"')
	w.texts("nodes", p.Nodes)
}

func (w *writer) rpk(p *RPK) {
	if len(p.SPKI) == 0 {
		w.text("name", p.Name.String())
		return
	}
	w.name("key")
	w.dst = base64.StdEncoding.AppendEncode(append(w.dst, `"b64:`...), p.SPKI)
	w.dst = append(w.dst, '"')
}

func (w *writer) certificate(c *Certificate) {
	w.optional("pin", c.Pin.String())
	w.optional("uri", c.URI)
	w.optional("dns", c.DNS)
	w.optional("eui64", c.EUI64)
	w.optional("subject", c.Subject)
	w.optional("issuer", c.Issuer)
}

// appendText appends a JSON string.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(dst, quoted...)
		}
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}
