// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/internal/foreign"
	"github.com/coaps-go/coaps/security/keys"
)

// handOver is what the other side of a shared key is told.
type handOver struct {
	psk          keys.PSK
	name, tenant string
	server       coap.URI // where to; the host may be unknownServer
}

// tinyKeyLen is the longest key that tinydtls takes as it is built for aiocoap,
// RIOT and Contiki-NG, in octets.
const tinyKeyLen = 16

// unknownServer stands where the address of the server is not known.
const unknownServer = "SERVER"

// lineForms are the forms of --as: what the other side needs, each as it is
// pasted there.
var lineForms = []struct {
	name string
	what string
	make func(h *handOver) (string, error)
}{
	{"psktool", "IDENTITY:HEXKEY, for --psk-file and GnuTLS", (*handOver).psktool},
	{"coaps", "a command line of this program", (*handOver).coaps},
	{"libcoap", "a command line of coap-client", (*handOver).libcoap},
	{"aiocoap", "a credentials file of aiocoap-client", (*handOver).aiocoap},
	{"californium", "a command line of Californium's client", (*handOver).californium},
	{"openssl", "a command line of openssl s_client", (*handOver).openssl},
	{"zephyr", "C for a device on Zephyr", (*handOver).zephyr},
	{"json", "identity and key in JSON", (*handOver).json},
	{"label", "the text of the QR code", (*handOver).label},
}

func lineFormNames() []string {
	names := make([]string, len(lineForms))
	for i := range lineForms {
		names[i] = lineForms[i].name
	}
	return names
}

// lineFormHelp is the list for a help text.
func lineFormHelp() string {
	var b strings.Builder
	for i := range lineForms {
		fmt.Fprintf(&b, "  %-12s %s\n", lineForms[i].name, lineForms[i].what)
	}
	return b.String()
}

// line makes the text for --as.
func (h *handOver) line(form string) (string, error) {
	for i := range lineForms {
		if lineForms[i].name != form {
			continue
		}
		text, err := lineForms[i].make(h)
		if err != nil {
			f := fail("not_expressible", "cannot write this key for "+form, "%v", err).because(err).
				try("--as json, --as zephyr or --as label have words for any key; one that is made without --bytes is text (coaps psk rotate)")
			if errors.Is(err, errIdentityNotText) {
				f.try("--as json, --as zephyr or --as label have words for any identity; coaps psk rotate NAME -u ID gives another")
			}
			return "", f
		}
		return text, nil
	}
	return "", fail("usage", "there is no form "+form, "one of %s is allowed", strings.Join(lineFormNames(), ", "))
}

// Why a form has no words for a key.
var (
	errIdentityNotText = errors.New("the identity is no text, and a command line there takes nothing else")
	errKeyNotText      = errors.New("the key is no text, and a command line there takes nothing else")
)

// argument is an octet string as a word of a shell.
func argument(octets []byte) (string, bool) {
	text := string(octets)
	if text == "" || !utf8.ValidString(text) || strings.ContainsFunc(text, isControl) {
		return "", false
	}
	return shellQuote(text), true
}

func (h *handOver) hexKey() string { return hex.EncodeToString(h.psk.Key.Bytes()) }

func (h *handOver) psktool() (string, error) {
	return string(keys.AppendPSKLine(nil, h.psk)), nil
}

func (h *handOver) coaps() (string, error) {
	identity, ok := argument(h.psk.Identity)
	if !ok {
		return "", errIdentityNotText
	}
	return fmt.Sprintf("coaps get -u %s -k 0x%s %s\n", identity, h.hexKey(), &h.server), nil
}

// libcoap takes the key as the text that it is.
func (h *handOver) libcoap() (string, error) {
	identity, ok := argument(h.psk.Identity)
	if !ok {
		return "", errIdentityNotText
	}
	key, ok := argument(h.psk.Key.Bytes())
	if !ok {
		return "", errKeyNotText
	}
	return fmt.Sprintf("coap-client -m get -u %s -k %s %s\n", identity, key, &h.server), nil
}

func (h *handOver) aiocoap() (string, error) {
	return foreign.AiocoapLine(h.server.String()+"*", h.psk)
}

func (h *handOver) californium() (string, error) {
	identity, ok := argument(h.psk.Identity)
	if !ok {
		return "", errIdentityNotText
	}
	return fmt.Sprintf("java -jar cf-client.jar -m GET -i %s --secrethex %s %s\n", identity, h.hexKey(), &h.server), nil
}

// openssl takes the key in hexadecimal.
func (h *handOver) openssl() (string, error) {
	identity, ok := argument(h.psk.Identity)
	if !ok {
		return "", errIdentityNotText
	}
	return fmt.Sprintf("openssl s_client -dtls1_2 -connect %s -psk_identity %s -psk %s\n", h.hostPort(), identity, h.hexKey()), nil
}

