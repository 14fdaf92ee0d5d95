// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/x509"
	"runtime"
	"sync"
	"weak"
)

// verifiedLeaves remembers which certificates a policy has verified, so that an
// Identity is made of no other, and no chain is validated twice. A certificate
// is forgotten when nobody holds it any more, that is with its session; the set
// is bounded by what the sessions hold.
type verifiedLeaves struct {
	mu     sync.Mutex
	leaves map[weak.Pointer[x509.Certificate]]struct{}
}

func (v *verifiedLeaves) add(leaf *x509.Certificate) {
	key := weak.Make(leaf)
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, found := v.leaves[key]; found {
		return
	}
	if v.leaves == nil {
		v.leaves = make(map[weak.Pointer[x509.Certificate]]struct{})
	}
	v.leaves[key] = struct{}{}
	runtime.AddCleanup(leaf, v.forget, key)
}

func (v *verifiedLeaves) has(leaf *x509.Certificate) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, found := v.leaves[weak.Make(leaf)]
	return found
}

func (v *verifiedLeaves) forget(key weak.Pointer[x509.Certificate]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.leaves, key)
}
