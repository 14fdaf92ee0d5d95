// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/flightsize"
	"github.com/coaps-go/coaps/security/keys"
)

// certSize is the command cert size.
type certSize struct {
	*app
	client, ca, ocsp string
	sni, cipher      string
	mtu              int
	asJSON           bool
}

func (a *app) certSizeCommand() *cobra.Command {
	c := &certSize{app: a}
	cmd := &cobra.Command{
		Use:   "size CHAIN",
		Short: "how many bytes and datagrams does the handshake take?",
		Long: `Make the handshake of a server with this chain in memory, and print each flight
in bytes and datagrams, before a constrained device finds out. The private keys
are not needed. Bytes are those of UDP payload; a datagram of the network has 48
more with IPv6 and 28 more with IPv4.`,
		Example: `  coaps cert size gw.crt
  coaps cert size gw.crt --client dev7.crt --ca ca.crt --mtu 512`,
		Args: exactArgs("CHAIN"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args[0]) },
	}
	set := cmd.Flags()
	set.StringVarP(&c.client, "client", "c", "", "the client shows the chain in `FILE`")
	set.StringVarP(&c.ca, "ca", "C", "", "`FILE` with the CAs that the server tells the client it believes")
	set.StringVar(&c.ocsp, "ocsp", "", "`FILE` with the OCSP response (DER) that the server shows")
	set.StringVar(&c.sni, "sni", "", "server `NAME` in the client's hello (default: the certificate's), or off")
	set.StringVar(&c.cipher, "cipher", "", "cipher suites: `LIST` of IANA names")
	set.IntVar(&c.mtu, "mtu", defaultMTU, "no datagram with more than `N` bytes, DTLS included")
	set.BoolVar(&c.asJSON, "json", false, "one JSON object")
	return cmd
}

// jsonSize is the object of cert size --json.
type jsonSize struct {
	V            int              `json:"v"`
	File         string           `json:"file"`
	MTU          int              `json:"mtu"`
	Certificates []jsonSizeCert   `json:"certificates"`
	Flights      []jsonSizeFlight `json:"flights"`
	Up           jsonSum          `json:"up"` // from the client
	Down         jsonSum          `json:"down"`
	Advice       []string         `json:"advice,omitempty"`
}

type jsonSizeCert struct {
	Whose string `json:"whose"` // server or client
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Bytes int    `json:"bytes"`
}

type jsonSizeFlight struct {
	Number    int               `json:"number"`
	From      string            `json:"from"`
	Bytes     int               `json:"bytes"`
	Datagrams []int             `json:"datagrams"`
	Messages  []jsonSizeMessage `json:"messages"`
}

type jsonSizeMessage struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

type jsonSum struct {
	Bytes     int `json:"bytes"`
	Datagrams int `json:"datagrams"`
}

func (c *certSize) run(cmd *cobra.Command, path string) error {
	if c.mtu < minMTU || c.mtu > maxMTU {
		return usage(cmd, "--mtu %d: %d to %d bytes are possible", c.mtu, minMTU, maxMTU)
	}
	h, err := c.handshake(cmd, path)
	if err != nil {
		return err
	}
	flights, err := flightsize.Measure(h)
	if err != nil {
		return sizeFailure(path, h, err)
	}
	report := c.report(path, h, flights)
	report.Advice = advise(h, flights)
	if c.asJSON {
		return outputFailure(writeJSON(c.out, report))
	}
	return outputFailure(report.write(c.out, c.outPalette()))
}

