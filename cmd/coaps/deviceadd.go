// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// deviceAdd is one run of device add.
type deviceAdd struct {
	*app
	target   ownerTarget
	groups   []string
	label    string
	disabled bool
	period   bounds
	key      keyFlags
	rpk      []string
	cert     certificateFlags
	token    string
	newToken bool
	extend   bool
	json     bool
	out      outFlags
}

// certificateFlags say which certificate is a device's.
type certificateFlags struct{ pin, uri, dns, eui64, subject, issuer string }

func (a *app) deviceAddCommand() *cobra.Command {
	add := &deviceAdd{app: a}
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "add a device, with what it will show",
		Long: `Add a device. What it will show to prove itself is any number of

  --new-psk, --psk KEY      a pre-shared key; a new one is printed, as the line
                            for the other side (--as) and as a QR code (--qr)
  --rpk NAME|FILE           a raw public key, by its name or from a file
  --cert-uri, --cert-...    a certificate with that name, of a CA the server trusts
  --new-token, --token      a token, for clients that show nothing at first

An identity, key or name belongs to one device; --extend adds credentials to one
that is there. With a tenant the identity is NAME@TENANT unless --identity says
otherwise.

A QR code holds coaps:v1?i=IDENTITY&k=KEY and the like: coaps psk show --as
label prints that text.`,
		Example: `  coaps device add sensor-7 --group sensors --new-psk --qr
  coaps device add sensor-7 --tenant acme --new-psk --as libcoap --server gw.example.net
  coaps device add valve-3 --rpk valve-3.pub
  coaps device add meter-1 --cert-uri urn:dev:mac:0024befffe804ff1 --not-after 365d`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return add.run(cmd, args[0]) },
	}
	add.register(cmd)
	return cmd
}

func (d *deviceAdd) register(cmd *cobra.Command) {
	all := cmd.Flags()
	d.target.register(cmd)
	set, done := beginGroup(all, groupDevice)
	set.StringArrayVar(&d.groups, "group", nil, "a member of this `GROUP`; repeatable")
	set.StringVar(&d.label, "label", "", "a `TEXT` for people")
	set.BoolVar(&d.disabled, "disabled", false, "keep it out until coaps device enable")
	d.period.register(set, "the device")
	set.BoolVar(&d.extend, "extend", false, "add to a device that is there")
	done()
	set, done = beginGroup(all, groupCredential)
	d.key.registerSource(set, "new-psk")
	d.key.registerUse(set)
	set.StringArrayVar(&d.rpk, "rpk", nil, "a raw public key: its `NAME` (ni:///...) or a file with the key; repeatable")
	d.cert.register(set)
	set.BoolVar(&d.newToken, "new-token", false, "make a token and print it")
	set.StringVar(&d.token, "token", "", "the `TOKEN` that identifies it: @FILE, env:VAR, - or text")
	done()
	d.out.register(cmd)
	registerJSON(all, &d.json)
}

func (f *certificateFlags) register(set *pflag.FlagSet) {
	set.StringVar(&f.uri, "cert-uri", "", "a certificate with this `URI` in the SubjectAltName")
	set.StringVar(&f.dns, "cert-dns", "", "a certificate with this DNS `NAME` in the SubjectAltName")
	set.StringVar(&f.eui64, "cert-eui64", "", "a certificate with this `EUI-64` in the subject")
	set.StringVar(&f.subject, "cert-subject", "", "a certificate with this whole `SUBJECT`, such as CN=sensor-7,O=Acme")
	set.StringVar(&f.pin, "cert-pin", "", "a certificate with this key: its `NAME` or a file with the certificate")
	set.StringVar(&f.issuer, "cert-issuer", "", "and of this `ISSUER` alone, such as CN=Plant CA")
}

func (f *certificateFlags) given() bool { return *f != (certificateFlags{}) }

