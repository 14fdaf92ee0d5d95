// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/coaps-go/coaps/dtls"
)

const pemRequest = "CERTIFICATE REQUEST" // RFC 7468 §7

// pemOldRequest is what some tools still write.
const pemOldRequest = "NEW CERTIFICATE REQUEST"

var (
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServerAuth  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// NewRequest makes a certification request (PKCS#10, RFC 2986) of the key pair
// for the names and purposes of a leaf; its times and profile do not count. It
// is signed by the key, which proves to the authority that the asker holds it.
func NewRequest(pair *dtls.KeyPair, leaf Leaf) (*x509.CertificateRequest, error) {
	template := &x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: leaf.CommonName},
		DNSNames:    leaf.DNSNames,
		IPAddresses: leaf.IPs,
		URIs:        leaf.URIs,
	}
	var purposes []asn1.ObjectIdentifier
	if leaf.Server {
		purposes = append(purposes, oidServerAuth)
	}
	if leaf.Client {
		purposes = append(purposes, oidClientAuth)
	}
	if purposes != nil {
		value, err := asn1.Marshal(purposes)
		if err != nil {
			return nil, err
		}
		template.ExtraExtensions = []pkix.Extension{{Id: oidExtKeyUsage, Value: value}}
	}
	der, err := x509.CreateCertificateRequest(nil, template, pair.Signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificateRequest(der)
}

// MarshalRequest returns a request in PEM.
func MarshalRequest(request *x509.CertificateRequest) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: request.Raw})
}

// maxRequest bounds a certification request, in bytes.
const maxRequest = 64 << 10

// ErrBadProof reports a request that its key did not sign: the asker may not
// hold the private key.
var ErrBadProof = errors.New("the request is not signed by its own key")

// ParseRequest reads a certification request as PEM or DER, and checks that its
// key is of a supported kind and has signed it. What it asks for is not judged.
func ParseRequest(data []byte) (*x509.CertificateRequest, error) {
	if len(data) > maxRequest {
		return nil, fmt.Errorf("a request of %d bytes, at most %d are taken", len(data), maxRequest)
	}
	der, err := requestDER(data)
	if err != nil {
		return nil, err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("not a certificate request: %w", err)
	}
	if err := CheckPublicKey(request.RawSubjectPublicKeyInfo); err != nil {
		return nil, err
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadProof, err)
	}
	return request, nil
}

// requestDER takes the one request out of PEM. It says what else is there
// instead, because a certificate or a key is easily taken for a request.
func requestDER(data []byte) ([]byte, error) {
	var found []string
	var request []byte
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		found = append(found, block.Type)
		if block.Type != pemRequest && block.Type != pemOldRequest {
			continue
		}
		if request != nil {
			return nil, errors.New("more than one certificate request")
		}
		request = block.Bytes
	}
	switch {
	case request != nil:
		return request, nil
	case found != nil:
		return nil, fmt.Errorf("no certificate request, but %q", found)
	}
	return data, nil
}

// Requested returns what a request asks for: the names of its SubjectAltName, its
// Common Name, and the purposes. Nothing of it has been checked: an authority
// takes over what it means to vouch for (Leaf.Check judges the form), and other
// extensions are not in a Leaf at all.
func Requested(request *x509.CertificateRequest) Leaf {
	leaf := Leaf{DNSNames: request.DNSNames, IPs: request.IPAddresses, URIs: request.URIs}
	count := 0
	for _, attribute := range request.Subject.Names {
		if attribute.Type.Equal(oidCommonName) {
			leaf.CommonName, _ = attribute.Value.(string)
			count++
		}
	}
	if count != 1 {
		leaf.CommonName = ""
	}
	for _, extension := range request.Extensions {
		var purposes []asn1.ObjectIdentifier
		if !extension.Id.Equal(oidExtKeyUsage) {
			continue
		}
		if rest, err := asn1.Unmarshal(extension.Value, &purposes); err == nil && len(rest) == 0 {
			leaf.Server = slices.ContainsFunc(purposes, oidServerAuth.Equal)
			leaf.Client = slices.ContainsFunc(purposes, oidClientAuth.Equal)
		}
	}
	return leaf
}
