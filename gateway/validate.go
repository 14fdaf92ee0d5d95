// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// The two kinds of listeners.
const (
	securityDTLS  = "dtls"
	securityNoSec = "nosec"
)

// The bounds of dtls.Config.MTU.
const leastMTU, mostMTU = 128, 65535

// validate looks at what the values mean, without any other file.
func (c *Config) validate(d *decoder) {
	each(reflect.ValueOf(c).Elem(), "", func(key string, f reflect.StructField, v reflect.Value) {
		values, ok := f.Tag.Lookup("values")
		if !ok || key == "" || v.String() == "" {
			return
		}
		if allowed := strings.Split(values, ","); !slices.Contains(allowed, v.String()) {
			d.reject(key, "%s is expected here, not %q", strings.Join(allowed, " or "), clipText(v.String()))
		}
	})
	c.validateListeners(d)
	c.Identity.validate(d, "identity")
	for name, host := range c.Hosts {
		key := "hosts[" + name + "]"
		if (keys.Authority{Host: name}).ServerName() == "" {
			d.reject(key, "%q is no DNS name that a client could ask for", name)
		}
		host.Identity.validate(d, key+".identity")
		host.Clients.validate(d, key+".clients", host.Identity)
	}
	c.Clients.validate(d, "clients", c.Identity)
	c.validateStore(d)
	c.validateResources(d)
	c.validateRest(d)
}

func (c *Config) validateListeners(d *decoder) {
	if len(c.Listen) == 0 {
		d.reject("listen", "there is nothing to listen on: - {addr: \":5684\", security: dtls}")
	}
	seen := map[string]bool{}
	for i, l := range c.Listen {
		key := indexKey("listen", i)
		if err := checkAddr(l.Addr); err != nil {
			d.reject(key+".addr", "%v, not %q", err, clipText(l.Addr))
		}
		if l.Security == "" {
			d.reject(key, "security is missing: dtls, or nosec for an unprotected port")
		}
		port := l.Addr
		if strings.HasSuffix(port, ":0") { // any that is free
			port += l.Security
		}
		if seen[port] {
			d.reject(key+".addr", "%s comes twice", l.Addr)
		}
		seen[port] = true
		for _, other := range c.Listen[:i] {
			if other.Addr != l.Addr && other.overlaps(l) {
				d.reject(key+".addr", "%s and %s are the same port", l.Addr, other.Addr)
			}
		}
	}
}

// overlaps reports whether two listeners cannot both be open: one port, of which
// one has all addresses.
func (l Listener) overlaps(other Listener) bool {
	host, port, err := net.SplitHostPort(l.Addr)
	otherHost, otherPort, otherErr := net.SplitHostPort(other.Addr)
	if err != nil || otherErr != nil || port != otherPort || port == "0" {
		return false
	}
	return host == otherHost || everyAddress(host, otherHost) || everyAddress(otherHost, host)
}

// everyAddress reports whether host stands for all addresses, among them other's.
func everyAddress(host, other string) bool {
	at, err := netip.ParseAddr(other)
	switch host {
	case "", "::": // IPv4 too
		return true
	case "0.0.0.0":
		return err == nil && at.Unmap().Is4()
	}
	return false
}

func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("an address and a port are expected here, such as :5684 or 192.0.2.1:5684")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("the port is a number from 0 to 65535")
	}
	if host == "" {
		return nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return errors.New("a numeric address of this machine is expected here, as names can change their meaning")
	}
	return nil
}

func (id *Identity) validate(d *decoder, key string) {
	switch {
	case id.Cert != "" && id.Key == "":
		d.reject(key+".cert", "the key of the certificate is missing: key")
	case id.Key != "" && id.Cert == "":
		d.reject(key+".key", "there is no cert for this key; for a raw public key it is rpk")
	case id.OCSP != "" && id.Cert == "":
		d.reject(key+".ocsp", "there is no cert that the response could be about")
	}
}

// shows reports whether there is a key of the server's own.
func (id *Identity) shows() bool { return id.Cert != "" || id.RPK != "" }

func (cl *Clients) validate(d *decoder, key string, id Identity) {
	if (len(cl.CA) > 0 || len(cl.RPK) > 0 || cl.Anonymous) && !id.shows() {
		d.reject(key, "clients with certificates or keys, and anonymous ones, need a server that shows a key: identity")
	}
	if len(cl.CRL) > 0 && len(cl.CA) == 0 {
		d.reject(key+".crl", "there is no ca that the lists could be of")
	}
}

