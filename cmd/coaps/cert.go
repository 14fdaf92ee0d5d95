// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) certCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "certificates: a small CA for a plant, requests, checks, sizes",
		Long: `Make and check the certificates of RFC 7252 section 9.1.3.3. A CA is two files,
its certificate, which every node believes, and its key, which stays with you.
A third file beside them, with the ending .index, lists what the CA has issued
and revoked.`,
		Example: `  coaps cert ca -o ca.crt --key ca.key --name "Plant CA"
  coaps cert new --ca ca.crt --ca-key ca.key --server gw.plant.example -o gw.crt --key gw.key
  coaps cert new --ca ca.crt --ca-key ca.key --client 02-00-5E-FF-FE-10-00-07 -o dev7.crt --key dev7.key
  coaps cert size gw.crt --client dev7.crt`,
		GroupID: groupKeys,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage(cmd, "there is no command %q; ca, new, csr, sign, show, verify, size, revoke, crl and ocsp are", args[0])
		},
	}
	cmd.AddCommand(a.certCACommand(), a.certNewCommand(), a.certCSRCommand(), a.certSignCommand(), a.certShowCommand(),
		a.certVerifyCommand(), a.certSizeCommand(), a.certRevokeCommand(), a.certCRLCommand(), a.certOCSPCommand())
	return cmd
}

// issuerFlags name the CA that signs.
type issuerFlags struct {
	ca, key, index string
}

func (f *issuerFlags) register(set *pflag.FlagSet) {
	set.StringVarP(&f.ca, "ca", "C", "", "`FILE` with the CA's certificate, and those above it if it is not a root")
	set.StringVar(&f.key, "ca-key", "", "`FILE` with the CA's private key")
	set.StringVar(&f.index, "index", "", "`FILE` with the list of what the CA issued (default: that of --ca, ending .index)")
}

// open reads the CA and its index.
func (f *issuerFlags) open(a *app, cmd *cobra.Command) (*keys.CA, *caIndex, error) {
	if f.ca == "" || f.key == "" {
		return nil, nil, usage(cmd, "--ca and --ca-key are needed").try("coaps cert ca -o ca.crt --key ca.key --name NAME makes a CA")
	}
	certificates, err := keys.LoadCertificates(f.ca)
	if err != nil {
		return nil, nil, fileFailure("cannot read the CA", f.ca, err)
	}
	pair, err := a.readPair("cannot read the CA's key from", f.key)
	if err != nil {
		return nil, nil, err
	}
	ca, err := keys.OpenCA(certificates, pair)
	if err != nil {
		return nil, nil, fail("bad_credential", "cannot use the CA "+f.ca, "%v", err).because(err).
			try("--ca and --ca-key name the two files that coaps cert ca made")
	}
	path := f.index
	if path == "" {
		path = replaceExtension(f.ca, ".index")
	}
	return ca, &caIndex{path: path}, nil
}

func replaceExtension(path, extension string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + extension
}

// nodeFlags say what stands in the certificate of a node.
type nodeFlags struct {
	servers []string
	client  string
	name    string
	profile string
	crl     []string
	ocsp    []string
}

var certProfiles = []string{"full", "iot"}

func (f *nodeFlags) register(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringArrayVar(&f.servers, "server", nil, "a server's `NAME`: a host name, an address, a coaps URI or an EUI-64; repeatable")
	set.StringVar(&f.client, "client", "", "a client's `NAME`: an EUI-64, a URI such as urn:dev:os:32473-7, or any text")
	set.StringVar(&f.name, "name", "", "Common `NAME` (default: the client's name, or the first server's)")
	set.StringVar(&f.profile, "profile", "full", "`PROFILE`: full, or iot for the rules of RFC 7925 section 4.4, which is shortest")
	set.StringArrayVar(&f.crl, "crl-url", nil, "`URL` of the CA's revocation list, for the certificate; repeatable")
	set.StringArrayVar(&f.ocsp, "ocsp-url", nil, "`URL` of the CA's OCSP responder, for the certificate; repeatable")
	completeValues(cmd, "profile", certProfiles)
}

// namedLeaf is leaf where nothing but the flags can say whose it is.
func (f *nodeFlags) namedLeaf(cmd *cobra.Command) (keys.Leaf, error) {
	if len(f.servers) == 0 && f.client == "" {
		return keys.Leaf{}, usage(cmd, "whose certificate? --server NAME or --client NAME")
	}
	return f.leaf(cmd)
}

