// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// brokenSigner has a key and cannot sign with it.
type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the key store is gone")
}

// A job verifies before it does anything else, and does each part.
//
// Pitfall S2, L2: a bad signature, or a signer that fails, is the job's failure
func TestJobOrder(t *testing.T) {
	k := keys()
	signature, err := Sign(rand.Reader, k.p256, wire.SchemeECDSAP256SHA256, message)
	if err != nil {
		t.Fatal(err)
	}
	peer := share(t, rand.Reader, wire.GroupX25519)
	job := func(signature []byte, signer crypto.Signer) *Job {
		own, err := NewShare(rand.Reader, wire.GroupX25519)
		if err != nil {
			t.Fatal(err)
		}
		return &Job{
			Verification: &Verification{Key: k.p256.Public(), Scheme: wire.SchemeECDSAP256SHA256, Message: message, Signature: signature},
			Share:        own, PeerPoint: peer.Public(),
			Signing: &Signing{Signer: signer, Scheme: wire.SchemeEd25519, Rand: rand.Reader, Message: message, Params: true},
		}
	}
	good := job(signature, k.ed)
	if good.Done() {
		t.Error("a job is done before it has run")
	}
	good.Run()
	secret, ok := peer.agree(good.Share.Public())
	if !good.Done() || good.Failure != ReasonNone || !ok || !bytes.Equal(secret, good.Secret) {
		t.Errorf("a good job: %v, secret %x", good.Failure, good.Secret)
	}
	params := wire.AppendECParams(bytes.Clone(message), wire.GroupX25519, good.Share.Public())
	if !Verify(k.ed.Public(), wire.SchemeEd25519, params, good.Signature) {
		t.Error("the signature does not cover message and curve part")
	}
	before := good.Signature
	if good.Run(); !bytes.Equal(before, good.Signature) {
		t.Error("a job runs twice")
	}

	bad := job(nil, k.ed)
	if bad.Run(); bad.Failure != ReasonBadSignature || bad.Secret != nil || bad.Signature != nil || bad.Share.private != nil {
		t.Errorf("a bad signature: %v, and work was done", bad.Failure)
	}
	broken := job(signature, brokenSigner{k.ed})
	if broken.Run(); broken.Failure != ReasonInternal || broken.Signature != nil {
		t.Errorf("a broken signer: %v", broken.Failure)
	}
}

// The share of a server serves two jobs: it is generated once.
func TestShareOfTwoJobs(t *testing.T) {
	own, err := NewShare(rand.Reader, wire.GroupSecp256r1)
	if err != nil {
		t.Fatal(err)
	}
	first := &Job{Share: own}
	first.Run()
	public := own.Public()
	second := &Job{Share: own, PeerPoint: share(t, rand.Reader, wire.GroupSecp256r1).Public()}
	if second.Run(); second.Failure != ReasonNone || !bytes.Equal(own.Public(), public) {
		t.Errorf("%v, and the key changed: %v", second.Failure, !bytes.Equal(own.Public(), public))
	}
	secret := second.Secret
	if second.Wipe(); second.Secret != nil || !bytes.Equal(secret, make([]byte, 32)) {
		t.Errorf("the secret is still there: %x", secret)
	}
}

// What holds a secret does not print it.
func TestSecretsAreNotPrinted(t *testing.T) {
	k := keys()
	secret := bytes.Repeat([]byte{0xd5}, 32)
	job := &Job{Secret: secret, Share: share(t, bytes.NewReader(secret), wire.GroupX25519)}
	pair, chain := KeyPair{Signer: k.ed, SPKI: []byte{1}}, Chain{Signer: k.ed}
	for _, v := range []any{job, *job, pair, &pair, chain, &chain, []Chain{chain}, Credentials{RawKey: &pair, Chains: []Chain{chain}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			for _, leak := range []string{"d5d5d5d5", "213 213 213", "\xd5\xd5", fmt.Sprintf("%x", []byte(k.ed[:8])), fmt.Sprint([]byte(k.ed[:8]))[1:20], string(k.ed[:8])} {
				if strings.Contains(text, leak) {
					t.Errorf("%s of %T prints a secret", verb, v)
				}
			}
		}
	}
}

// The transcript is all messages, be they hashed as they come or afterwards.
//
// Proves rfc6347 §4.2.1: "If HelloVerifyRequest is used, the initial
// ClientHello and HelloVerifyRequest are not included in the calculation of
// the handshake_messages (for the CertificateVerify message) and verify_data
// (for the Finished message)."
func TestTranscript(t *testing.T) {
	for _, keep := range []bool{false, true} {
		var tr Transcript
		tr.Add([]byte("first hello"))
		tr.Add([]byte("verify request"))
		tr.Reset()
		tr.Add([]byte("hello, "))
		tr.Add([]byte("hello; "))
		if string(tr.Raw()) != "hello, hello; " {
			t.Errorf("raw %q", tr.Raw())
		}
		tr.Start(crypto.SHA256, keep)
		tr.Add([]byte("key"))
		if want := sha256.Sum256([]byte("hello, hello; key")); !bytes.Equal(tr.Sum(), want[:]) {
			t.Errorf("keep %v: sum %x", keep, tr.Sum())
		}
		if got := string(tr.Raw()); keep && got != "hello, hello; key" || !keep && got != "" {
			t.Errorf("keep %v: raw %q", keep, got)
		}
		raw := tr.Raw()
		tr.Add([]byte(" and more"))
		if keep && string(append(raw, "!!!"...)) != "hello, hello; key!!!" {
			t.Error("what comes later changes what was taken")
		}
		tr.DropRaw(false)
		tr.Add([]byte(" and last"))
		if want := sha256.Sum256([]byte("hello, hello; key and more and last")); !bytes.Equal(tr.Sum(), want[:]) || len(tr.Raw()) != 0 {
			t.Errorf("keep %v: sum %x, raw %q", keep, tr.Sum(), tr.Raw())
		}
	}
	var tr Transcript
	tr.Start(crypto.SHA384, false)
	if want := sha512.Sum384(nil); !bytes.Equal(tr.Sum(), want[:]) {
		t.Errorf("empty transcript: %x", tr.Sum())
	}
}
