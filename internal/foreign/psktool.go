// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// formatPSKTool is the password file of GnuTLS's psktool, which EMQX and others
// read too:
//
//	identity:HEXKEY
//	#HEXIDENTITY:HEXKEY
//
// Each line becomes a device of the identity's name. A comment is "#" and a
// space.
var formatPSKTool = &Format{
	Name: "psktool", Title: "GnuTLS psktool, EMQX, coaps --psk-file: identity:HEXKEY",
	Lacks: "names other than the identity, groups, tenants, validity, public keys", Secret: true,
	Named: []string{"emqx", "gnutls"},
	looks: func(head []byte) bool { return mostLines(head, psktoolBlank, looksLikePSKTool) },
	read:  readPSKTool,
	write: func(w io.Writer, o *WriteOptions) writer { return &pskLines{w, o, appendPSKTool} },
}

// psktoolBlank: "#6162:…" is an identity in hexadecimal.
func psktoolBlank(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || len(line) == 1 && line[0] == '#' || bytes.HasPrefix(line, []byte("# "))
}

func looksLikePSKTool(line []byte) bool {
	_, err := keys.ParsePSKLine(bytes.TrimSpace(line))
	return err == nil
}

func readPSKTool(r io.Reader, _ *Options) iter.Seq2[Entry, error] {
	return readLines(r, func(l *lines, line []byte) (Entry, bool, error) {
		if psktoolBlank(line) {
			return Entry{}, false, nil
		}
		line = bytes.TrimRight(line, " \t")
		psk, err := keys.ParsePSKLine(line)
		if err != nil {
			return Entry{}, false, l.wrong(psktoolColumn(line, err), err)
		}
		return Entry{Device: pskDevice(psk), Line: l.n}, true, nil
	})
}

// psktoolColumn is where the part begins that is wrong, 0 where there are no
// parts.
func psktoolColumn(line []byte, err error) int {
	colon := bytes.LastIndexByte(line, ':')
	switch {
	case colon < 0:
		return 0
	case strings.HasPrefix(err.Error(), "identity"):
		return 1
	}
	return colon + 2
}

// pskDevice is a device that is known by a shared key alone, and named after
// its identity.
func pskDevice(psk keys.PSK) registry.Device {
	return registry.Device{
		Name:        nameOfIdentity(psk.Identity),
		Credentials: []registry.Credential{pskCredential(psk)},
	}
}

// nameOfIdentity is the identity itself, if a device can be called that; else in
// hexadecimal, or what is left of it when even that is too long.
func nameOfIdentity(identity []byte) string {
	name := keys.PrintableIdentity(identity)
	if registry.CheckName(name) == nil {
		return name
	}
	if name = "0x" + hex.EncodeToString(identity); len(name) <= registry.MaxName {
		return name
	}
	sum := sha256.Sum256(identity)
	return "sha256-" + hex.EncodeToString(sum[:16])
}

func pskCredential(psk keys.PSK) registry.Credential {
	return registry.Credential{PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key}}
}

// pskLines writes formats in which each shared key is a line.
type pskLines struct {
	w    io.Writer
	o    *WriteOptions
	line func(dst []byte, c *registry.Credential, o *WriteOptions) ([]byte, error)
}

func (p *pskLines) device(d *registry.Device) (bool, error) {
	written := false
	for c := range p.o.usable(d) {
		if c.PSK == nil {
			p.o.left(d, "%s: there are only lines for shared keys", kindOf(c))
			continue
		}
		line, err := p.line(nil, c, p.o)
		if err != nil {
			p.o.left(d, "identity %s: %v", keys.PrintableIdentity(c.PSK.Identity), err)
			continue
		}
		_, err = p.w.Write(line)
		clear(line)
		if err != nil {
			return written, err
		}
		written = true
	}
	return written, nil
}

func (p *pskLines) end() error { return nil }

func appendPSKTool(dst []byte, c *registry.Credential, _ *WriteOptions) ([]byte, error) {
	return keys.AppendPSKLine(dst, keys.PSK{Identity: c.PSK.Identity, Key: c.PSK.Key}), nil
}

// usable are the credentials of a device that still open something. The others
// are left out of formats without a word for that: there, they would be good
// again.
func (o *WriteOptions) usable(d *registry.Device) iter.Seq[*registry.Credential] {
	return func(yield func(*registry.Credential) bool) {
		if d.Disabled {
			o.left(d, "disabled, and the format has no word for that")
			return
		}
		if len(d.Credentials) == 0 {
			o.left(d, "has no credential")
		}
		for i := range d.Credentials {
			c := &d.Credentials[i]
			if why := withdrawn(d, c); why != "" {
				o.left(d, "%s: %s, and the format has no word for that", kindOf(c), why)
				continue
			}
			if !yield(c) {
				return
			}
		}
	}
}

// withdrawn says in a word why a credential does not open everything for ever.
func withdrawn(d *registry.Device, c *registry.Credential) string {
	switch {
	case c.Disabled:
		return "disabled"
	case !d.NotAfter.IsZero() || !c.NotAfter.IsZero():
		return "ends at a time"
	case !d.NotBefore.IsZero() || !c.NotBefore.IsZero():
		return "begins at a time"
	case c.Host != "":
		return "is for the host " + c.Host + " alone"
	case c.PSK != nil && len(c.PSK.Nodes) > 0:
		return "is for some nodes alone"
	}
	return ""
}

// kindOf names a credential without its secret.
func kindOf(c *registry.Credential) string {
	switch {
	case c.PSK != nil:
		return "shared key " + keys.PrintableIdentity(c.PSK.Identity)
	case c.RPK != nil:
		return "raw public key " + c.RPK.Name.String()
	case c.Certificate != nil:
		return "certificate"
	case c.Token != nil:
		return "token"
	}
	return "credential"
}

var errNoText = errors.New("is no printable text, and the format has no other form")
