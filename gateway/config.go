// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Config is a configuration file that has been read: the server as its operator
// describes it. The tags are the source of everything else that says what there
// is: `yaml` is the key, `default` its value when the file does not name it, `doc`
// what it means, `example` what the template shows. A tag `secret:"url"` hides the
// password of a URL from Show.
type Config struct {
	Name      string          `yaml:"name" doc:"the name of this node; a pre-shared key that lists nodes can be used only with those" example:"gw-1"`
	Listen    []Listener      `yaml:"listen" doc:"where the server listens; each listener can be added and removed by a reload"`
	Identity  Identity        `yaml:"identity" doc:"what the server shows of itself"`
	Clients   Clients         `yaml:"clients" doc:"whom it believes, beside those in the store"`
	Tenants   Tenants         `yaml:"tenants" doc:"how a pre-shared key's identity names a tenant"`
	Store     Store           `yaml:"store" doc:"where devices, groups and access rules are kept; a URL alone will do"`
	Hosts     map[string]Host `yaml:"hosts" doc:"virtual hosts by the name that a client asks for (SNI), each with its own credentials and its own name space of identities"`
	ACL       ACL             `yaml:"acl" doc:"who may do what; what no rule allows is denied"`
	Resources Resources       `yaml:"resources" doc:"what is served"`
	DTLS      DTLS            `yaml:"dtls" doc:"the handshake and the records"`
	Limits    Limits          `yaml:"limits" doc:"bounds of what others can make a listener hold or do; changing them needs a restart"`
	Log       Log             `yaml:"log" doc:"what is written down"`
	Admin     Admin           `yaml:"admin" doc:"how the coaps command talks to the running server"`

	path   string // of the file, absolute
	source *source
}

// Path is the absolute path of the file.
func (c *Config) Path() string { return c.path }

// Hash is the SHA-256 of the file's bytes in hexadecimal.
func (c *Config) Hash() string { return c.source.hash }

// Resolve makes a path of the configuration absolute: it is relative to the
// directory of the file.
func (c *Config) Resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.path), path)
}

// Listener is one port.
type Listener struct {
	Addr     string `yaml:"addr" doc:"the address, such as :5684 (all addresses), 192.0.2.1:5684 or [::1]:5684" example:"\":5684\""`
	Security string `yaml:"security" doc:"dtls, or nosec: unprotected, so it has to be asked for by name" values:"dtls,nosec" example:"dtls"`
}

// Identity is what a server shows.
type Identity struct {
	Cert string `yaml:"cert" doc:"file with the certificate chain, PEM, the server's own first" example:"server.crt"`
	Key  string `yaml:"key" doc:"file with the private key of cert" example:"server.key"`
	RPK  string `yaml:"rpk" doc:"file with the private key whose raw public key is shown" example:"server.key"`
	OCSP string `yaml:"ocsp" doc:"file with an OCSP response (DER) for cert, stapled to it; read again when it changes" example:"server.ocsp"`
}

// Clients is whom a server believes.
type Clients struct {
	CA           []string `yaml:"ca" doc:"files with the CAs that sign client certificates" example:"[clients-ca.crt]"`
	CRL          []string `yaml:"crl" doc:"files with revocation lists, PEM or DER; read again when they change" example:"[clients.crl]"`
	CRLPolicy    string   `yaml:"crl-policy" default:"fresh" values:"fresh,soft,hard" doc:"fresh: lists that have run out refuse the certificates of their issuer; soft: they go on; hard: an issuer without a list is refused too"`
	RPK          []string `yaml:"rpk" doc:"raw public keys: names (ni:///sha-256-120;...) or files" example:"[\"ni:///sha-256-120;dFkeGZXc3VBB0bGtx4Vq\"]"`
	PSKFile      string   `yaml:"psk-file" doc:"file with pre-shared keys, lines IDENTITY:HEXKEY; the store is better" example:"devices.psk"`
	Anonymous    bool     `yaml:"anonymous" default:"false" doc:"clients may show no key; they have the rights of anonymous only until they authorize themselves"`
	RequireKnown bool     `yaml:"require-known" default:"false" doc:"a client certificate must belong to a device in the store, not just to a CA above"`
}

// Tenants is how an identity is divided.
type Tenants struct {
	Split string `yaml:"split" doc:"a character: the identity sensor-1@acme is the device sensor-1 of the tenant acme" example:"\"@\""`
}

// Store is where the registry of devices is.
type Store struct {
	URL      string        `yaml:"url" secret:"url" doc:"memory, file:PATH (YAML or JSON, read-only), bolt:PATH, redis://HOST:PORT/DB or rediss://" example:"bolt:devices.db"`
	Key      string        `yaml:"key" doc:"file with the age identity that seals the values of the store" example:"store.key"`
	Timeout  time.Duration `yaml:"timeout" default:"2s" doc:"how long a look-up may take; a handshake that waits for it fails then"`
	Entries  int           `yaml:"entries" default:"100000" doc:"how many credentials are remembered"`
	Negative time.Duration `yaml:"negative" default:"5s" doc:"how long it is remembered that an identity is unknown"`
	Wait     Patience      `yaml:"wait" default:"forever" doc:"how long a server that starts waits for a store that cannot be reached or that another process has; 0: it does not start then"`
	Poll     time.Duration `yaml:"poll" default:"2s" doc:"how often the files that this configuration names, and those served that somebody observes, are looked at for changes"`
}

