// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// californiumWriter writes the device file: a device that is disabled as banned,
// of several keys of a kind the last one, which is the newest.
type californiumWriter struct {
	w io.Writer
	o *WriteOptions
}

func (c *californiumWriter) device(d *registry.Device) (bool, error) {
	if why := californiumName(d); why != "" {
		c.o.left(d, "%s", why)
		return false, nil
	}
	psk, rpk := c.choose(d)
	if psk == nil && rpk == nil {
		return false, nil // and told why
	}
	var b bytes.Buffer
	defer func() { clear(b.Bytes()) }()
	group := "-"
	if len(d.Groups) > 0 {
		group = d.Groups[0]
	}
	fmt.Fprintf(&b, "%s=%s\n", d.Name, group)
	if d.Label != "" && !strings.ContainsAny(d.Label, ",\r\n") {
		fmt.Fprintf(&b, ".label=%s\n", d.Label)
	}
	if psk != nil {
		fmt.Fprintf(&b, ".psk='%s',%s\n", psk.Identity, base64.StdEncoding.EncodeToString(psk.Key.Bytes()))
	}
	if rpk != nil {
		fmt.Fprintf(&b, ".rpk=%s\n", base64.StdEncoding.EncodeToString(rpk.SPKI))
	}
	if d.Disabled {
		b.WriteString(".ban=1\n")
	}
	_, err := c.w.Write(b.Bytes())
	return err == nil, err
}

// californiumName says why a device cannot be named there.
func californiumName(d *registry.Device) string {
	_, field := californiumField(d.Name)
	switch {
	case strings.ContainsAny(d.Name, "=\r\n") || strings.HasPrefix(d.Name, "#") || field != "":
		return "the name has '=' or the form of a field in it"
	case len(d.Groups) > 0 && strings.ContainsAny(d.Groups[0], ",\r\n"):
		return "the group has a comma in it"
	}
	return ""
}

// choose returns the last of each kind that can be written.
func (c *californiumWriter) choose(d *registry.Device) (psk *registry.PSK, rpk *registry.RPK) {
	enabled := *d
	enabled.Disabled = false // .ban is the word for it
	for credential := range c.o.usable(&enabled) {
		switch {
		case credential.PSK != nil:
			identity := credential.PSK.Identity
			if !plainText(identity) || bytes.ContainsAny(identity, ",'\"") {
				c.o.left(d, "%s: the identity has a comma or a quote or is no text", kindOf(credential))
				continue
			}
			if psk != nil {
				c.o.left(d, "shared key %s: there is room for one", keys.PrintableIdentity(psk.Identity))
			}
			psk = credential.PSK
		case credential.RPK != nil && len(credential.RPK.SPKI) > 0:
			if rpk != nil {
				c.o.left(d, "raw public key %s: there is room for one", rpk.Name)
			}
			rpk = credential.RPK
		default:
			c.o.left(d, "%s: the key itself is needed", kindOf(credential))
		}
	}
	return psk, rpk
}

func (c *californiumWriter) end() error { return nil }

// formatPSKStore is what Californium's clients and benchmarks take as
// --psk-store:
//
//	identity=BASE64
//
// There is no "=" in an identity, and a line that begins with # is a comment.
var formatPSKStore = &Format{
	Name: "californium-psk", Title: "Californium --psk-store: identity=BASE64",
	Lacks: "names other than the identity, groups, tenants, validity, public keys", Secret: true,
	Named: []string{"psk-store", "cf-psk"},
	looks: func(head []byte) bool { return mostLines(head, blank, looksLikePSKStore) },
	read:  readPSKStore,
	write: func(w io.Writer, o *WriteOptions) writer { return &pskLines{w, o, appendPSKStore} },
}

func parsePSKStore(line []byte) (keys.PSK, int, error) {
	identity, value, found := bytes.Cut(line, []byte("="))
	if !found {
		return keys.PSK{}, 0, errors.New("no '=' between identity and key")
	}
	key := make([]byte, base64.StdEncoding.DecodedLen(len(value)))
	defer clear(key)
	n, err := base64.StdEncoding.Decode(key, bytes.TrimSpace(value))
	if err != nil {
		return keys.PSK{}, len(identity) + 2, errors.New("the key is not base64")
	}
	psk, err := keys.NewPSK(bytes.TrimSpace(identity), key[:n])
	return psk, len(identity) + 2, err
}

func looksLikePSKStore(line []byte) bool {
	psk, _, err := parsePSKStore(line)
	return err == nil && len(psk.Identity) > 0 && psk.Identity[0] != '.'
}

func readPSKStore(r io.Reader, _ *Options) iter.Seq2[Entry, error] {
	return readLines(r, func(l *lines, line []byte) (Entry, bool, error) {
		if blank(line) {
			return Entry{}, false, nil
		}
		psk, column, err := parsePSKStore(line)
		if err != nil {
			return Entry{}, false, l.wrong(column, err)
		}
		return Entry{Device: pskDevice(psk), Line: l.n}, true, nil
	})
}

func appendPSKStore(dst []byte, c *registry.Credential, _ *WriteOptions) ([]byte, error) {
	identity := c.PSK.Identity
	if !plainText(identity) || bytes.IndexByte(identity, '=') >= 0 || identity[0] == '#' || len(bytes.TrimSpace(identity)) != len(identity) {
		return dst, errors.New("it has '=' or the look of a comment in it, or is no text")
	}
	dst = append(append(dst, identity...), '=')
	return append(base64.StdEncoding.AppendEncode(dst, c.PSK.Key.Bytes()), '\n'), nil
}
