// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"hash"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/perf"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// primitives measures the operations that handshakes and records are made of, on
// the servers' core.
func (b *bench) primitives() {
	p, err := start(b.results.Machine.ServerCore, nil, b.self, "primitives", "-dir", b.dir, "-for", b.plan.primitive.String())
	if err != nil {
		b.results.Skip("primitives", "Go", err.Error())
		return
	}
	defer p.stop()
	var v perf.Values
	if err := json.NewDecoder(p.stdout).Decode(&v); err != nil {
		b.results.Skip("primitives", "Go", err.Error()+": "+p.stderr.String())
		return
	}
	v[perf.Round] = float64(b.round)
	b.results.Add("primitives", "Go", v)
	b.say("%-15s sum of an RPK handshake %.1f µs, of a certificate's %.1f µs", "primitives", v[perf.SumRPK], v[perf.SumCert])
}

// primitivesCommand prints what each operation costs as perf.Values.
func primitivesCommand(args []string) error {
	set := flag.NewFlagSet("primitives", flag.ExitOnError)
	dir := set.String("dir", "", "`folder` with the keys")
	each := set.Duration("for", 100*time.Millisecond, "how long to repeat each operation")
	set.Parse(args)
	v := perf.Values{}
	if err := handshakePrimitives(v, *dir, *each); err != nil {
		return err
	}
	if err := recordPrimitives(v, *each); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(v)
}

// cpuTime is what this process has used, by the clock that servers are measured
// by: other processes do not count.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err) // every Linux has it
	}
	return time.Duration(t.Nano())
}

// parts is how many times a primitive is measured; the median counts.
const parts = 5

// cost is the CPU time of one operation in microseconds.
func cost(each time.Duration, f func()) float64 {
	f()
	var us []float64
	for range parts {
		n, began := 0, cpuTime()
		for now := began; now-began < each/parts; now = cpuTime() {
			for range 8 {
				f()
			}
			n += 8
		}
		us = append(us, float64((cpuTime()-began).Nanoseconds())/1000/float64(n))
	}
	return middle(us)
}

// middle is the median of an odd number of figures.
func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// handshakePrimitives measures what a server cannot avoid in a handshake with
// ECDHE_ECDSA on P-256: an ephemeral key and the shared secret, its signature,
// the client's, the certificate, and the PRF.
func handshakePrimitives(v perf.Values, dir string, each time.Duration) error {
	server, err := readMaterial(dir, true)
	if err != nil {
		return err
	}
	client, err := readMaterial(dir, false)
	if err != nil {
		return err
	}
	signer := client.own.Signer
	public, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return errors.New("the client's key is not on P-256")
	}
	digest := sha256.Sum256(answer)
	signature, err := signer.Sign(rand.Reader, digest[:], nil)
	if err != nil {
		return err
	}
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	point := peer.PublicKey().Bytes()
	ephemeral, _ := ecdh.P256().GenerateKey(rand.Reader)
	v["sign_us"] = cost(each, func() { signer.Sign(rand.Reader, digest[:], nil) })
	v["verify_us"] = cost(each, func() { ecdsa.VerifyASN1(public, digest[:], signature) })
	v["ecdh_key_us"] = cost(each, func() { ecdh.P256().GenerateKey(rand.Reader) })
	v["ecdh_shared_us"] = cost(each, func() {
		theirs, _ := ecdh.P256().NewPublicKey(point)
		ephemeral.ECDH(theirs)
	})
	v["x509_us"] = cost(each, func() { verifyChain(server.trust, client.own.DER) })
	v["prf_us"] = cost(each, newPRF().handshake)
	v[perf.SumRPK] = v["sign_us"] + v["verify_us"] + v["ecdh_key_us"] + v["ecdh_shared_us"] + v["prf_us"]
	v[perf.SumCert] = v[perf.SumRPK] + v["x509_us"]
	return nil
}

// verifyChain parses what a client has shown and judges it: one link to the
// trust anchor.
func verifyChain(trust *keys.Trust, der [][]byte) error {
	var chain []*x509.Certificate
	for _, d := range der {
		c, err := x509.ParseCertificate(d)
		if err != nil {
			return err
		}
		chain = append(chain, c)
	}
	return trust.VerifyClient(chain, time.Now())
}

// prf is the PRF of RFC 5246 section 5 by keyed HMACs that are reset.
type prf struct {
	premaster, master hash.Hash
	out               []byte
}