// leaf is what the flags say, without the times.
func (f *nodeFlags) leaf(cmd *cobra.Command) (keys.Leaf, error) {
	if err := oneOf("profile", f.profile, certProfiles...); err != nil {
		return keys.Leaf{}, usage(cmd, "%v", err)
	}
	leaf := keys.Leaf{CommonName: f.name, CRL: f.crl, OCSP: f.ocsp}
	for _, text := range append(append([]string(nil), f.crl...), f.ocsp...) {
		if u, err := url.Parse(text); err != nil || u.Scheme == "" || u.Host == "" {
			return keys.Leaf{}, usage(cmd, "%q is no URL", text)
		}
	}
	if f.profile == "iot" {
		leaf.Profile = keys.ProfileIoT
	}
	for _, name := range f.servers {
		authority, err := parseAuthority(name)
		if err == nil {
			err = leaf.AddServer(authority)
		}
		if err != nil {
			return keys.Leaf{}, usage(cmd, "--server %s: %v", name, err)
		}
	}
	if f.client != "" {
		if err := leaf.AddClient(f.client); err != nil {
			return keys.Leaf{}, usage(cmd, "--client %s: %v", f.client, err)
		}
	}
	if leaf.CommonName == "" && leaf.Profile != keys.ProfileIoT && len(leaf.DNSNames) > 0 && len(leaf.DNSNames[0]) <= 64 {
		leaf.CommonName = leaf.DNSNames[0]
	}
	return leaf, nil
}

// parseAuthority reads whom a certificate is for: a coaps URI or a host.
func parseAuthority(s string) (keys.Authority, error) {
	if strings.Contains(s, "://") {
		uri, err := coap.ParseURI(s)
		switch {
		case err != nil:
			return keys.Authority{}, errors.Unwrap(err)
		case uri.Scheme != "coaps":
			return keys.Authority{}, fmt.Errorf("a certificate is for a coaps URI, not for %s", uri.Scheme)
		}
		return keys.Authority{Host: uri.Host, Port: uri.Port}, nil
	}
	authority := keys.Authority{Host: strings.Trim(s, "[]")}
	return authority, authority.Check()
}

// registerDays is how long a certificate holds.
func registerDays(set *pflag.FlagSet, days *int, value int) {
	set.IntVar(days, "days", value, "valid for `N` days; never longer than the CA")
}

// clockSkew is how far the clocks of a certificate's readers may be behind.
const clockSkew = time.Minute

// period is from a minute ago, for clocks that are behind, to so many days from
// now.
func period(cmd *cobra.Command, days int) (from, until time.Time, err error) {
	if days < 1 || days > 36500 {
		return from, until, usage(cmd, "--days %d: from 1 to 36500 days", days)
	}
	now := time.Now().UTC().Truncate(time.Second)
	return now.Add(-clockSkew), now.AddDate(0, 0, days), nil
}

// absent refuses to go on if a file that a command is about to make is there
// already, before anything else is made.
func absent(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fail("file_exists", "cannot write "+path, "it is there already, and nothing is overwritten")
	}
	return nil
}

// pairAt reads the key at path, or makes one there if there is none.
func (a *app) pairAt(cmd *cobra.Command, path, kind string) (*dtls.KeyPair, error) {
	if _, err := os.Lstat(path); err == nil {
		if cmd.Flags().Changed("type") {
			return nil, usage(cmd, "--type is for a new key, and %s is there already", path)
		}
		pair, err := a.readPair("cannot use the key in", path)
		if err == nil {
			a.notef("uses the key that is in %s", path)
		}
		return pair, err
	}
	pair, err := newPair(cmd, kind)
	if err != nil {
		return nil, err
	}
	return pair, writePair(path, pair)
}

// notef says what was done; -q silences it.
func (a *app) notef(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.err, "%s\n", oneLine(fmt.Sprintf(format, args...)))
	}
}

// certFailure is for a certificate that cannot be made.
func certFailure(what string, err error) *failure {
	return fail("bad_credential", what, "%s", strings.TrimPrefix(err.Error(), "keys: ")).because(err).
		try("coaps cert new --help says what can stand in a certificate")
}

// namesOf lists what a certificate or a request says it is for, but for the
// Common Name.
func namesOf(uris []*url.URL, dns []string, ips []string) []string {
	var names []string
	for _, u := range uris {
		names = append(names, u.String())
	}
	for _, name := range append(append([]string(nil), dns...), ips...) {
		names = append(names, keys.PrintableIdentity([]byte(name)))
	}
	return names
}

func leafNames(leaf *keys.Leaf) []string {
	var ips []string
	for _, ip := range leaf.IPs {
		ips = append(ips, ip.String())
	}
	return namesOf(leaf.URIs, leaf.DNSNames, ips)
}

func certificateNames(c *x509.Certificate) []string {
	return leafNames(&keys.Leaf{URIs: c.URIs, DNSNames: c.DNSNames, IPs: c.IPAddresses})
}
