// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func errorsAs[E error](err error) (E, bool) { return errors.AsType[E](err) }

// newRegistry is one in a memory of its own.
func newRegistry(t testing.TB) *Registry {
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	return New(s)
}

func secret(text string) keys.Secret { return keys.NewSecret([]byte(text)) }

func pskOf(identity, key string) Credential {
	return Credential{PSK: &PSK{Identity: []byte(identity), Key: secret(key)}}
}

func tokenOf(token string) Credential {
	sum := sha256.Sum256([]byte(token))
	return Credential{Token: &Token{sum[:]}}
}

// device is a device with these credentials.
func device(name string, credentials ...Credential) Device {
	return Device{Name: name, Credentials: credentials}
}

func claimPSK(identity string) *security.Claim {
	return &security.Claim{PSKIdentity: []byte(identity)}
}

// pki is what the tests show: a key, and a certificate of it.
type pki struct {
	ca    *keys.CA
	key   *dtls.KeyPair
	other *dtls.KeyPair
	chain dtls.Chain
}

var thePKI = sync.OnceValue(func() *pki {
	p := &pki{
		ca:    must(keys.NewCA(rand.NewChaCha8([32]byte{1}), "Acme CA", noon, 24*time.Hour)),
		key:   must(keys.NewKey(rand.NewChaCha8([32]byte{2}))),
		other: must(keys.NewKey(rand.NewChaCha8([32]byte{3}))),
	}
	p.chain = must(p.ca.IssueClient(rand.NewChaCha8([32]byte{4}), p.key, "01-23-45-67-89-AB-CD-EF", noon, time.Hour))
	return p
})

func (p *pki) certificates() []*x509.Certificate { return []*x509.Certificate{p.chain.Leaf} }

// content is all that a store holds.
func content(t testing.TB, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for record, err := range s.Scan(context.Background(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		all[record.Key] = string(record.Value)
	}
	return all
}

// reporter is what a testing.T and a rapid.T have in common.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// checkIndex compares the index with what the devices and groups imply.
func checkIndex(t reporter, s store.Store) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	add := func(o owner) {
		for key, value := range indexOf(o) {
			if want[key] != "" {
				t.Errorf("%s is that of two: %s, %s", key, want[key], value)
			}
			want[key] = value
		}
	}
	for record, err := range s.Scan(context.Background(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		switch record.Key[:2] {
		case devicePrefix:
			d := must(deviceOf(record))
			add(&d)
		case groupPrefix:
			g := must(groupOf(record))
			add(&g)
		case indexPrefix:
			got[record.Key] = string(record.Value)
		}
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("index record %s is %q, want %q", key, got[key], value)
		}
	}
	for key := range got {
		if want[key] == "" {
			t.Errorf("index record %s is nobody's", key)
		}
	}
}
