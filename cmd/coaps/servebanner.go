// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// listening is where one pair of ports is.
type listening struct{ plain, secure netip.AddrPort }

func (s *server) listening() []listening {
	var all []listening
	for _, one := range s.servers {
		plain, secure := one.Addrs()
		all = append(all, listening{plain, secure})
	}
	return all
}

// uris are the bases of what is served here.
func (l listening) uris() []string {
	var uris []string
	if l.plain.IsValid() {
		uris = append(uris, "coap://"+l.plain.String())
	}
	if l.secure.IsValid() {
		uris = append(uris, "coaps://"+l.secure.String())
	}
	return uris
}

// loopback says whether only this machine can reach it.
func (l listening) loopback() bool {
	return (!l.plain.IsValid() || l.plain.Addr().IsLoopback()) && (!l.secure.IsValid() || l.secure.Addr().IsLoopback())
}

// announce says where the server is, writes the ready file, and shows the
// demonstration's commands. Datagrams queue from before this on.
func (s *server) announce(m *demoMaterial, config *security.Config) error {
	all := s.listening()
	switch {
	case s.json:
		if err := writeJSON(s.out, s.jsonAnnouncement(all, m, config)); err != nil {
			return outputFailure(err)
		}
	case m == nil:
		s.announceConfigured(all, config)
	default:
		var text strings.Builder
		s.writeTour(&text, all[0], m)
		if _, err := fmt.Fprint(s.out, text.String()); err != nil {
			return outputFailure(err)
		}
	}
	s.warnPlain(all)
	if s.ready == "" {
		return nil
	}
	return s.writeReady(all[0], m)
}

// jsonServe is the first line of serve --json.
type jsonServe struct {
	V         int      `json:"v"`
	Plain     []string `json:"plain,omitempty"`
	Secure    []string `json:"secure,omitempty"`
	Directory string   `json:"directory,omitempty"`
	Key       string   `json:"key,omitempty"`
}

func (s *server) jsonAnnouncement(all []listening, m *demoMaterial, config *security.Config) jsonServe {
	j := jsonServe{V: jsonSchemaVersion, Key: serverName(config)}
	for _, l := range all {
		if l.plain.IsValid() {
			j.Plain = append(j.Plain, "coap://"+l.plain.String())
		}
		if l.secure.IsValid() {
			j.Secure = append(j.Secure, "coaps://"+l.secure.String())
		}
	}
	if m != nil {
		j.Directory = m.dir
	}
	return j
}

// serverName is the ni name of the key that the server shows, "" for none.
func serverName(config *security.Config) string {
	switch {
	case config.RawKey != nil:
		return keys.NameOf(config.RawKey.SPKI, keys.SHA256_120).String()
	case len(config.Chains) > 0:
		return keys.NameOf(config.Chains[0].Leaf.RawSubjectPublicKeyInfo, keys.SHA256_120).String()
	}
	return ""
}

// announceConfigured is for a server with given credentials: addresses and what
// may be wrong with them.
func (s *server) announceConfigured(all []listening, config *security.Config) {
	p := s.outPalette()
	loopbackOnly := true
	for _, l := range all {
		fmt.Fprintf(s.out, "%s %s\n", p.dim("listening "), strings.Join(l.uris(), "  "))
		loopbackOnly = loopbackOnly && l.loopback()
	}
	if name := serverName(config); name != "" {
		fmt.Fprintf(s.out, "%s %s\n", p.dim("server key"), name)
	}
	if loopbackOnly {
		s.warnf("only this machine can reach the server; --bind :%d opens it to the network", coap.DefaultPort)
	}
	if config.AllowAnonymousClients && serverName(config) != "" { // with a shared key alone nobody is anonymous
		s.warnf("clients need not say who they are; -C CA or --peer-key NAME asks them")
	}
}

// warnPlain tells that NoSec is open to the network.
func (s *server) warnPlain(all []listening) {
	for _, l := range all {
		if l.plain.IsValid() && !l.plain.Addr().IsLoopback() {
			s.warnf("anybody who can reach %s is answered without protection; --bind coaps://... opens the secure port alone", l.plain)
			return
		}
	}
}

// writeReady puts the addresses into a file that appears at once and whole.
func (s *server) writeReady(l listening, m *demoMaterial) error {
	var text strings.Builder
	fmt.Fprintf(&text, "PID=%d\n", os.Getpid())
	if l.plain.IsValid() {
		fmt.Fprintf(&text, "PLAIN=%s\n", l.plain)
	}
	if l.secure.IsValid() {
		fmt.Fprintf(&text, "SECURE=%s\n", l.secure)
	}
	if m != nil {
		fmt.Fprintf(&text, "DIR=%s\nKEY=%s\n", shellQuote(m.dir), shellQuote(keys.NameOf(m.server.SPKI, keys.SHA256_120).String()))
	}
	return replaceFile(s.ready, []byte(text.String()))
}

