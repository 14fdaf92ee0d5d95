// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

func (a *app) pskCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "psk",
		Short: "pre-shared keys: make, give, rotate, revoke",
		Long: `A pre-shared key (RFC 4279) belongs to an identity, the name that a client
sends in the clear, and to the two that share it (RFC 7252 section 9). Here it is
a device's; a key that more than two share proves that somebody is one of a
group, and is that group's: group:NAME stands wherever NAME does.

Keys are shown by "psk show" and by what makes them, and by nothing else.`,
		Example: `  coaps psk new
  coaps psk add sensor-7 --new
  coaps psk show sensor-7 --as libcoap --server gw.example.net
  coaps psk rotate sensor-7 --overlap 7d`,
		GroupID: groupProvision,
		Args:    cobra.ArbitraryArgs,
		RunE:    subcommandsOnly,
	}
	cmd.AddCommand(a.pskNewCommand(), a.pskAddCommand(), a.pskListCommand(), a.pskShowCommand(), a.pskRotateCommand(), a.pskRevokeCommand())
	return cmd
}

// newPSKKey draws a key. It is text, of 130 bits, because the clients of libcoap
// take nothing else on their command line, and fits into the 32 octets that
// Mbed TLS has room for; with a size it is that many random octets.
func newPSKKey(size int) []byte {
	if size == 0 {
		return []byte(rand.Text())
	}
	key := make([]byte, size)
	_, _ = rand.Read(key) // never fails
	return key
}

// keyFlags are where a shared key comes from, and what it is good for.
type keyFlags struct {
	literal  string
	fresh    bool
	size     int
	identity string
	nodes    []string
	host     string
	period   bounds
}

// registerSource is for commands that make or take a key; fresh is the name of
// the flag that makes one.
func (f *keyFlags) registerSource(set *pflag.FlagSet, fresh string) {
	if fresh != "" {
		set.BoolVar(&f.fresh, fresh, false, "make a key and print it: 26 characters, 130 bits")
	}
	set.IntVar(&f.size, "bytes", 0, "make a key of `N` random octets instead, 16 or more; tinydtls takes 16 and no more, coap-client takes text alone")
	set.StringVarP(&f.literal, "psk", "k", "", "this `KEY` in place of a new one: "+keyForms)
	set.StringVarP(&f.identity, "identity", "u", "", "the `ID` that the client sends: text or 0xHEX (default: the name)")
}

// registerUse is what a key is good for.
func (f *keyFlags) registerUse(set *pflag.FlagSet) {
	set.StringArrayVar(&f.nodes, "node", nil, "good for talking to the server of this `NAME` alone (RFC 7252 section 9); repeatable")
	set.StringVar(&f.host, "host", "", "for the virtual host `NAME` that clients ask for by SNI")
}

func (p *bounds) register(set *pflag.FlagSet, of string) {
	set.StringVar(&p.notBefore.text, "not-before", "", of+" is good from `TIME`: "+momentForms)
	set.StringVar(&p.notAfter.text, "not-after", "", of+" is good until `TIME`, likewise")
}

// check finds what cannot be, before anything is drawn or opened.
func (f *keyFlags) check(cmd *cobra.Command) error {
	switch {
	case cmd.Flags().Changed("bytes") && (f.size < keys.MinPSKLen || f.size > 64):
		return usage(cmd, "--bytes %d: 16 to 64 are good", f.size)
	case f.literal != "" && (f.fresh || f.size != 0):
		return usage(cmd, "--psk gives a key, and another flag asks for a new one")
	case looksLikeMistakenInsecure(f.literal) && f.literal != "-":
		return usage(cmd, "--psk was given what looks like a URI or a flag").try("a key that looks like this is written text:KEY")
	}
	return nil
}