func (d *deviceAdd) check(cmd *cobra.Command) error {
	if err := firstError(d.key.check(cmd), d.period.parse(cmd, now()), d.out.check(cmd)); err != nil {
		return err
	}
	switch {
	case d.newToken && d.token != "":
		return usage(cmd, "--token gives a token, --new-token makes one")
	case d.key.identity != "" && !d.hasKey():
		return usage(cmd, "--identity needs --new-psk or --psk")
	case d.extend && d.changesDevice():
		return usage(cmd, "--extend adds credentials; coaps device move changes the rest")
	case d.prints() > 1 && !d.json:
		return usage(cmd, "--new-psk and --new-token both print what they made").try("--json, or two commands: --extend adds to a device that is there")
	case (d.out.qr != "" || cmd.Flags().Changed("as")) && !d.hasKey():
		return usage(cmd, "--qr and --as need --new-psk or --psk")
	}
	return nil
}

func (d *deviceAdd) hasKey() bool   { return d.key.fresh || d.key.size != 0 || d.key.literal != "" }
func (d *deviceAdd) makesKey() bool { return d.key.fresh || d.key.size != 0 }

func (d *deviceAdd) changesDevice() bool {
	return len(d.groups) > 0 || d.label != "" || d.disabled || d.period.notBefore.text != "" || d.period.notAfter.text != ""
}

// prints counts what is made and has to be printed.
func (d *deviceAdd) prints() int {
	n := 0
	if d.makesKey() {
		n++
	}
	if d.newToken {
		n++
	}
	return n
}

// made is what device add has drawn or read.
type made struct {
	credentials []registry.Credential
	handOver    *handOver
	line        string
	token       string
}

func (d *deviceAdd) run(cmd *cobra.Command, text string) error {
	what := "cannot add " + text
	if err := d.check(cmd); err != nil {
		return err
	}
	name, err := parseDeviceName(what, text, d.target.tenant)
	if err != nil {
		return err
	}
	if err := firstError(checkGroups(what, d.groups), checkLabel(cmd, d.label)); err != nil {
		return err
	}
	m, err := d.credentials(cmd, name)
	if err != nil {
		return err
	}
	reg, done, err := d.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	device, err := d.store(cmd, reg, name, m)
	if err != nil {
		return storeFailure(what, err)
	}
	d.tell(name, &device)
	return d.print(cmd, &device, m)
}