// writeTour shows the commands for each mode, ready to paste. Secrets are in
// files, so that they do not show in ps or in the shell's history.
func (s *server) writeTour(w *strings.Builder, l listening, m *demoMaterial) {
	p := s.outPalette()
	t := tour{palette: p, w: w, command: commandName(), m: m, at: l}
	forgets := "everything is forgotten when it ends; --keep DIR keeps the keys"
	if !m.temporary {
		forgets = "the keys stay in " + m.dir
	}
	fmt.Fprintf(w, "%s (%s)\n\n", p.bold("coaps demonstration server"), forgets)
	for _, at := range s.listening() {
		fmt.Fprintf(w, "%s %s\n", p.dim("listening "), strings.Join(at.uris(), "  "))
	}
	fmt.Fprintf(w, "%s %s\n", p.dim("server key"), keys.NameOf(m.server.SPKI, keys.SHA256_120))
	fmt.Fprintf(w, "%s %s\n\n", p.dim("files     "), m.dir)
	t.modes()
	if l.secure.IsValid() {
		t.others()
	}
	fmt.Fprintf(w, "\nresources: /hello /time /whoami /store/NAME /.well-known/core; Ctrl-C ends the server\n\n")
}

// uriOf is the base of the URIs to paste. At the default ports of loopback the
// name localhost does, which a certificate can be checked against.
func uriOf(scheme string, at netip.AddrPort, standard uint16) string {
	host := at.Addr().String()
	switch {
	case at.Addr().IsLoopback():
		host = "localhost"
		if at.Addr().Is6() {
			host = "[::1]"
		}
	case at.Addr().IsUnspecified():
		host = "localhost"
	case at.Addr().Is6():
		host = "[" + host + "]"
	}
	if at.Port() != standard {
		host += ":" + strconv.Itoa(int(at.Port()))
	}
	return scheme + "://" + host
}

// tour writes the commands.
type tour struct {
	palette
	w       *strings.Builder
	command string
	m       *demoMaterial
	at      listening
}

// step writes a comment and, on a line of its own, the command: a triple click
// takes the whole line.
func (t *tour) step(what, format string, args ...any) {
	fmt.Fprintf(t.w, "%s\n%s\n", t.dim("# "+what), fmt.Sprintf(format, args...))
}

func (t *tour) file(name string) string { return shellQuote(t.m.path(name)) }

// modes are the four modes of RFC 7252 section 9.
func (t *tour) modes() {
	name := keys.NameOf(t.m.server.SPKI, keys.SHA256_120)
	fmt.Fprintf(t.w, "%s\n\n", t.bold("paste one of these lines into another terminal:"))
	if t.at.plain.IsValid() {
		t.step("NoSec", "%s get %s/hello", t.command, uriOf("coap", t.at.plain, coap.DefaultPort))
	}
	if !t.at.secure.IsValid() {
		return
	}
	secure := uriOf("coaps", t.at.secure, coap.DefaultSecurePort)
	t.step("PreSharedKey", "%s get --psk-file %s %s/hello", t.command, t.file(filePSK), secure)
	t.step("RawPublicKey", "%s get --rpk %s --peer-key '%s' %s/hello", t.command, t.file(fileClientKey), name, secure)
	t.step("Certificate", "%s get --ca %s --cert %s --key %s %s/hello", t.command, t.file(fileCACrt), t.file(fileClientCrt), t.file(fileClientKey), secure)
}

// others are the same steps with the tools people have. They take a shared key
// only as an argument, so the shell reads it from the file; client.key holds
// both halves of the pair, which is what libcoap wants.
func (t *tour) others() {
	at := netip.AddrPortFrom(reachable(t.at.secure.Addr()), t.at.secure.Port())
	libcoap := installed("coap-client", "coap-client-gnutls", "coap-client-openssl")
	hexKey := "$(cut -d: -f2 " + t.file(filePSK) + ")"
	fmt.Fprintf(t.w, "\n%s\n\n", t.bold("or the same with other tools:"))
	t.step("libcoap, PreSharedKey", "%s -m get -u %s -k \"$(cat %s)\" coaps://%s/hello", libcoap, demoIdentity, t.file(fileKey), at)
	t.step("libcoap with GnuTLS, RawPublicKey (it takes any server key)", "%s -m get -M %s coaps://%s/hello", installed("coap-client-gnutls", "coap-client"), t.file(fileClientKey), at)
	t.step("libcoap, Certificate", "%s -m get -C %s -c %s -j %s coaps://%s/hello", libcoap, t.file(fileCACrt), t.file(fileClientCrt), t.file(fileClientKey), at)
	t.step("openssl, PreSharedKey", "openssl s_client -dtls1_2 -connect %s -psk_identity %s -psk %s -cipher PSK", at, demoIdentity, hexKey)
	t.step("gnutls, PreSharedKey", "gnutls-cli --udp -p %d --pskusername=%s --pskkey=%s --priority=NORMAL:-KX-ALL:+PSK %s", at.Port(), demoIdentity, hexKey, at.Addr())
}

// reachable is an address of this machine that a server at addr answers on.
func reachable(addr netip.Addr) netip.Addr {
	switch {
	case !addr.IsUnspecified():
		return addr
	case addr.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// installed is the first of the names that this machine has, else the first.
func installed(names ...string) string {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	return names[0]
}

// commandName is how the reader can start this same program: by name if it is
// on the path, by go run if that is how it was started, else as it was called.
func commandName() string {
	executable, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	if strings.Contains(executable, string(filepath.Separator)+"go-build") {
		if _, err := os.Stat("cmd/coaps/serve.go"); err == nil {
			return "go run ./cmd/coaps"
		}
	}
	if found, err := exec.LookPath("coaps"); err == nil && sameFile(found, executable) {
		return "coaps"
	}
	return shellQuote(os.Args[0])
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// shellQuote leaves ordinary paths as they are.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:@%,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