func newPRF() *prf {
	return &prf{premaster: hmac.New(sha256.New, make([]byte, 32)), master: hmac.New(sha256.New, make([]byte, 48)), out: make([]byte, 0, 64)}
}

// handshake makes master secret, keys of CCM_8 and both Finished, with the HMACs
// keyed anew for the two secrets.
func (p *prf) handshake() {
	*p = *newPRF()
	for _, part := range []struct {
		h hash.Hash
		n int
	}{{p.premaster, 48}, {p.master, 40}, {p.master, 12}, {p.master, 12}} {
		p.expand(part.h, part.n)
	}
}

// expand is P_hash for n bytes.
func (p *prf) expand(h hash.Hash, n int) {
	seed := make([]byte, 15+32)
	h.Reset()
	h.Write(seed)
	a := h.Sum(p.out[:0])
	for done := 0; done < n; done += sha256.Size {
		h.Reset()
		h.Write(a)
		h.Write(seed)
		h.Sum(nil)
		if done+sha256.Size < n {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
	}
}

const (
	recordSize  = 60   // bytes of plaintext
	recordBatch = 2048 // records sealed before they are opened
)

// recordPrimitives compares one record of a session, from the application's
// bytes to the network's and back, with the bare AEAD of the standard library.
func recordPrimitives(v perf.Values, each time.Duration) error {
	client, server, now, err := memoryPair()
	if err != nil {
		return err
	}
	payload, room := make([]byte, recordSize), make([]byte, 0, recordBatch*(recordSize+64))
	var records [recordBatch][]byte
	var ev dtls.Event
	opened := 0
	seal := func() {
		room = room[:0]
		for i := range records {
			start := len(room)
			room, err = client.Seal(room, payload)
			records[i] = room[start:]
		}
	}
	open := func() {
		for _, r := range records {
			server.Receive(now, r)
			for server.Next(now, &ev) {
				opened += len(ev.Data) / recordSize
			}
		}
	}
	var sealing, opening []float64
	for began := cpuTime(); len(sealing) < parts || cpuTime()-began < each || len(sealing)%2 == 0; {
		t0 := cpuTime()
		seal()
		t1 := cpuTime()
		open()
		sealing, opening = append(sealing, (t1-t0).Seconds()), append(opening, (cpuTime()-t1).Seconds())
	}
	if err != nil || opened != len(opening)*recordBatch {
		return errors.Join(err, errors.New("records got lost in memory"))
	}
	v["seal_ns"], v["open_ns"] = middle(sealing)*1e9/recordBatch, middle(opening)*1e9/recordBatch
	v[perf.RecordNs] = v["seal_ns"] + v["open_ns"]
	v[perf.RecordAllocs] = allocations(func() { seal(); open() }) / recordBatch
	v[perf.GCMNs], err = libraryGCM(each)
	return err
}

// allocations counts what f allocates.
func allocations(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

// libraryGCM is what AES-128-GCM of the standard library takes to seal and to
// open as much, in nanoseconds.
func libraryGCM(each time.Duration) (float64, error) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return 0, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return 0, err
	}
	buf, sealed := make([]byte, recordSize, recordSize+16), make([]byte, 0, recordSize+16)
	nonce, additional := make([]byte, 12), make([]byte, 13)
	sealed = aead.Seal(sealed, nonce, buf, additional)
	us := cost(each, func() {
		for range 100 {
			aead.Seal(sealed[:0], nonce, buf, additional)
			aead.Open(buf[:0], nonce, sealed, additional)
		}
	})
	return us * 10, nil
}

// memoryPair makes a session with PSK CCM_8 and returns its two ends.
func memoryPair() (client, server *dtls.Session, now tick.Time, err error) {
	cfg := &dtls.Config{
		CipherSuites: []dtls.CipherSuite{pskSuite}, Rand: rand.Reader,
		Credentials: func(string) *dtls.Credentials { return &dtls.Credentials{PSK: true} },
	}
	now = tick.Time(time.Hour)
	gate, err := dtls.NewGate(cfg, now)
	if err != nil {
		return nil, nil, now, err
	}
	if client, err = dtls.NewClient(cfg, now, ""); err != nil {
		return nil, nil, now, err
	}
	server, err = shakeHands(gate, client, now)
	return client, server, now, err
}
