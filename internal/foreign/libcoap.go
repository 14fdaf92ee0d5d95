// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// formatLibcoap is what coap-server -i and coap-client -h read. Both are three
// columns, of which the first is the identity hint that the line is for:
//
//	hint,identity,key     coap-server -i
//	hint,user,key         coap-client -h
//
// The key is text, and may have commas: it is the rest of the line. A line that
// begins with # is a comment, and none is longer than 255 octets, LF included.
var formatLibcoap = &Format{
	Name: "libcoap", Title: "coap-server -i, coap-client -h: hint,identity,key",
	Lacks: "keys that are not text, names other than the identity, groups, tenants, validity, public keys", Secret: true,
	looks: func(head []byte) bool { return mostLines(head, libcoapBlank, looksLikeLibcoap) },
	read:  readLibcoap,
	write: func(w io.Writer, o *WriteOptions) writer { return &pskLines{w, o, appendLibcoap} },
}

// formatLibcoapSNI is what coap-server -s reads: a key for everybody who asks
// for a server name, whatever identity he shows.
//
//	sni,hint,key
var formatLibcoapSNI = &Format{
	Name: "libcoap-sni", Title: "coap-server -s: sni,hint,key; needs the identity that the clients show",
	Lacks: "identities", Secret: true, NeedsIdentity: true,
	read: readLibcoapSNI,
}

// maxLibcoapLine is what fits into the buffer of fgets there.
const maxLibcoapLine = 255

// defaultHint is what coap-server sends if it is not told another hint.
const defaultHint = "CoAP"

func libcoapBlank(line []byte) bool { return len(line) == 0 || line[0] == '#' }

// libcoapColumns returns the three columns, and where the third begins.
func libcoapColumns(line []byte) (first, second, rest []byte, column int, err error) {
	first, line, found := bytes.Cut(line, []byte(","))
	if !found {
		return nil, nil, nil, 0, errors.New("no comma: hint,identity,key is needed")
	}
	second, rest, found = bytes.Cut(line, []byte(","))
	if !found {
		return nil, nil, nil, len(first) + 2, errors.New("one comma only: hint,identity,key is needed")
	}
	return first, second, rest, len(first) + len(second) + 3, nil
}

// looksLikeLibcoap wants a line with at least two commas, and text: anything
// more would be a guess about what is in it.
func looksLikeLibcoap(line []byte) bool {
	_, identity, key, _, err := libcoapColumns(line)
	return err == nil && len(identity) > 0 && len(key) > 0 && utf8.Valid(line) && len(line) < maxLibcoapLine
}

func readLibcoap(r io.Reader, _ *Options) iter.Seq2[Entry, error] {
	return readLines(r, func(l *lines, line []byte) (Entry, bool, error) {
		if libcoapBlank(line) {
			return Entry{}, false, nil
		}
		_, identity, key, column, err := libcoapColumns(line)
		if err != nil {
			return Entry{}, false, l.wrong(column, err)
		}
		psk, err := keys.NewPSK(identity, key)
		if err != nil {
			return Entry{}, false, l.wrong(column, err)
		}
		return Entry{Device: pskDevice(psk), Line: l.n}, true, nil
	})
}

func readLibcoapSNI(r io.Reader, o *Options) iter.Seq2[Entry, error] {
	return readLines(r, func(l *lines, line []byte) (Entry, bool, error) {
		if libcoapBlank(line) {
			return Entry{}, false, nil
		}
		sni, _, key, column, err := libcoapColumns(line)
		if err != nil {
			return Entry{}, false, l.wrong(column, errors.New("sni,hint,key is needed"))
		}
		if len(o.Identity) == 0 {
			return Entry{}, false, errors.New("these lines name no identity: it has to be given")
		}
		psk, err := keys.NewPSK(o.Identity, key)
		if err != nil {
			return Entry{}, false, l.wrong(column, err)
		}
		c := pskCredential(psk)
		c.Host = strings.ToLower(string(sni))
		return Entry{Device: registry.Device{Name: c.Host, Credentials: []registry.Credential{c}}, Line: l.n}, true, nil
	})
}

func appendLibcoap(dst []byte, c *registry.Credential, o *WriteOptions) ([]byte, error) {
	hint := o.Hint
	if hint == "" {
		hint = defaultHint
	}
	identity, key := c.PSK.Identity, c.PSK.Key.Bytes()
	switch {
	case !plainText(identity) || bytes.IndexByte(identity, ',') >= 0:
		return dst, errors.New("the identity has a comma or is no text")
	case !plainText(key):
		return dst, errors.New("the key " + errNoText.Error())
	}
	dst = fmt.Appendf(dst, "%s,%s,", hint, identity)
	dst = append(append(dst, key...), '\n')
	if len(dst) > maxLibcoapLine || dst[0] == '#' {
		clear(dst)
		return dst[:0], fmt.Errorf("the line would have more than %d octets", maxLibcoapLine)
	}
	return dst, nil
}

// plainText says whether octets survive as a part of a line of text.
func plainText(b []byte) bool {
	return len(b) > 0 && utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r == 0x7f })
}
