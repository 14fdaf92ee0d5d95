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
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/../.."

list() { # id, title, sections, left out, notes
  go run ./internal/conformance/extract -rfc "$1" -title "$2" -sections "$3" -without "$4" -note "$5" \
    "$(ls "$texts/$1.txt" "$texts/$1-draft.txt" 2>/dev/null | head -1)" >"docs/requirements/$1.new"
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
list rfc7641 'RFC 7641, Observing Resources in the Constrained Application Protocol (CoAP)' 2,3,4,6,7 '' \
  'Sections 2, 3, 4, 6 and 7.|Taken from a re-typed copy of the last draft of the RFC, whose words may differ from it.'
list rfc8422 'RFC 8422, Elliptic Curve Cryptography Cipher Suites for TLS 1.2 and Earlier' 5 '' 'Section 5.'

# Documents of which only single sentences are quoted. Where the text of the
# RFC itself was not at hand, the last draft before it stands in for it.
declare -A titles=(
  [rfc5246]='RFC 5246, The Transport Layer Security Protocol Version 1.2'
  [rfc5280]='RFC 5280, Internet X.509 Public Key Infrastructure Certificate and CRL Profile'
  [rfc6066]='RFC 6066, TLS Extensions: Extension Definitions'
  [rfc6125]='RFC 6125, Representation and Verification of Domain-Based Application Service Identity'
  [rfc6960]='RFC 6960, X.509 Internet Public Key Infrastructure Online Certificate Status Protocol - OCSP'
  [rfc7925]='RFC 7925, TLS and DTLS Profiles for the Internet of Things'
  [rfc8132]='RFC 8132, PATCH and FETCH Methods for CoAP'
  [rfc8449]='RFC 8449, Record Size Limit Extension for TLS'
  [rfc9147]='RFC 9147, The Datagram Transport Layer Security Protocol Version 1.3'
  [rfc9175]='RFC 9175, CoAP: Echo, Request-Tag, and Token Processing'
  [rfc9176]='RFC 9176, CoRE Resource Directory'
  [rfc9525]='RFC 9525, Service Identity in TLS'
)
for id in $(grep -rhoE --include='*_test.go' --exclude-dir=conformance 'Proves rfc[0-9]+ ' . | awk '{print $2}' | sort -u); do
  grep -q "^list $id " "$self" && continue
  note='Only what a test quotes.'
  if [ ! -e "$texts/$id.txt" ]; then
    [ -e "$texts/$id-draft.txt" ] || { echo "no text of $id" >&2; continue; }
    note="$note|Taken from the last draft of the RFC, whose words may differ from it."
  fi
  list "$id" "${titles[$id]:-RFC ${id#rfc}}" none '' "$note"
done