// leastPoll keeps a server from doing nothing but look at files.
const leastPoll = 10 * time.Millisecond

func (c *Config) validateStore(d *decoder) {
	if c.Store.Poll < leastPoll {
		d.reject("store.poll", "%v or more is expected here, such as 2s", leastPoll)
	}
	if c.Store.URL == "" {
		if c.Store.Key != "" {
			d.reject("store.key", "there is no store to seal")
		}
		for _, need := range c.needsStore() {
			d.reject(need, "this needs a store: store: bolt:devices.db")
		}
		return
	}
	if c.Store.URL == kindMemory {
		c.Store.URL += ":"
	}
	if err := checkStoreURL(c.Store.URL); err != nil {
		d.reject("store.url", "%v", err)
	}
	if c.Store.Timeout <= 0 || c.Store.Entries <= 0 {
		d.reject("store", "timeout and entries are positive")
	}
}

// needsStore are the keys that mean nothing without a store.
func (c *Config) needsStore() (needs []string) {
	if c.Resources.Authorize.Path != "" {
		needs = append(needs, "resources.authorize.path")
	}
	if c.Clients.RequireKnown {
		needs = append(needs, "clients.require-known")
	}
	for name, host := range c.Hosts {
		if host.Clients.RequireKnown {
			needs = append(needs, "hosts["+name+"].clients.require-known")
		}
	}
	return needs
}

func (c *Config) validateResources(d *decoder) {
	taken := map[string]string{"/hello": "resources.hello", "/time": "resources.time", "/whoami": "resources.whoami", "/.well-known/core": "the list of resources"}
	place := func(key, path string, tree bool) {
		switch {
		case !strings.HasPrefix(path, "/") || tree && !strings.HasSuffix(path, "/") || !tree && strings.HasSuffix(path, "/"):
			want := "a path such as /authorize"
			if tree {
				want = "a path such as /fw/, with a slash at both ends,"
			}
			d.reject(key, "%s is expected here, not %q", want, clipText(path))
		case strings.ContainsAny(path, "{}*?# %") || strings.Contains(path, "//"):
			d.reject(key, "a path of plain segments is expected here, not %q", clipText(path))
		case taken[path] != "":
			d.reject(key, "%s is %s already", path, taken[path])
		}
		taken[path] = key
	}
	for i, f := range c.Resources.Files {
		key := indexKey("resources.files", i)
		place(key+".path", f.Path, true)
		if f.Dir == "" {
			d.reject(key, "the directory is missing: dir")
		}
	}
	if m := c.Resources.Store; m != nil {
		place("resources.store.path", m.Path, true)
	}
	if c.Resources.MaxAge < time.Second {
		d.reject("resources.max-age", "a second or more is expected here, such as 1m or 12h")
	}
	if a := c.Resources.Authorize; a.Path != "" {
		place("resources.authorize.path", a.Path, false)
		if !c.anonymous() {
			d.reject("resources.authorize.path", "nobody is anonymous here who could authorize himself: clients: {anonymous: true}")
		}
	}
}

// anonymous reports whether clients may show nothing, on any host.
func (c *Config) anonymous() bool {
	some := c.Clients.Anonymous
	for _, host := range c.Hosts {
		some = some || host.Clients.Anonymous
	}
	return some
}

func (c *Config) validateRest(d *decoder) {
	if split := c.Tenants.Split; split != "" && utf8.RuneCountInString(split) != 1 {
		d.reject("tenants.split", "one character is expected here, not %q", clipText(split))
	}
	for i, name := range c.DTLS.Ciphers {
		if _, ok := suiteNamed(name); !ok {
			d.reject(indexKey("dtls.ciphers", i), "%q is not implemented; there are %s", clipText(name), suiteNames())
		}
	}
	if mtu := c.DTLS.MTU; mtu != 0 && (mtu < leastMTU || mtu > mostMTU) {
		d.reject("dtls.mtu", "%d to %d, or 0 for the default, is expected here, not %d", leastMTU, mostMTU, mtu)
	}
	if c.ACL.Open && len(c.ACL.Rules) > 0 {
		d.reject("acl.open", "without access control the rules mean nothing")
	}
}

func suiteNamed(name string) (dtls.CipherSuite, bool) {
	for _, suite := range dtls.CipherSuites() {
		if suite.String() == name {
			return suite, true
		}
	}
	return 0, false
}

func suiteNames() string {
	var names []string
	for _, suite := range dtls.CipherSuites() {
		names = append(names, suite.String())
	}
	return strings.Join(names, ", ")
}