// Host is a virtual host.
type Host struct {
	Identity Identity `yaml:"identity" doc:"what it shows"`
	Clients  Clients  `yaml:"clients" doc:"whom it believes"`
}

// ACL is the access policy beside the rules in the store.
type ACL struct {
	Rules         Rules  `yaml:"rules" doc:"rules beside those in the store: allow|deny WHO METHODS PATH" example:"[\"allow group:sensors POST /telemetry/{device}\", \"allow group:ops GET,OBSERVE /**\"]"`
	OnRevoke      string `yaml:"on-revoke" default:"close" values:"close,forbid,keep" doc:"what happens to a session whose credential is revoked: close, forbid (4.03) or keep"`
	RevealMissing bool   `yaml:"reveal-missing" default:"false" doc:"tell a missing resource (4.04) from a forbidden one (4.03)"`
	Open          bool   `yaml:"open" default:"false" doc:"no access control at all: everybody may do everything"`
}

// Resources are what is served.
type Resources struct {
	Files     []Files       `yaml:"files" doc:"directories whose files are served, read-only"`
	Store     *Memory       `yaml:"store" doc:"keeps what is PUT, in memory, until the server ends"`
	Hello     bool          `yaml:"hello" default:"true" doc:"GET /hello greets the caller"`
	Time      bool          `yaml:"time" default:"true" doc:"GET /time is the clock"`
	Whoami    bool          `yaml:"whoami" default:"true" doc:"GET /whoami is what the server knows of the caller"`
	MaxAge    time.Duration `yaml:"max-age" default:"1m" doc:"for how long a file, or what is in the store, may be used without asking again; who observes it registers anew after such a silence, so more than a minute is good for devices on batteries"`
	Authorize Authorize     `yaml:"authorize" doc:"clients without credentials POST a token to a resource and become the device that has it"`
}

// Files is a directory that is served.
type Files struct {
	Path string `yaml:"path" doc:"where in the name space, such as /fw/" example:"/fw/"`
	Dir  string `yaml:"dir" doc:"the directory; nothing outside it is served, whatever links say" example:"firmware"`
}

// Memory is the in-memory store of resources.
type Memory struct {
	Path      string `yaml:"path" default:"/store/" doc:"where in the name space"`
	Resources int    `yaml:"resources" default:"256" doc:"how many resources"`
	Size      int    `yaml:"size" default:"4096" doc:"bytes of one payload"`
	Total     int    `yaml:"total" default:"262144" doc:"bytes of all payloads and names"`
}

// Authorize is the anonymous-then-token flow.
type Authorize struct {
	Path   string        `yaml:"path" doc:"the resource, such as /authorize; without it there is no such flow" example:"/authorize"`
	Within time.Duration `yaml:"within" default:"30s" doc:"a session that is still anonymous after this time is closed"`
}

// DTLS is about handshakes and records.
type DTLS struct {
	MTU         int      `yaml:"mtu" default:"0" doc:"the largest UDP payload in bytes; 0 is the default of the library"`
	Ciphers     []string `yaml:"ciphers" doc:"cipher suites by their IANA names, in order of preference; all that are good when empty" example:"[TLS_PSK_WITH_AES_128_CCM_8]"`
	Constrained bool     `yaml:"constrained" default:"false" doc:"retransmission timers for slow networks (RFC 7925)"`
	WeakPSK     bool     `yaml:"weak-psk" default:"false" doc:"take pre-shared keys shorter than 16 bytes, which can be guessed"`
}

// Log is what is written down.
type Log struct {
	Level    string `yaml:"level" default:"info" values:"debug,info,warn,error" doc:"the least level of the log on stderr"`
	Format   string `yaml:"format" default:"auto" values:"auto,text,json" doc:"text, json, or auto: text on a terminal"`
	Requests bool   `yaml:"requests" default:"false" doc:"a line for each request"`
	Audit    string `yaml:"audit" doc:"file for the audit events alone, as JSON lines" example:"audit.log"`
	Ban      string `yaml:"ban" doc:"file for refused handshakes, one line each with the address last, for fail2ban" example:"ban.log"`
}

// Admin is the socket for the coaps command.
type Admin struct {
	Socket string `yaml:"socket" doc:"path of a unix socket; by default FILE.run/admin.sock beside this file or, where that cannot be made, in /run/user/UID/coaps/ or $XDG_RUNTIME_DIR/coaps/" example:"/run/coaps/admin.sock"`
	Off    bool   `yaml:"off" default:"false" doc:"no socket: coaps status, session and reload do not work"`
}

// decodable is a type of the configuration with a form of its own.
type decodable interface {
	decodeYAML(d *decoder, path string, n ast.Node)
}