// psk makes or reads the key and joins it to --identity, or to the one given.
func (f *keyFlags) psk(a *app, fallback []byte) (keys.PSK, error) {
	identity, err := f.identityOr(fallback)
	if err != nil {
		return keys.PSK{}, err
	}
	key := []byte(nil)
	if f.literal == "" {
		key = newPSKKey(f.size)
	} else if key, err = a.keySources().resolve(f.literal); err != nil {
		return keys.PSK{}, pskFailure(f.literal, err)
	}
	defer clear(key)
	psk, err := keys.NewPSK(identity, key)
	if err != nil {
		return keys.PSK{}, fail("bad_credential", "cannot use the key", "%v", err).because(err)
	}
	if weak := psk.CheckStrength(); weak != nil {
		a.warnf("%v: a server refuses it unless its configuration has dtls.weak-psk", weak)
	}
	return psk, nil
}

func (f *keyFlags) identityOr(fallback []byte) ([]byte, error) {
	if f.identity == "" {
		return fallback, nil
	}
	identity, err := keys.ParseIdentity(f.identity)
	if err != nil {
		return nil, fail("bad_credential", "cannot use --identity", "%v", err).because(err).try("text, or 0x and hexadecimal digits")
	}
	return identity, nil
}

// credential is the key as a device has it.
func (f *keyFlags) credential(psk keys.PSK) registry.Credential {
	return registry.Credential{PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key, Nodes: f.nodes},
		Host: f.host, NotBefore: f.period.notBefore.at, NotAfter: f.period.notAfter.at}
}

// outFlags are how the line for the other side is printed.
type outFlags struct {
	as     string
	server string
	qr     string
	output string
	json   bool
}

// qrAsked is what --qr alone means.
const qrAsked = "auto"

func (f *outFlags) register(cmd *cobra.Command) {
	set, done := beginGroup(cmd.Flags(), groupOutput)
	set.StringVar(&f.as, "as", "psktool", "print the line that the other side needs, for `SOFTWARE`: psktool, coaps, libcoap, aiocoap, californium, openssl, zephyr, json or label")
	set.StringVar(&f.server, "server", "", "the address of the server in that line, `HOST[:PORT]` or a coaps URI (default: from the configuration)")
	set.StringVar(&f.qr, "qr", "", "print a QR code too; `STYLE` is auto, color, dark or light, for the terminal's background")
	set.Lookup("qr").NoOptDefVal = qrAsked
	set.StringVarP(&f.output, "output", "o", "", "write the line to `FILE`, mode 0600, instead of stdout")
	done()
	completeValues(cmd, "as", lineFormNames())
	completeValues(cmd, "qr", qrStyles)
}

// registerJSON adds --json, which says the same as --as json.
func (f *outFlags) registerJSON(cmd *cobra.Command) { registerJSON(cmd.Flags(), &f.json) }

func (f *outFlags) check(cmd *cobra.Command) error {
	if f.json && cmd.Flags().Changed("as") && f.as != "json" {
		return usage(cmd, "--json and --as %s exclude each other", f.as)
	}
	if f.json {
		f.as = "json"
	}
	if f.output == "-" { // stdout, as elsewhere
		f.output = ""
	}
	if err := oneOf("as", f.as, lineFormNames()...); err != nil {
		return usage(cmd, "%v", err)
	}
	if f.qr != "" {
		if err := oneOf("qr", f.qr, qrStyles...); err != nil {
			return usage(cmd, "%v", err).try("--qr=STYLE, with the equals sign")
		}
	}
	return writable(f.output)
}

