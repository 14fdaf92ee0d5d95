// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"fmt"
	"strconv"
	"strings"
)

// A ContentFormat is a media type with its parameters and content coding, the
// value of the Content-Format and Accept options (RFC 7252 section 12.3).
type ContentFormat uint16

const (
	TextPlain   ContentFormat = 0
	LinkFormat  ContentFormat = 40
	XML         ContentFormat = 41
	OctetStream ContentFormat = 42
	EXI         ContentFormat = 47
	JSON        ContentFormat = 50
	CBOR        ContentFormat = 60
	SenMLJSON   ContentFormat = 110
	SenMLCBOR   ContentFormat = 112
)

// contentFormatRow is a row of the registry. The short names are ours, for the
// command line and for logs.
type contentFormatRow struct {
	number    ContentFormat
	short     string
	mediaType string
	coding    string
}

// contentFormats is the "CoAP Content-Formats" registry.
var contentFormats = [...]contentFormatRow{
	{TextPlain, "text", "text/plain; charset=utf-8", ""},
	{16, "cose-encrypt0", `application/cose; cose-type="cose-encrypt0"`, ""},
	{17, "cose-mac0", `application/cose; cose-type="cose-mac0"`, ""},
	{18, "cose-sign1", `application/cose; cose-type="cose-sign1"`, ""},
	{19, "ace", "application/ace+cbor", ""},
	{21, "gif", "image/gif", ""},
	{22, "jpeg", "image/jpeg", ""},
	{23, "png", "image/png", ""},
	{LinkFormat, "link", "application/link-format", ""},
	{XML, "xml", "application/xml", ""},
	{OctetStream, "octets", "application/octet-stream", ""},
	{EXI, "exi", "application/exi", ""},
	{JSON, "json", "application/json", ""},
	{51, "json-patch", "application/json-patch+json", ""},
	{52, "merge-patch", "application/merge-patch+json", ""},
	{CBOR, "cbor", "application/cbor", ""},
	{61, "cwt", "application/cwt", ""},
	{62, "multipart", "application/multipart-core", ""},
	{63, "cbor-seq", "application/cbor-seq", ""},
	{96, "cose-encrypt", `application/cose; cose-type="cose-encrypt"`, ""},
	{97, "cose-mac", `application/cose; cose-type="cose-mac"`, ""},
	{98, "cose-sign", `application/cose; cose-type="cose-sign"`, ""},
	{101, "cose-key", "application/cose-key", ""},
	{102, "cose-key-set", "application/cose-key-set", ""},
	{SenMLJSON, "senml+json", "application/senml+json", ""},
	{111, "sensml+json", "application/sensml+json", ""},
	{SenMLCBOR, "senml+cbor", "application/senml+cbor", ""},
	{113, "sensml+cbor", "application/sensml+cbor", ""},
	{114, "senml-exi", "application/senml-exi", ""},
	{115, "sensml-exi", "application/sensml-exi", ""},
	{140, "yang-sid", "application/yang-data+cbor; id=sid", ""},
	{256, "coap-group", "application/coap-group+json", ""},
	{257, "problem", "application/concise-problem-details+cbor", ""},
	{258, "swid", "application/swid+cbor", ""},
	{271, "dots", "application/dots+cbor", ""},
	{272, "missing-blocks", "application/missing-blocks+cbor-seq", ""},
	{280, "pkcs7-key", "application/pkcs7-mime; smime-type=server-generated-key", ""},
	{281, "pkcs7-certs", "application/pkcs7-mime; smime-type=certs-only", ""},
	{284, "pkcs8", "application/pkcs8", ""},
	{285, "csrattrs", "application/csrattrs", ""},
	{286, "pkcs10", "application/pkcs10", ""},
	{287, "pkix-cert", "application/pkix-cert", ""},
	{290, "aif+cbor", "application/aif+cbor", ""},
	{291, "aif+json", "application/aif+json", ""},
	{310, "senml+xml", "application/senml+xml", ""},
	{311, "sensml+xml", "application/sensml+xml", ""},
	{320, "senml-etch+json", "application/senml-etch+json", ""},
	{322, "senml-etch+cbor", "application/senml-etch+cbor", ""},
	{340, "yang", "application/yang-data+cbor", ""},
	{341, "yang-name", "application/yang-data+cbor; id=name", ""},
	{432, "td", "application/td+json", ""},
	{836, "voucher-cose", "application/voucher-cose+cbor", ""},
	{10000, "ocf", "application/vnd.ocf+cbor", ""},
	{10001, "oscore", "application/oscore", ""},
	{10002, "javascript", "application/javascript", ""},
	{11050, "json-deflate", "application/json", "deflate"},
	{11060, "cbor-deflate", "application/cbor", "deflate"},
	{11542, "lwm2m+tlv", "application/vnd.oma.lwm2m+tlv", ""},
	{11543, "lwm2m+json", "application/vnd.oma.lwm2m+json", ""},
	{11544, "lwm2m+cbor", "application/vnd.oma.lwm2m+cbor", ""},
	{20000, "css", "text/css", ""},
	{30000, "svg", "image/svg+xml", ""},
}

func (f ContentFormat) row() *contentFormatRow {
	for i := range contentFormats {
		if contentFormats[i].number == f {
			return &contentFormats[i]
		}
	}
	return nil
}

// String returns the short name, such as "json", or the number in decimal.
func (f ContentFormat) String() string {
	if row := f.row(); row != nil {
		return row.short
	}
	return strconv.Itoa(int(f))
}

// MediaType returns the media type with its parameters, such as
// "application/json", or "" if the registry has no row. See also Coding.
func (f ContentFormat) MediaType() string {
	if row := f.row(); row != nil {
		return row.mediaType
	}
	return ""
}

// Coding returns the content coding, such as "deflate"; "" for none.
func (f ContentFormat) Coding() string {
	if row := f.row(); row != nil {
		return row.coding
	}
	return ""
}

// ParseContentFormat reads a number, a short name or a media type, the latter
// two in any case. "text/plain" alone means TextPlain.
func ParseContentFormat(s string) (ContentFormat, error) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return ContentFormat(n), nil
	}
	wanted := withoutSpace(s)
	if strings.EqualFold(wanted, "text/plain") {
		return TextPlain, nil
	}
	for i := range contentFormats {
		row := &contentFormats[i]
		if strings.EqualFold(s, row.short) || row.coding == "" && strings.EqualFold(wanted, withoutSpace(row.mediaType)) {
			return row.number, nil
		}
	}
	return 0, fmt.Errorf("coap: no content-format %s", strconv.Quote(s))
}

// withoutSpace lets "a/b;c=d" and "a/b; c=d" be the same media type.
func withoutSpace(mediaType string) string { return strings.ReplaceAll(mediaType, " ", "") }
