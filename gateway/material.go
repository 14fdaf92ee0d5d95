// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// material is what the credential files of a configuration hold.
type material struct {
	config *security.Config
	files  map[string]digest // of each file that was read, as it was before
	certs  []KeyStatus
}

// digest tells whether a file has changed. The zero digest is a file that cannot
// be read.
type digest [sha256.Size]byte

// maxCredentialFile bounds a file of credentials, in bytes.
const maxCredentialFile = 64 << 20

// digestOf reads a file through whatever links lead to it. Of a directory it tells
// which one it is, not what is in it.
func digestOf(path string) digest {
	f, err := os.Open(path)
	if err != nil {
		return digest{}
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return identityOf(info)
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxCredentialFile)); err != nil {
		return digest{}
	}
	return digest(h.Sum(nil))
}

// materialReader reads the files and collects what is wrong with them.
type materialReader struct {
	*Config
	material
	now      time.Time
	problems []Problem
}

// readMaterial reads every credential file. Without a directory nobody is looked
// up. Warnings are for what works all the same.
func (c *Config) readMaterial(directory security.Directory, now time.Time) (*material, []Problem) {
	r := &materialReader{Config: c, now: now, material: material{files: map[string]digest{}}}
	for _, path := range c.source.files {
		r.open(path)
	}
	r.config = r.host("", c.Identity, c.Clients)
	r.config.Directory = directory
	r.config.Name = c.Name
	for _, name := range c.DTLS.Ciphers {
		suite, _ := suiteNamed(name)
		r.config.CipherSuites = append(r.config.CipherSuites, suite)
	}
	for name, host := range c.Hosts {
		if r.config.Hosts == nil {
			r.config.Hosts = map[string]*security.Config{}
		}
		r.config.Hosts[name] = r.host(name, host.Identity, host.Clients)
	}
	if c.serves(securityDTLS) && !hasErrors(r.problems) {
		if _, err := r.config.Server(); err != nil {
			r.wrong("identity", err)
		}
	}
	return &r.material, r.problems
}

func hasErrors(problems []Problem) bool {
	for _, p := range problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

// serves reports whether there is a listener of that kind.
func (c *Config) serves(kind string) bool {
	for _, l := range c.Listen {
		if l.Security == kind {
			return true
		}
	}
	return false
}

func (r *materialReader) wrong(key string, err error) {
	r.problems = append(r.problems, r.source.problem(r.source.find(key), key, "%s", fileErrorText(err)))
}

func (r *materialReader) warn(key, format string, args ...any) {
	r.problems = append(r.problems, r.warning(key, format, args...))
}

// warning is a Problem with which the configuration works.
func (c *Config) warning(key, format string, args ...any) Problem {
	p := c.source.problem(c.source.find(key), key, format, args...)
	p.Warning = true
	return p
}

// fileErrorText is without the name of the system call.
func fileErrorText(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Path + ": " + path.Err.Error()
	}
	return err.Error()
}

// open is the absolute path of a file that is about to be read, and remembers
// what it holds now: if it is written meanwhile, that will be seen.
func (r *materialReader) open(path string) string {
	path = r.Resolve(path)
	r.files[path] = digestOf(path)
	return path
}

// host reads what one virtual host shows and believes.
func (r *materialReader) host(name string, id Identity, cl Clients) *security.Config {
	prefix := ""
	if name != "" {
		prefix = "hosts[" + name + "]."
	}
	config := &security.Config{
		AllowAnonymousClients:    cl.Anonymous,
		AllowWeakPSK:             r.DTLS.WeakPSK,
		RequireKnownCertificates: cl.RequireKnown,
	}
	r.identity(config, prefix+"identity", name, id)
	r.pins(config, prefix+"clients", cl)
	r.trust(config, prefix+"clients", name, cl)
	if cl.PSKFile != "" {
		r.psks(config, prefix+"clients.psk-file", cl.PSKFile)
	}
	return config
}

func (r *materialReader) identity(config *security.Config, key, host string, id Identity) {
	if id.RPK != "" {
		pair, err := keys.LoadKeyPair(r.open(id.RPK))
		if err != nil {
			r.wrong(key+".rpk", err)
		} else {
			config.RawKey = pair
		}
	}
	if id.Cert == "" {
		return
	}
	chain, err := keys.LoadChain(r.open(id.Cert), r.open(id.Key))
	if err != nil {
		r.wrong(key+".cert", err)
		return
	}
	r.certificate("identity", key+".cert", host, chain.Leaf)
	if id.OCSP != "" {
		if err := r.staple(&chain, r.open(id.OCSP)); err != nil {
			r.warn(key+".ocsp", "the server goes on without it: %s", fileErrorText(err))
		}
	}
	config.Chains = []dtls.Chain{chain}
}