func (h *handOver) hostPort() string {
	return net.JoinHostPort(h.server.Host, strconv.Itoa(int(h.server.Port)))
}

// zephyr is what goes before the socket is opened.
func (h *handOver) zephyr() (string, error) {
	return fmt.Sprintf(`/* prj.conf: CONFIG_TLS_CREDENTIALS=y CONFIG_NET_SOCKETS_SOCKOPT_TLS=y CONFIG_NET_SOCKETS_ENABLE_DTLS=y
 * CONFIG_MBEDTLS_KEY_EXCHANGE_PSK_ENABLED=y CONFIG_MBEDTLS_PSK_MAX_LEN=%d; server %s */
#include <zephyr/net/tls_credentials.h>
static const unsigned char psk_identity[] = {%s};
static const unsigned char psk[] = {%s};
tls_credential_add(PSK_TAG, TLS_CREDENTIAL_PSK_ID, psk_identity, sizeof(psk_identity));
tls_credential_add(PSK_TAG, TLS_CREDENTIAL_PSK, psk, sizeof(psk));
`, max(32, h.psk.Key.Len()), &h.server, cArray(h.psk.Identity), cArray(h.psk.Key.Bytes())), nil
}

func cArray(octets []byte) string {
	parts := make([]string, len(octets))
	for i, octet := range octets {
		parts[i] = fmt.Sprintf("0x%02x", octet)
	}
	return strings.Join(parts, ", ")
}

// pskJSON is a shared key for a program.
type pskJSON struct {
	V           int    `json:"v"`
	Device      string `json:"device,omitempty"`
	Tenant      string `json:"tenant,omitempty"`
	Identity    string `json:"identity"`
	IdentityHex string `json:"identity_hex"`
	KeyHex      string `json:"key_hex"`
	KeyBase64   string `json:"key_base64"`
	Server      string `json:"server,omitempty"`
	Label       string `json:"label"`
}

func (h *handOver) json() (string, error) {
	var b strings.Builder
	err := writeJSON(&b, h.values())
	return b.String(), err
}

func (h *handOver) values() *pskJSON {
	value := &pskJSON{V: jsonSchemaVersion, Device: h.name, Tenant: h.tenant, Identity: keys.PrintableIdentity(h.psk.Identity),
		IdentityHex: hex.EncodeToString(h.psk.Identity), KeyHex: h.hexKey(), KeyBase64: base64.StdEncoding.EncodeToString(h.psk.Key.Bytes()),
		Label: h.asLabel().uri()}
	if h.server.Host != unknownServer {
		value.Server = h.server.String()
	}
	return value
}

func (h *handOver) label() (string, error) { return h.asLabel().uri() + "\n", nil }

func (h *handOver) asLabel() *label {
	l := &label{psk: h.psk, name: h.name, tenant: h.tenant}
	if h.server.Host != unknownServer {
		l.server = h.server.Host
		if strings.Contains(l.server, ":") || h.server.Port != coap.DefaultSecurePort {
			l.server = h.hostPort()
		}
	}
	return l
}

// serverURI is --server, or what the configuration says of its listeners.
func (a *app) serverURI(cmd *cobra.Command, text string) (coap.URI, error) {
	if text == "" {
		return a.configuredServer(cmd), nil
	}
	if !strings.Contains(text, "://") {
		text = "coaps://" + text
	}
	uri, err := coap.ParseURI(text)
	if err == nil && uri.Scheme != "coaps" {
		err = errors.New("a coaps URI is needed")
	}
	if err != nil {
		return coap.URI{}, usage(cmd, "--server: %v", err).try("--server gw.example.net, or coaps://gw.example.net:5684/hello")
	}
	return uri, nil
}

// configuredServer takes the port from the configuration, and the address, if
// it is one that others can use.
func (a *app) configuredServer(cmd *cobra.Command) coap.URI {
	unknown := coap.URI{Scheme: "coaps", Host: unknownServer, Port: coap.DefaultSecurePort}
	flags := storeFlags{url: flagText(cmd, "store"), config: flagText(cmd, "config")}
	place, err := flags.find(cmd, a.env)
	if err != nil || place.config == "" {
		return unknown
	}
	config, err := gateway.Load(place.config)
	if err != nil {
		return unknown
	}
	at := slices.IndexFunc(config.Listen, func(l gateway.Listener) bool { return l.Security == "dtls" })
	if at < 0 {
		return unknown
	}
	return listenerURI(config.Listen[at].Addr)
}

func listenerURI(addr string) coap.URI {
	uri := coap.URI{Scheme: "coaps", Host: unknownServer, Port: coap.DefaultSecurePort}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return uri
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		uri.Port = uint16(n)
	}
	if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() || err != nil && host != "" {
		uri.Host, uri.HostIsIP = host, err == nil
	}
	return uri
}
