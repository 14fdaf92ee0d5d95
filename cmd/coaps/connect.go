// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
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
URI is ignored. A handshake that fails is reported as far as it went, with the
key that the server showed and the alert that ended it; nothing of that has
been proved.

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

// run makes the handshake and reports it, as far as it went.
func (c *connector) run(cmd *cobra.Command, uri string) error {
	report, err := c.handshake(cmd, uri)
	if err != nil {
		report.failure = asFailure("connect "+uri, err)
	}
	if outputError := c.show(report); outputError != nil {
		return outputError
	}
	if report.failure != nil {
		return report.failure
	}
	return nil
}

// connection is what the report is made of.
type connection struct {
	uri      string
	remote   string // "" if nothing was sent
	security *securityReport
	flights  []coaps.Flight
	took     time.Duration
	bytes    byteCount
	failure  *failure // nil: the handshake succeeded
	alert    *jsonAlert
}

// handshake makes it. The report is never nil.
func (c *connector) handshake(cmd *cobra.Command, uri string) (*connection, error) {
	report := &connection{uri: uri}
	t, err := c.client.open(c.app, cmd, uri, c.timeout)
	if err != nil {
		return report, err
	}
	defer t.close()
	if !t.uri.Secure() {
		return report, usage(cmd, "coap:// has no handshake").try("coaps connect coaps://%s, or coaps ping %s", t.uri.Host, uri)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
	defer cancel()
	stop := c.progress("waiting for " + t.uri.Authority())
	made, err := t.connect(ctx)
	stop()
	report.bytes = t.bytes()
	if ended := t.ended.Load(); ended != nil {
		report.remote, report.flights, report.took = ended.Addr.String(), ended.Flights, ended.Took
		report.security, report.alert = reportFacts(ended.Facts), alertOf(ended.Err)
	}
	if err != nil {
		return report, t.diagnose(cmd.Context(), t.failure("connect "+uri, err))
	}
	peer := made.Peer()
	report.security = reportPeer(&peer)
	return report, nil
}

// alertOf is the alert that ended a handshake, nil if there was none.
func alertOf(err error) *jsonAlert {
	e, ok := errors.AsType[*dtls.Error](err)
	switch {
	case ok && e.Received:
		return &jsonAlert{"received", e.Alert.String()}
	case ok && e.Sent:
		return &jsonAlert{"sent", e.Alert.String()}
	}
	return nil
}

// show prints the report. Of a handshake that never began there is nothing to
// show but, as JSON, the error.
func (c *connector) show(report *connection) error {
	if c.json {
		return outputFailure(writeJSON(c.out, report.json()))
	}
	if report.remote == "" {
		return nil
	}
	var text strings.Builder
	report.write(&text, c.outPalette())
	_, err := io.WriteString(c.out, text.String())
	return outputFailure(err)
}

// write is the report for people: a name, a colon, a value.
func (r *connection) write(w io.Writer, p palette) {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s %s\n", p.dim(fmt.Sprintf("%-12s", name+":")), oneLine(value))
		}
	}
	row("peer", r.remote)
	if r.security != nil {
		r.security.write(row)
	}
	if r.failure != nil {
		row("failed", r.failure.reason)
		if r.security != nil {
			row("proved", "nothing of the above: anybody on the path could have said it")
		}
	}
	if r.alert != nil {
		row("alert", r.alert.Direction+" "+r.alert.Name)
	}
	r.writeFlights(w, p)
}

// write lists what was agreed.
func (s *securityReport) write(row func(name, value string)) {
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
	Alert     *jsonAlert   `json:"alert,omitempty"`
	Error     *jsonError   `json:"error,omitempty"`
}

// jsonAlert is the alert that ended a handshake.
type jsonAlert struct {
	Direction string `json:"direction"` // "sent" or "received"
	Name      string `json:"name"`      // IANA's
}

type jsonFlight struct {
	Number    int     `json:"number"`
	Sent      bool    `json:"sent"`
	Datagrams int     `json:"datagrams"`
	Bytes     int     `json:"bytes"`
	At        float64 `json:"at_ms"`
}

func (r *connection) json() jsonConnect {
	j := jsonConnect{V: jsonSchemaVersion, URI: r.uri, OK: r.failure == nil, Address: r.remote, Bytes: r.bytes, Alert: r.alert}
	if r.failure != nil {
		j.Error = r.failure.json()
	}
	if r.remote != "" {
		took := inMilliseconds(r.took)
		j.Handshake = &took
	}
	for i, f := range r.flights {
		j.Flights = append(j.Flights, jsonFlight{i + 1, f.Sent, f.Datagrams, f.Bytes, inMilliseconds(f.At)})
	}
	if s := r.security; s != nil {
		j.DTLS, j.PeerKey = s.json(), jsonKeyOf(s.peerKey)
		j.PeerShows, j.WeShow = s.peerCertType, s.localCertType
		for _, certificate := range s.chain {
			j.Chain = append(j.Chain, base64DER(certificate.Raw))
		}
	}
	return j
}
