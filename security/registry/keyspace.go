// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Prefixes of keys; see the package comment.
const (
	devicePrefix = "d/"
	groupPrefix  = "g/"
	rulePrefix   = "a/"
	indexPrefix  = "i/"
)

// IsRule reports whether what a Store has under key is an access rule.
func IsRule(key string) bool { return strings.HasPrefix(key, rulePrefix) }

// Kinds of index records.
const (
	indexPSK     = "i/psk/"
	indexRPK     = "i/rpk/"
	indexToken   = "i/tok/"
	indexPin     = "i/pin/"
	indexURI     = "i/uri/"
	indexDNS     = "i/dns/"
	indexEUI64   = "i/eui/"
	indexSubject = "i/sub/"
)

// maxPart is the longest part of a key that is written out. As each octet takes
// three at most, keys stay below store.MaxKey.
const maxPart = 200

const hexDigits = "0123456789ABCDEF"

// plain are the octets that stand for themselves in a key.
var plain = func() (set [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@+=" {
		set[c] = true
	}
	return set
}()

// appendPart appends one part of a key. Different parts never look the same,
// and none contains "/", "#" at its beginning, or a space.
func appendPart[T string | []byte](dst []byte, part T) []byte {
	if len(part) > maxPart {
		sum := sha256.Sum256([]byte(part))
		return hex.AppendEncode(append(dst, '#'), sum[:])
	}
	for i := range len(part) {
		if c := part[i]; plain[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// splitOwnerKey reads the key of a device or group. It is false for one that is
// none, or whose parts are not written out; validate lets no such name in.
func splitOwnerKey(key, prefix string) (tenant, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return "", "", false
	}
	tenant, name, ok = strings.Cut(rest, "/")
	if !ok {
		return "", "", false
	}
	tenant, ok = unescape(tenant)
	if !ok {
		return "", "", false
	}
	name, ok = unescape(name)
	return tenant, name, ok && name != ""
}

func unescape(part string) (string, bool) {
	if !strings.Contains(part, "%") {
		return part, !strings.HasPrefix(part, "#")
	}
	out := make([]byte, 0, len(part))
	for i := 0; i < len(part); i++ {
		if part[i] != '%' {
			out = append(out, part[i])
			continue
		}
		if len(part) < i+3 {
			return "", false
		}
		decoded, err := hex.DecodeString(part[i+1 : i+3])
		if err != nil {
			return "", false
		}
		out = append(out, decoded[0])
		i += 2
	}
	return string(out), true
}

func deviceKey(tenant, name string) string { return ownerKey(devicePrefix, tenant, name) }
func groupKey(tenant, name string) string  { return ownerKey(groupPrefix, tenant, name) }

func ownerKey(prefix, tenant, name string) string {
	var buf [256]byte
	dst := appendPart(append(buf[:0], prefix...), tenant)
	return string(appendPart(append(dst, '/'), name))
}

// appendPSKKey appends the key of the index record of a PSK identity.
func appendPSKKey(dst []byte, host string, identity []byte) []byte {
	dst = appendPart(append(dst, indexPSK...), host)
	return appendPart(append(dst, '/'), identity)
}

// appendHashKey appends the key of an index record of a hash.
func appendHashKey(dst []byte, kind, host string, hash []byte) []byte {
	dst = appendPart(append(dst, kind...), host)
	return hex.AppendEncode(append(dst, '/'), hash)
}

// appendNameKey appends the key of an index record of a name in a certificate.
func appendNameKey(dst []byte, kind, host, issuer, name string) []byte {
	dst = appendPart(append(dst, kind...), host)
	dst = appendPart(append(dst, '/'), issuer)
	return appendPart(append(dst, '/'), name)
}
