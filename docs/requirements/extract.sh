#!/usr/bin/env bash
# Copyright 2026 The coaps Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Writes the lists of this folder anew from the plain texts of the RFCs.
#
#   docs/requirements/extract.sh FOLDER     with FOLDER/rfc7252.txt and so on
#
# The texts are the RFC Editor's, https://www.rfc-editor.org/rfc/rfcNNNN.txt,
# without page breaks. A list keeps the sentences that leave no choice, and
# those that a test quotes.

set -euo pipefail
texts=$1
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

list() { # id, title, sections, left out, notes
  go run ./internal/conformance/extract -rfc "$1" -title "$2" -sections "$3" -without "$4" -note "$5" \
    "$texts/$1.txt" >"docs/requirements/$1.new"
  mv "docs/requirements/$1.new" "docs/requirements/$1.txt"
}

list rfc7252 'RFC 7252, The Constrained Application Protocol (CoAP)' \
  4,5.2,5.3,5.4,5.8,6.2,6.3,6.4,9 '' \
  'Sections 4, 5.2 to 5.4, 5.8, 6.2 to 6.4 and 9. No demand of section 9 may be open.'
list rfc7250 'RFC 7250, Using Raw Public Keys in TLS and DTLS' '' '' 'All sections.'
list rfc7251 'RFC 7251, AES-CCM Elliptic Curve Cryptography Cipher Suites for TLS' '' '' \
  'All sections. Taken from a re-typed copy of the RFC.'
list rfc6655 'RFC 6655, AES-CCM Cipher Suites for Transport Layer Security' '' '' \
  'All sections. Taken from a re-typed copy of the RFC.'
list rfc4279 'RFC 4279, Pre-Shared Key Ciphersuites for TLS' 2,5,6,7 '' \
  'Sections 2, 5, 6 and 7: the PSK key exchange. DHE_PSK and RSA_PSK are not part of the product.'
list rfc6347 'RFC 6347, Datagram Transport Layer Security Version 1.2' 3,4,5 '' 'Sections 3 to 5.'
list rfc7627 'RFC 7627, TLS Session Hash and Extended Master Secret Extension' 3,4,5,6 '' 'Sections 3 to 6.'
list rfc5746 'RFC 5746, TLS Renegotiation Indication Extension' 3,4,5 4.5 \
  'Sections 3 to 5 without SSLv3 (4.5).'
list rfc8422 'RFC 8422, Elliptic Curve Cryptography Cipher Suites for TLS 1.2 and Earlier' 5 '' 'Section 5.'
for more in "$texts"/rfc*.txt; do
  id=$(basename "$more" .txt)
  [ -e "docs/requirements/$id.txt" ] && continue
  grep -rqsE --include='*_test.go' "Proves $id §" . || continue
  list "$id" "RFC ${id#rfc}" none '' 'Only what a test quotes.'
done
