// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps"
)

// connector is the connect command.
type connector struct {
	*app
	client  clientFlags
	json    bool
	timeout time.Duration
}

func (a *app) connectCommand() *cobra.Command {
	c := &connector{app: a}
	cmd := &cobra.Command{
		Use:   "connect URI",
		Short: "make the handshake only, and report it",
		Long: `Make a DTLS session with the server of the URI, report what was agreed, and
close it again: version, cipher suite, group, signature, extended master
secret, the server's key or certificate chain with all forms of its name, and
the bytes and milliseconds of each flight. No request is sent; a path in the
URI is ignored.

The report goes to stdout. Flights are numbered as in RFC 6347 section 4.2.4;
bytes are UDP payload, retransmissions included.`,
		Example: `  coaps connect --psk-file demo.psk coaps://localhost
  coaps connect --insecure coaps://gw.example.net | grep ni:
  coaps connect --json -C ca.pem coaps://gw.example.net | jq .flights`,
		GroupID: groupTalk,
		Args:    c.client.uriArgument,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.run(cmd, hideUserinfo(args[0])) },
	}
	c.client.register(cmd.Flags())
	registerTimeoutGroup(cmd.Flags(), &c.timeout)
	registerJSON(cmd.Flags(), &c.json)
	return cmd
}

// run makes the handshake and reports it.
func (c *connector) run(cmd *cobra.Command, uri string) error {
	report, err := c.handshake(cmd, uri)
	if err == nil {
		return c.show(report)
	}
	f := asFailure("connect "+uri, err)
	if c.json {
		failed := jsonConnect{V: jsonSchemaVersion, URI: uri, Error: f.json()}
		if report != nil {
			failed.Bytes = report.bytes
		}
		if err := writeJSON(c.out, failed); err != nil {
			return outputFailure(err)
		}
	}
	return f
}

// connection is what the report is made of.
type connection struct {
	uri      string
	remote   string
	security *securityReport
	flights  []coaps.Flight
	took     time.Duration
	bytes    byteCount
}

func (c *connector) handshake(cmd *cobra.Command, uri string) (*connection, error) {
	t, err := c.client.open(c.app, cmd, uri, c.timeout)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if !t.uri.Secure() {
		return nil, usage(cmd, "coap:// has no handshake").try("coaps connect coaps://%s, or coaps ping %s", t.uri.Host, uri)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
	defer cancel()
	stop := c.progress("waiting for " + t.uri.Authority())
	made, err := t.connect(ctx)
	stop()
	report := &connection{uri: uri, bytes: t.bytes()}
	if err != nil {
		return report, t.diagnose(cmd.Context(), t.failure("connect "+uri, err))
	}
	peer := made.Peer()
	report.remote, report.security = peer.Addr.String(), reportPeer(&peer)
	report.flights, report.took = made.Flights(), made.HandshakeTime()
	return report, nil
}

func (c *connector) show(report *connection) error {
	if c.json {
		return outputFailure(writeJSON(c.out, report.json()))
	}
	var text strings.Builder
	report.write(&text, c.outPalette())
	_, err := io.WriteString(c.out, text.String())
	return outputFailure(err)
}

// write is the report for people: a name, a colon, a value.
func (r *connection) write(w io.Writer, p palette) {
	s := r.security
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s %s\n", p.dim(fmt.Sprintf("%-12s", name+":")), oneLine(value))
		}
	}
	row("peer", r.remote)
	row("version", s.version)
	row("suite", s.cipher)
	row("group", s.group)
	row("signature", s.signature)
	row("EMS", yesNo(s.extendedMasterSecret))
	row("SNI", s.serverName)
	row("mode", s.mode)
	row("hint", s.hint)
	row("identity", s.identity)
	row("peer shows", s.peerCertType)
	row("we show", s.localCertType)
	for _, form := range s.names() {
		row("key", fmt.Sprintf("%-18s %s", form.Label, form.Text))
	}
	for i, certificate := range s.chain {
		row(fmt.Sprintf("chain %d", i), describeCertificate(certificate))
	}
	r.writeFlights(w, p)
}

func (r *connection) writeFlights(w io.Writer, p palette) {
	fmt.Fprintf(w, "%s %s, %d bytes up, %d bytes down\n", p.dim(fmt.Sprintf("%-12s", "handshake:")),
		milliseconds(r.took), r.bytes.HandshakeUp, r.bytes.HandshakeDown)
	for i, flight := range r.flights {
		direction := "<"
		if flight.Sent {
			direction = ">"
		}
		fmt.Fprintf(w, "  flight %d  %s %5d bytes in %-12s at %s\n", i+1, direction, flight.Bytes,
			plural(flight.Datagrams, "datagram"), milliseconds(flight.At))
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// jsonConnect is the object of connect --json.
type jsonConnect struct {
	V         int          `json:"v"`
	URI       string       `json:"uri"`
	OK        bool         `json:"ok"`
	Address   string       `json:"address,omitempty"`
	DTLS      *jsonDTLS    `json:"dtls,omitempty"`
	PeerShows string       `json:"peer_certificate_type,omitempty"`
	WeShow    string       `json:"local_certificate_type,omitempty"`
	PeerKey   *jsonKey     `json:"peer_key,omitempty"`
	Chain     []string     `json:"chain,omitempty"` // base64 DER, leaf first
	Flights   []jsonFlight `json:"flights,omitempty"`
	Handshake *float64     `json:"handshake_ms,omitempty"`
	Bytes     byteCount    `json:"bytes"`
	Error     *jsonError   `json:"error,omitempty"`
}

type jsonFlight struct {
	Number    int     `json:"number"`
	Sent      bool    `json:"sent"`
	Datagrams int     `json:"datagrams"`
	Bytes     int     `json:"bytes"`
	At        float64 `json:"at_ms"`
}

func (r *connection) json() jsonConnect {
	took := inMilliseconds(r.took)
	j := jsonConnect{V: jsonSchemaVersion, URI: r.uri, OK: true, Address: r.remote, DTLS: r.security.json(),
		PeerShows: r.security.peerCertType, WeShow: r.security.localCertType,
		Handshake: &took, Bytes: r.bytes, PeerKey: jsonKeyOf(r.security.peerKey)}
	for _, certificate := range r.security.chain {
		j.Chain = append(j.Chain, base64DER(certificate.Raw))
	}
	for i, f := range r.flights {
		j.Flights = append(j.Flights, jsonFlight{i + 1, f.Sent, f.Datagrams, f.Bytes, inMilliseconds(f.At)})
	}
	return j
}
