// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// Revocation with what others make: OCSP responses and lists that OpenSSL
// signs, shown by us to OpenSSL and GnuTLS and by them to us.

// register is the authority's files in OpenSSL's form.
type register struct {
	*files
	caKeyFile string
}

func newRegister(t *testing.T) *register {
	t.Helper()
	f := newFiles(t)
	sec1, err := x509.MarshalECPrivateKey(f.caKey)
	if err != nil {
		t.Fatal(err)
	}
	return &register{f, f.write(t, "ca.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}))}
}

// index is OpenSSL's list of one certificate (man openssl-ca).
func (r *register) index(t *testing.T, c *x509.Certificate, revoked bool) string {
	t.Helper()
	serial := fmt.Sprintf("%X", c.SerialNumber)
	if len(serial)%2 == 1 {
		serial = "0" + serial
	}
	const form = "060102150405Z"
	state := "V\t" + c.NotAfter.UTC().Format(form) + "\t"
	if revoked {
		state = "R\t" + c.NotAfter.UTC().Format(form) + "\t" + time.Now().Add(-time.Minute).UTC().Format(form) + ",keyCompromise"
	}
	return r.write(t, "index.txt", []byte(state+"\t"+serial+"\tunknown\t/CN="+c.Subject.CommonName+"\n"))
}

// ocsp has OpenSSL say what it thinks of a certificate: DER, and its file.
func (r *register) ocsp(t *testing.T, c *x509.Certificate, revoked bool) ([]byte, string) {
	t.Helper()
	path := filepath.Join(r.dir, "ocsp.der")
	r.openssl(t, "ocsp", "-index", r.index(t, c, revoked), "-CA", r.caFile, "-issuer", r.caFile, "-rsigner", r.caFile, "-rkey", r.caKeyFile,
		"-serial", fmt.Sprintf("0x%x", c.SerialNumber), "-ndays", "1", "-respout", path)
	return read(t, path), path
}

// crl has OpenSSL list a certificate as revoked.
func (r *register) crl(t *testing.T, c *x509.Certificate) []*x509.RevocationList {
	t.Helper()
	config := r.write(t, "ca.cnf", []byte("[ca]\ndefault_ca=d\n[d]\ndatabase="+r.index(t, c, true)+"\ndefault_md=sha256\ndefault_crl_days=1\n"+
		"crlnumber="+r.write(t, "crlnumber", []byte("01\n"))+"\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"))
	path := filepath.Join(r.dir, "crl.pem")
	r.openssl(t, "ca", "-config", config, "-gencrl", "-cert", r.caFile, "-keyfile", r.caKeyFile, "-out", path)
	lists, err := keys.LoadCRLs(path)
	if err != nil {
		t.Fatal(err)
	}
	return lists
}

func (r *register) openssl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestOCSPWeServe: what we show reaches OpenSSL, which prints it, and GnuTLS,
// which also judges it.
func TestOCSPWeServe(t *testing.T) {
	t.Parallel()
	m := modeNamed("x509")
	for _, revoked := range []bool{false, true} {
		serve := func(t *testing.T, r *register) (*tunnel, []byte) {
			der, _ := r.ocsp(t, r.server.cert, revoked)
			c := config(t, r.files, m, true)
			c.Chains[0].OCSP = func() []byte { return der }
			return serveTunnel(t, serverPolicy(t, c), dtls.Timers{}, 0), der
		}
		t.Run(fmt.Sprintf("openssl/revoked=%t", revoked), func(t *testing.T) {
			need(t, "openssl")
			ctx, r := parallel(t), newRegister(t)
			u, _ := serve(t, r)
			args := append([]string{"s_client", "-status", "-connect", fmt.Sprintf("127.0.0.1:%d", u.port())}, opensslArgs(r.files, m, goodPath, false)...)
			proc := start(ctx, t, nil, "openssl", args...)
			want := map[bool]string{false: "Cert Status: good", true: "Cert Status: revoked"}[revoked]
			if !proc.await(ctx, "OCSP Response Status: successful") || !proc.await(ctx, want) {
				t.Error("the response is not there")
			}
			wantEstablished(ctx, t, u)
		})
		t.Run(fmt.Sprintf("gnutls/revoked=%t", revoked), func(t *testing.T) {
			need(t, "openssl", "gnutls-cli")
			ctx, r := parallel(t), newRegister(t)
			u, der := serve(t, r)
			saved := filepath.Join(r.dir, "saved.ocsp")
			args := append(gnutlsArgs(r.files, m, goodPath, false), "-p", fmt.Sprint(u.port()), "--save-ocsp="+saved, "localhost")
			proc := start(ctx, t, nil, "gnutls-cli", args...)
			if revoked {
				if !proc.await(ctx, `(?i)revoked`) {
					t.Error("GnuTLS does not mind")
				}
				if n, ok := u.await(ctx, dtls.EventEstablished); ok {
					t.Errorf("a session: %+v", n)
				}
				return
			}
			wantEstablished(ctx, t, u)
			if !proc.await(ctx, "Handshake was completed") {
				t.Error("GnuTLS has no session")
			}
			if got := read(t, saved); !bytes.Equal(got, der) {
				t.Errorf("%d bytes arrived, %d were shown", len(got), len(der))
			}
		})
	}
}

func wantEstablished(ctx context.Context, t *testing.T, u *tunnel) {
	t.Helper()
	if n, ok := u.await(ctx, dtls.EventEstablished); !ok {
		t.Fatalf("no session: %v", n.failure())
	}
}

// TestOCSPWeAsk: we take what they show, require it, and refuse a certificate
// that it says is revoked.
func TestOCSPWeAsk(t *testing.T) {
	t.Parallel()
	m := modeNamed("x509")
	for _, server := range []struct {
		name, tool string
		args       func(r *register, port int, response string) []string
	}{
		{"openssl", "openssl", func(r *register, port int, response string) []string {
			args := append([]string{"s_server", "-quiet", "-accept", fmt.Sprintf("127.0.0.1:%d", port), "-Verify", "1"}, opensslArgs(r.files, m, goodPath, true)...)
			if response != "" {
				args = append(args, "-status_file", response)
			}
			return args
		}},
		{"gnutls", "gnutls-serv", func(r *register, port int, response string) []string {
			args := append([]string{"--echo", "-p", fmt.Sprint(port), "--require-client-cert", "--verify-client-cert"}, gnutlsArgs(r.files, m, goodPath, true)...)
			if response != "" {
				args = append(args, "--ocsp-response="+response, "--ignore-ocsp-response-errors")
			}
			return args
		}},
	} {
		for what, want := range map[string]dtls.Reason{
			"good": dtls.ReasonNone, "revoked": dtls.ReasonCertRevoked, "absent": dtls.ReasonCertStatusMissing, "of another": dtls.ReasonCertStatusBad,
		} {
			t.Run(server.name+"/"+what, func(t *testing.T) {
				need(t, "openssl", server.tool)
				ctx, r := parallel(t), newRegister(t)
				about, response := r.server.cert, ""
				if what == "of another" {
					about = r.client.cert
				}
				if what != "absent" {
					_, response = r.ocsp(t, about, what == "revoked")
				}
				port := freePort(t)
				proc := start(ctx, t, nil, server.tool, server.args(r, port, response)...)
				awaitPort(ctx, t, proc, port)
				c := config(t, r.files, m, false)
				c.Trust = c.Trust.RequireOCSP()
				u := dialTunnel(t, clientPolicy(t, c, port), dtls.Timers{}, 0, port)
				n, established := u.await(ctx, dtls.EventEstablished)
				switch {
				case want == dtls.ReasonNone && !established:
					t.Errorf("no session: %v", n.failure())
				case want != dtls.ReasonNone && (established || n.err == nil || n.err.Reason != want):
					t.Errorf("established %t, %v, want %v", established, n.failure(), want)
				}
			})
		}
	}
}

// TestCRLOfOpenSSL: a client whose certificate is in a list that OpenSSL made is
// refused, hears it, and another one is not.
func TestCRLOfOpenSSL(t *testing.T) {
	t.Parallel()
	m := modeNamed("x509")
	for _, revoked := range []bool{false, true} {
		t.Run(fmt.Sprintf("revoked=%t", revoked), func(t *testing.T) {
			need(t, "openssl")
			ctx, r := parallel(t), newRegister(t)
			listed := r.server.cert
			if revoked {
				listed = r.client.cert
			}
			c := config(t, r.files, m, true)
			var err error
			if c.Trust, err = c.Trust.WithCRLs(r.crl(t, listed), keys.RevocationHard); err != nil {
				t.Fatal(err)
			}
			judgeClient(ctx, t, r.files, c, m, revoked)
		})
	}
}

func judgeClient(ctx context.Context, t *testing.T, f *files, c *security.Config, m mode, revoked bool) {
	t.Helper()
	u := serveTunnel(t, serverPolicy(t, c), dtls.Timers{}, 0)
	proc := peerNamed("openssl").dial(ctx, t, f, m, goodPath, u.port())
	n, established := u.await(ctx, dtls.EventEstablished)
	if !revoked {
		if !established {
			t.Errorf("no session: %v", n.failure())
		}
		return
	}
	if established || n.err == nil || n.err.Reason != dtls.ReasonCertRevoked {
		t.Errorf("established %t, %v", established, n.failure())
	}
	if !proc.await(ctx, "alert certificate revoked|alert number 44") {
		t.Errorf("the client is not told: %s", strings.TrimSpace(proc.text()))
	}
}

// TestMustStapleOfGnuTLS: the extension of RFC 7633 is where GnuTLS puts it.
func TestMustStapleOfGnuTLS(t *testing.T) {
	t.Parallel()
	need(t, "certtool")
	f := newFiles(t)
	for _, feature := range []string{"", "tls_feature = 5\n", "tls_feature = 17\n"} {
		template := f.write(t, "template", []byte("cn = a.example\nserial = 7\nexpiration_days = 1\nsigning_key\n"+feature))
		path := filepath.Join(f.dir, "staple.pem")
		out, err := exec.Command("certtool", "--generate-self-signed", "--load-privkey", f.server.pkcs8File, "--template", template, "--outfile", path).CombinedOutput()
		if err != nil {
			t.Fatalf("certtool: %v\n%s", err, out)
		}
		certificates, err := keys.LoadCertificates(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := keys.MustStaple(certificates[0]), strings.Contains(feature, "5"); got != want {
			t.Errorf("%q: %t", feature, got)
		}
	}
}