// soon is how long before its end a certificate is warned of.
const soon = 30 * 24 * time.Hour

// certificate notes the end of a certificate.
func (r *materialReader) certificate(what, key, host string, cert *x509.Certificate) {
	status := KeyStatus{What: what, Host: host, Name: keys.CertificateName(cert), Expires: cert.NotAfter, Expired: r.now.After(cert.NotAfter)}
	r.certs = append(r.certs, status)
	switch {
	case status.Expired:
		r.warn(key, "the certificate of %s has expired on %s", status.Name, cert.NotAfter.Format(time.DateOnly))
	case r.now.Before(cert.NotBefore):
		r.warn(key, "the certificate of %s is not valid before %s", status.Name, cert.NotBefore.Format(time.DateOnly))
	case cert.NotAfter.Sub(r.now) < soon:
		r.warn(key, "the certificate of %s expires on %s", status.Name, cert.NotAfter.Format(time.DateOnly))
	}
}

// maxStaple bounds the file of an OCSP response, in bytes.
const maxStaple = 1 << 20

func (r *materialReader) staple(chain *dtls.Chain, path string) error {
	der, err := readBounded(path, maxStaple)
	if err != nil {
		return err
	}
	staple, err := keys.NewStaple(chain, nil, time.Now)
	if err != nil {
		return err
	}
	return staple.Set(der)
}

// pins reads raw public keys: names, or files with keys.
func (r *materialReader) pins(config *security.Config, key string, cl Clients) {
	if len(cl.RPK) == 0 {
		return
	}
	config.Pins = new(keys.Pins)
	for i, text := range cl.RPK {
		at := indexKey(key+".rpk", i)
		if name, err := keys.ParseName(text); err == nil {
			if err := config.Pins.Add(name); err != nil {
				r.wrong(at, err)
			}
			continue
		}
		spki, err := loadPublic(r.open(text))
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%q is neither the name of a key (ni:///sha-256-120;...) nor a file", clipText(text))
		}
		if err != nil {
			r.wrong(at, err)
			continue
		}
		config.Pins.AddKey(spki)
	}
}

func loadPublic(path string) ([]byte, error) {
	data, err := keys.ReadFile(path)
	if err != nil {
		return nil, err
	}
	spki, err := keys.ParsePublicKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return spki, nil
}

// revocation are the words of the configuration.
var revocation = map[string]keys.RevocationPolicy{
	"fresh": keys.RevocationFresh, "soft": keys.RevocationSoft, "hard": keys.RevocationHard,
}

func (r *materialReader) trust(config *security.Config, key, host string, cl Clients) {
	var roots []*x509.Certificate
	for i, path := range cl.CA {
		at := indexKey(key+".ca", i)
		certificates, err := keys.LoadCertificates(r.open(path))
		if err != nil {
			r.wrong(at, err)
			continue
		}
		for _, cert := range certificates {
			r.certificate("ca", at, host, cert)
		}
		roots = append(roots, certificates...)
	}
	var lists []*x509.RevocationList
	for i, path := range cl.CRL {
		some, err := keys.LoadCRLs(r.open(path))
		if err != nil {
			r.wrong(key+".crl["+strconv.Itoa(i)+"]", err)
			continue
		}
		lists = append(lists, some...)
	}
	if len(roots) == 0 {
		return
	}
	trust, err := keys.NewTrust(roots).WithCRLs(lists, revocation[cl.CRLPolicy])
	if err != nil {
		r.wrong(key+".crl", err)
		return
	}
	for _, list := range trust.CRLs() {
		if !list.Anchored {
			r.warn(key+".crl", "the revocation list of %s is by none of the CAs; it counts only for an authority below them", list.Issuer)
		}
		if !list.NextUpdate.IsZero() {
			r.certs = append(r.certs, KeyStatus{What: "crl", Host: host, Name: list.Issuer, Expires: list.NextUpdate})
		}
		if r.now.After(list.NextUpdate) {
			r.warn(key+".crl", "the revocation list of %s has run out on %s", list.Issuer, list.NextUpdate.Format(time.DateOnly))
		}
	}
	config.Trust = trust
}

func (r *materialReader) psks(config *security.Config, key, path string) {
	psks, err := keys.LoadPSKFile(r.open(path))
	if err != nil {
		r.wrong(key, err)
		return
	}
	known, err := keys.NewPSKMap(psks...)
	if err != nil {
		r.wrong(key, err)
		return
	}
	if err := known.Weakest(); err != nil && r.DTLS.WeakPSK {
		r.warn(key, "%s", err)
	}
	config.PSK = known
}