// writable refuses a path at which no new file can be, before anything is made
// that is to be written there and could be told nowhere else.
func writable(path string) error {
	if path == "" {
		return nil
	}
	what := "cannot write " + path
	if _, err := os.Lstat(path); err == nil {
		return fail("file_exists", what, "it is there already, and a key is never overwritten")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fail("file_unwritable", what, "%v", rootCause(err)).because(err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fail("file_unwritable", what, "%v", rootCause(err)).because(err)
	}
	return nil
}

// fit makes a new key of the size that the other side takes, if it is one with a
// limit and nothing was said.
func (f *outFlags) fit(key *keyFlags) {
	if f.as == "aiocoap" && key.literal == "" && key.size == 0 {
		key.size = tinyKeyLen
	}
}

// prepare makes what the other side needs. It is called before a key is stored,
// so that no key is made that cannot be told.
func (f *outFlags) prepare(a *app, cmd *cobra.Command, psk keys.PSK, owner ownerName) (*handOver, string, error) {
	server, err := a.serverURI(cmd, f.server)
	if err != nil {
		return nil, "", err
	}
	h := &handOver{psk: psk, tenant: owner.tenant, server: server}
	if !owner.group {
		h.name = owner.name
	}
	if f.as == "aiocoap" && psk.Key.Len() > tinyKeyLen {
		a.warnf("the key has %d bytes; tinydtls, which aiocoap uses, takes %d at most: coaps psk rotate NAME --as aiocoap makes one that fits", psk.Key.Len(), tinyKeyLen)
	}
	line, err := h.line(f.as)
	return h, line, err
}

// deliver writes what holds a secret, as -o says.
func (f *outFlags) deliver(a *app, what, text string) error {
	if f.output == "" {
		_, err := fmt.Fprint(a.out, text)
		return outputFailure(err)
	}
	if err := writeSecret(f.output, []byte(text)); err != nil {
		return err
	}
	a.notef("%s is in %s", what, f.output)
	return nil
}

// print writes the line, and the QR code if that is asked for.
func (f *outFlags) print(a *app, h *handOver, line string) error {
	if err := f.deliver(a, "the key", line); err != nil {
		return err
	}
	if f.qr != "" {
		return a.printQR(h.asLabel(), f.qr)
	}
	return nil
}

func (a *app) pskNewCommand() *cobra.Command {
	var key keyFlags
	var out outFlags
	cmd := &cobra.Command{
		Use:   "new",
		Short: "make a key and print it",
		Long: `Make a pre-shared key, print it, and keep it nowhere. With --identity the line
for --psk-file is printed, or what --as asks for; else the key alone.

A key is 26 characters of text, 130 random bits, as there are clients whose
command line takes nothing but text. --bytes 16 makes 16 random octets, printed in
hexadecimal, for those that have no room for more (tinydtls).`,
		Example: `  coaps psk new
  coaps psk new -u sensor-7 -o sensor-7.psk
  coaps psk new -u sensor-7 --as zephyr`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.pskNew(cmd, &key, &out) },
	}
	set, done := beginGroup(cmd.Flags(), groupCredential)
	key.registerSource(set, "")
	done()
	out.register(cmd)
	return cmd
}

func (a *app) pskNew(cmd *cobra.Command, key *keyFlags, out *outFlags) error {
	if err := key.check(cmd); err != nil {
		return err
	}
	if err := out.check(cmd); err != nil {
		return err
	}
	if key.literal != "" && key.identity == "" {
		return usage(cmd, "--psk needs --identity here: a key alone can only be made")
	}
	out.fit(key)
	psk, err := key.psk(a, nil)
	if err != nil {
		return err
	}
	if key.identity == "" {
		if cmd.Flags().Changed("as") || out.qr != "" {
			return usage(cmd, "--as and --qr need --identity").try("-u NAME")
		}
		text := string(psk.Key.Bytes())
		if key.size != 0 {
			text = fmt.Sprintf("0x%x", psk.Key.Bytes())
		}
		return out.print(a, nil, text+"\n")
	}
	h, line, err := out.prepare(a, cmd, psk, ownerName{})
	if err != nil {
		return err
	}
	return out.print(a, h, line)
}

// now is the time as stores keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// editOwner changes the credentials of a device or group in the store.
func editOwner(ctx context.Context, reg *registry.Registry, o ownerName, edit func(list *[]registry.Credential) error) ([]registry.Credential, error) {
	if o.group {
		g, err := reg.UpdateGroup(ctx, o.tenant, o.name, func(g *registry.Group) error { return edit(&g.Credentials) })
		return g.Credentials, err
	}
	d, err := reg.UpdateDevice(ctx, o.tenant, o.name, func(d *registry.Device) error { return edit(&d.Credentials) })
	return d.Credentials, err
}

// ownerCredentials reads the credentials of a device or group.
func ownerCredentials(ctx context.Context, reg *registry.Registry, o ownerName) ([]registry.Credential, error) {
	if o.group {
		g, err := reg.Group(ctx, o.tenant, o.name)
		return g.Credentials, err
	}
	d, err := reg.Device(ctx, o.tenant, o.name)
	return d.Credentials, err
}