// sizeFailure says why there is no handshake to measure.
func sizeFailure(path string, h *flightsize.Handshake, err error) *failure {
	f := fail("bad_credential", "cannot make the handshake with "+path, "%v", err).because(err).
		try("coaps cert show FILE shows what the chain holds")
	if _, ok := h.Server[0].PublicKey.(*rsa.PublicKey); ok && h.CipherSuites == nil {
		return f.try("an RSA key needs its own suites: --cipher TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
	}
	if h.MTU < defaultMTU {
		return f.try("a larger --mtu, such as 256: a client's first message is never cut into pieces")
	}
	return f
}

// handshake is what the flags say.
func (c *certSize) handshake(cmd *cobra.Command, path string) (*flightsize.Handshake, error) {
	server, err := c.readChain(path)
	if err != nil {
		return nil, err
	}
	h := &flightsize.Handshake{Server: server, MTU: c.mtu, ServerName: c.serverName(server[0])}
	if c.client != "" {
		if h.Client, err = c.readChain(c.client); err != nil {
			return nil, err
		}
	}
	if c.ca != "" {
		anchors, err := keys.LoadCertificates(c.ca)
		if err != nil {
			return nil, fileFailure("cannot use the CA", c.ca, err)
		}
		h.Authorities = keys.NewTrust(anchors).Authorities()
	}
	if c.ocsp != "" {
		if h.OCSP, err = keys.ReadFile(c.ocsp); err != nil {
			return nil, fileFailure("cannot read the OCSP response", c.ocsp, err)
		}
	}
	if c.cipher != "" {
		if h.CipherSuites, err = parseSuites(cmd, c.cipher); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (c *certSize) readChain(path string) ([]*x509.Certificate, error) {
	data, err := c.readPublicFile(path)
	if err != nil {
		return nil, fileFailure("cannot read the certificate", path, err)
	}
	chain, err := keys.ParseCertificates(data)
	if err != nil {
		return nil, fileFailure("cannot read the certificate", path, err)
	}
	return chain, nil
}

// serverName is what a client would send that reaches this server by its name.
func (c *certSize) serverName(leaf *x509.Certificate) string {
	switch {
	case c.sni == "off":
		return ""
	case c.sni != "":
		return c.sni
	case len(leaf.DNSNames) > 0:
		return keys.Authority{Host: leaf.DNSNames[0]}.ServerName()
	}
	return ""
}

func (c *certSize) report(path string, h *flightsize.Handshake, flights []flightsize.Flight) *jsonSize {
	r := &jsonSize{V: jsonSchemaVersion, File: path, MTU: c.mtu}
	r.add("server", h.Server)
	r.add("client", h.Client)
	for _, f := range flights {
		j := jsonSizeFlight{Number: f.Number, From: "server", Bytes: f.Bytes, Datagrams: f.Datagrams}
		sum := &r.Down
		if f.Client {
			j.From, sum = "client", &r.Up
		}
		sum.Bytes += f.Bytes
		sum.Datagrams += len(f.Datagrams)
		for _, m := range f.Messages {
			j.addMessage(m)
		}
		r.Flights = append(r.Flights, j)
	}
	return r
}

// addMessage adds a message; one that was cut in two by its encryption counts as
// one.
func (f *jsonSizeFlight) addMessage(m flightsize.Message) {
	if n := len(f.Messages); n > 0 && f.Messages[n-1].Name == m.Name {
		f.Messages[n-1].Bytes += m.Length
		return
	}
	f.Messages = append(f.Messages, jsonSizeMessage{m.Name, m.Length})
}

func (r *jsonSize) add(whose string, chain []*x509.Certificate) {
	for _, certificate := range chain {
		r.Certificates = append(r.Certificates, jsonSizeCert{whose, keys.CertificateName(certificate),
			keyKind(certificate.RawSubjectPublicKeyInfo), len(certificate.Raw)})
	}
}

func (r *jsonSize) write(w io.Writer, p palette) error {
	var b strings.Builder
	for _, c := range r.Certificates {
		fmt.Fprintf(&b, "%s %5d bytes  %s, %s\n", p.dim(fmt.Sprintf("%-12s", c.Whose+" shows")), c.Bytes, oneLine(c.Name), c.Kind)
	}
	fmt.Fprintf(&b, "\n%s\n", p.dim("flight from    bytes datagrams"))
	for _, f := range r.Flights {
		fmt.Fprintf(&b, "%-6d %-6s %6d %-10s %s\n", f.Number, f.From, f.Bytes, plain(f.Datagrams), p.dim(messagesText(f.Messages)))
	}
	fmt.Fprintf(&b, "\nclient sends %s in %s, server %s in %s (up to %d bytes each)\n", plural(r.Up.Bytes, "byte"), plural(r.Up.Datagrams, "datagram"),
		plural(r.Down.Bytes, "byte"), plural(r.Down.Datagrams, "datagram"), r.MTU)
	for _, line := range r.Advice {
		fmt.Fprintf(&b, "%s %s\n", p.warn("advice:"), line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// plain writes the lengths of datagrams: "3: 1232+1232+80".
func plain(datagrams []int) string {
	if len(datagrams) == 1 {
		return "1"
	}
	var lengths []string
	for _, n := range datagrams {
		lengths = append(lengths, strconv.Itoa(n))
	}
	return fmt.Sprintf("%d: %s", len(datagrams), strings.Join(lengths, "+"))
}

func messagesText(messages []jsonSizeMessage) string {
	var parts []string
	for _, m := range messages {
		parts = append(parts, fmt.Sprintf("%s %d", m.Name, m.Bytes))
	}
	return strings.Join(parts, ", ")
}

// advise says what would make the handshake smaller, with figures that are
// measured too.
func advise(h *flightsize.Handshake, flights []flightsize.Flight) []string {
	var advice []string
	total := sumOf(flights)
	for _, side := range []struct {
		name  string
		chain []*x509.Certificate
		set   func(h *flightsize.Handshake, chain []*x509.Certificate)
	}{
		{"server", h.Server, func(h *flightsize.Handshake, chain []*x509.Certificate) { h.Server = chain }},
		{"client", h.Client, func(h *flightsize.Handshake, chain []*x509.Certificate) { h.Client = chain }},
	} {
		without := withoutRoot(side.chain)
		if len(without) == len(side.chain) {
			continue
		}
		shorter := *h
		side.set(&shorter, without)
		if saved, ok := savedBy(&shorter, total); ok {
			advice = append(advice, fmt.Sprintf("leave the root out of the %s's chain, whoever believes it has it: %s less", side.name, plural(saved, "byte")))
		}
	}
	if raw, ok := savedByRawKeys(h, total); ok {
		advice = append(advice, fmt.Sprintf("raw public keys of the same kinds (coaps key new) would take %s less", plural(raw, "byte")))
	}
	return append(advice, adviseKinds(h)...)
}

func sumOf(flights []flightsize.Flight) int {
	n := 0
	for _, f := range flights {
		n += f.Bytes
	}
	return n
}

func savedBy(h *flightsize.Handshake, total int) (saved int, ok bool) {
	flights, err := flightsize.Measure(h)
	if err != nil {
		return 0, false
	}
	saved = total - sumOf(flights)
	return saved, saved > 0
}

func savedByRawKeys(h *flightsize.Handshake, total int) (saved int, ok bool) {
	raw := *h
	raw.RawKeys, raw.Server, raw.OCSP, raw.Authorities = true, h.Server[:1], nil, nil
	raw.Client = h.Client[:min(len(h.Client), 1)]
	return savedBy(&raw, total)
}

// withoutRoot cuts a certificate that signed itself off the end of a chain.
func withoutRoot(chain []*x509.Certificate) []*x509.Certificate {
	if n := len(chain); n > 1 && bytes.Equal(chain[n-1].RawIssuer, chain[n-1].RawSubject) {
		return chain[:n-1]
	}
	return chain
}

// longName is from where on a subject is worth a word: a country, a place, a
// company and a name stand in the certificate and in its issuer's.
const longName = 60

// adviseKinds is advice that has no figure, because it takes other certificates.
func adviseKinds(h *flightsize.Handshake) []string {
	var advice []string
	seen := map[string]bool{}
	for _, c := range append(append([]*x509.Certificate(nil), h.Server...), h.Client...) {
		name := oneLine(keys.CertificateName(c))
		if seen[string(c.Raw)] {
			continue
		}
		seen[string(c.Raw)] = true
		if _, ok := c.PublicKey.(*rsa.PublicKey); ok {
			advice = append(advice, name+" has an RSA key: P-256 keys and their signatures are some 400 bytes shorter in each certificate")
		}
		if n := len(c.RawSubject); n > longName {
			advice = append(advice, fmt.Sprintf("the subject of %s takes %d bytes: one short Common Name will do", name, n))
		}
		if len(c.URIs) > 0 && len(c.DNSNames) > 0 && !c.IsCA {
			advice = append(advice, name+" names itself as a URI and as a host: coaps cert new --profile iot writes one name only")
		}
	}
	return advice
}

// parseSuites reads --cipher.
func parseSuites(cmd *cobra.Command, list string) ([]dtls.CipherSuite, error) {
	var suites []dtls.CipherSuite
	for name := range strings.SplitSeq(list, ",") {
		suite, ok := suiteByName(strings.TrimSpace(name))
		if !ok {
			return nil, usage(cmd, "--cipher %q: this cipher suite is not implemented", name).
				try("%s", strings.Join(suitesLike(strings.TrimSpace(name)), ", "))
		}
		suites = append(suites, suite)
	}
	return suites, nil
}