// credentials makes and reads all that the device will show, before the store
// is opened: what cannot be told to the other side is not stored.
func (d *deviceAdd) credentials(cmd *cobra.Command, name ownerName) (*made, error) {
	m := new(made)
	for _, step := range []func(*cobra.Command, ownerName, *made) error{d.addPSK, d.addRPK, d.addCertificate, d.addToken} {
		if err := step(cmd, name, m); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (d *deviceAdd) addPSK(cmd *cobra.Command, name ownerName, m *made) error {
	if !d.hasKey() {
		return nil
	}
	d.out.fit(&d.key)
	psk, err := d.key.psk(d.app, name.identity())
	if err != nil {
		return err
	}
	m.credentials = append(m.credentials, d.key.credential(psk))
	m.handOver, m.line, err = d.out.prepare(d.app, cmd, psk, name)
	return err
}

func (d *deviceAdd) addRPK(_ *cobra.Command, _ ownerName, m *made) error {
	for _, text := range d.rpk {
		public, err := d.publicKey("--rpk", text)
		if err != nil {
			return err
		}
		m.credentials = append(m.credentials, registry.Credential{RPK: public, Host: d.key.host})
	}
	return nil
}

// publicKey takes a name in any form, else a file with a key or certificate.
func (a *app) publicKey(flag, text string) (*registry.RPK, error) {
	name, nameErr := keys.ParseName(text)
	if nameErr == nil {
		return &registry.RPK{Name: name}, nil
	}
	if looksLikeName(text) {
		return nil, fail("bad_credential", "cannot use "+flag+" "+text, "%v", nameErr).because(nameErr).
			try("coaps key id FILE prints names that can be pasted; put them in quotes")
	}
	file, err := a.readKey(text)
	if err != nil {
		return nil, err
	}
	return &registry.RPK{Name: keys.NameOf(file.spki, keys.SHA256), SPKI: file.spki}, nil
}

func (d *deviceAdd) addCertificate(cmd *cobra.Command, _ ownerName, m *made) error {
	if !d.cert.given() {
		return nil
	}
	c := registry.Certificate{URI: d.cert.uri, DNS: d.cert.dns, EUI64: d.cert.eui64, Subject: d.cert.subject, Issuer: d.cert.issuer}
	if d.cert.pin != "" {
		public, err := d.publicKey("--cert-pin", d.cert.pin)
		if err != nil {
			return err
		}
		c.Pin = public.Name
	}
	credential := registry.Credential{Certificate: &c, Host: d.key.host}
	probe := registry.Device{Name: "x", Credentials: []registry.Credential{credential}}
	if err := probe.Check(); err != nil {
		cause := error(err)
		if path, ok := errors.AsType[*registry.PathError](err); ok {
			cause = path.Err
		}
		return usage(cmd, "%v", cause).try("one of --cert-uri, --cert-dns, --cert-eui64, --cert-subject and --cert-pin, and --cert-issuer beside it")
	}
	m.credentials = append(m.credentials, credential)
	return nil
}

// addToken keeps the hash: whoever reads the store cannot show the token.
func (d *deviceAdd) addToken(_ *cobra.Command, _ ownerName, m *made) error {
	token := []byte(nil)
	switch {
	case d.newToken:
		m.token = rand.Text()
		token = []byte(m.token)
	case d.token != "":
		sources := d.keySources()
		sources.warn = func(string, ...any) {} // a token of hexadecimal digits is text
		var err error
		if token, err = sources.resolve(d.token); err != nil {
			return fail("bad_credential", "cannot use --token", "%v", err).because(err)
		}
	default:
		return nil
	}
	sum := sha256.Sum256(token)
	m.credentials = append(m.credentials, registry.Credential{Token: &registry.Token{SHA256: sum[:]}, Host: d.key.host})
	return nil
}

// store adds the device, or its credentials.
func (d *deviceAdd) store(cmd *cobra.Command, reg *registry.Registry, name ownerName, m *made) (registry.Device, error) {
	if d.extend {
		return reg.UpdateDevice(cmd.Context(), name.tenant, name.name, func(device *registry.Device) error {
			device.Credentials = append(device.Credentials, m.credentials...)
			return nil
		})
	}
	return reg.AddDevice(cmd.Context(), registry.Device{Name: name.name, Tenant: name.tenant, Label: d.label, Groups: d.groups,
		Disabled: d.disabled, NotBefore: d.period.notBefore.at, NotAfter: d.period.notAfter.at, Credentials: m.credentials})
}

// tell says on stderr what is there now.
func (d *deviceAdd) tell(name ownerName, device *registry.Device) {
	verb := "added"
	if d.extend {
		verb = "extended"
	}
	text := name.String() + ": " + verb
	if len(device.Groups) > 0 {
		text += ", in " + strings.Join(device.Groups, ", ")
	}
	if len(device.Credentials) == 0 {
		text += "; it has nothing to show yet (coaps psk add, or --extend)"
	}
	d.notef("%s", text)
}

// addJSON is what device add --json prints: the device, and what was made.
type addJSON struct {
	V      int         `json:"v"`
	Device *deviceJSON `json:"device"`
	PSK    *pskJSON    `json:"psk,omitempty"`
	Token  string      `json:"token,omitempty"`
}

// print prints what was made, and what was asked for.
func (d *deviceAdd) print(cmd *cobra.Command, device *registry.Device, m *made) error {
	if d.json {
		out := addJSON{V: jsonSchemaVersion, Device: newDeviceJSON(device), Token: m.token}
		if d.makesKey() {
			out.PSK = m.handOver.values()
		}
		var text strings.Builder
		if err := writeJSON(&text, out); err != nil {
			return err
		}
		return d.out.deliver(d.app, "the JSON", text.String())
	}
	if m.token != "" {
		return d.out.deliver(d.app, "the token", m.token+"\n")
	}
	if d.makesKey() || d.out.output != "" || d.out.qr != "" || cmd.Flags().Changed("as") {
		if m.handOver == nil {
			return nil
		}
		return d.out.print(d.app, m.handOver, m.line)
	}
	return nil
}
