// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// book is a Directory of what is in a map. What is marked as far is not in
// memory.
type book struct {
	entries map[string]Entry
	far     map[string]bool
	fetched int
}

func nameOfClaim(c *Claim) string {
	name := c.Host + "/"
	switch {
	case c.PSKIdentity != nil:
		return name + "psk " + string(c.PSKIdentity)
	case c.RawKey != nil:
		return name + "rpk " + keys.NameOf(c.RawKey, keys.SHA256_120).String()
	case c.Chain != nil:
		return name + "certificate " + keys.CertificateName(c.Chain[0])
	case c.Principal != nil:
		return name + "principal " + c.Principal.Name()
	}
	return name
}

func (b *book) Cached(c *Claim, now time.Time) (Entry, bool) {
	name := nameOfClaim(c)
	if b.far[name] {
		return Entry{}, false
	}
	return b.find(name), true
}

func (b *book) Fetch(_ context.Context, c *Claim, now time.Time) Entry {
	b.fetched++
	return b.find(nameOfClaim(c))
}

func (b *book) find(name string) Entry {
	if e, ok := b.entries[name]; ok {
		return e
	}
	return Entry{Reason: dtls.ReasonUnknownIdentity}
}

// deviceEntry is a good credential of a device.
func deviceEntry(name string) Entry {
	return Entry{Principal: Principal{Device: name, Credential: "1"}}
}

func pskEntry(name, key string, nodes ...string) Entry {
	e := deviceEntry(name)
	e.Key, e.Nodes = keys.NewSecret([]byte(key)), nodes
	return e
}

func refused(name string, reason dtls.Reason) Entry {
	e := pskEntry(name, "sixteen byte key")
	e.Reason = reason
	return e
}

// A pre-shared key is refused for many reasons, and the handshake learns of
// none: there is no key, as for an identity that is nobody's.
//
// Proves rfc7252 §9: "PreSharedKey: DTLS is enabled, there is a list of
// pre-shared keys [RFC4279], and each key includes a list of which nodes it can
// be used to communicate with as described in Section 9.1.3.1."
// Proves rfc4279 §2: "Alternatively, if the server wishes to hide the fact that
// the PSK identity was not known, it MAY continue the protocol as if the PSK
// identity existed but the key was incorrect"
//
// Pitfall A5: a key of the directory that is too short is refused as well.
func TestDirectoryPSK(t *testing.T) {
	directory := &book{entries: map[string]Entry{
		"/psk good":    pskEntry("good", "sixteen byte key"),
		"/psk far":     pskEntry("far", "sixteen byte key"),
		"/psk here":    pskEntry("here", "sixteen byte key", "other", "Gateway-1"),
		"/psk there":   pskEntry("there", "sixteen byte key", "other"),
		"/psk short":   pskEntry("short", "short"),
		"/psk empty":   pskEntry("empty", ""),
		"/psk off":     refused("off", dtls.ReasonCredentialDisabled),
		"/psk old":     refused("old", dtls.ReasonCredentialExpired),
		"/psk early":   refused("early", dtls.ReasonCredentialNotYetValid),
		"/psk banned":  refused("banned", dtls.ReasonDeviceDisabled),
		"/psk nowhere": {Reason: dtls.ReasonStoreUnavailable, Err: errors.New("connection refused")},
		"/psk file":    pskEntry("file", "another key....."),
	}, far: map[string]bool{"/psk far": true}}
	file := must(keys.NewPSKMap(must(keys.NewPSK([]byte("file"), []byte("key of the file.")))))
	policy := must((&Config{Directory: directory, PSK: file, Name: "gateway-1"}).Server())
	for identity, want := range map[string]string{
		"good": "", "far": "", "here": "", "there": "wrong_node", "short": "weak_psk", "empty": "weak_psk", "off": "credential_disabled",
		"old": "credential_expired", "early": "credential_not_yet_valid", "banned": "device_disabled", "nowhere": "store_unavailable", "stranger": "unknown_identity", "file": "",
	} {
		q := policy.AskPSK("", []byte(identity))
		if q.Costly() {
			t.Error("a pre-shared key needs no public-key operation")
		}
		answer, ok := q.Cached(noon)
		if ok != (identity != "far") {
			t.Errorf("%s: in memory: %t", identity, ok)
		}
		if !ok {
			answer = q.Fetch(t.Context(), noon)
		}
		if want == "" {
			want = "none"
		}
		if answer.Reason().String() != want || (answer.Key.Len() > 0) != (want == "none") || (answer.Err == nil) != (want == "none") {
			t.Errorf("%s: %s (%v), key %t", identity, answer.Reason(), answer.Err, answer.Key.Len() > 0)
		}
		if known := want != "unknown_identity" && want != "store_unavailable" && identity != "file"; known && answer.Principal.Device != identity {
			t.Errorf("%s: %+v", identity, answer.Principal)
		}
		if shown, key := policy.PSK("", []byte(identity)); string(shown) != identity || (key != nil) != (want == "none") {
			t.Errorf("%s: PSK %t", identity, key != nil)
		}
		if answer.Err != nil && strings.Contains(answer.Err.Error(), "key.") {
			t.Errorf("a key is in %v", answer.Err)
		}
	}
	answer := ask(policy.AskPSK("", []byte("file")))
	if string(answer.Key.Bytes()) != "key of the file." || answer.Principal.Device != "" || answer.Principal.Mark == 0 {
		t.Errorf("the configuration comes first: %+v", answer.Principal)
	}
	nameless := must((&Config{Directory: directory}).Server())
	if answer := ask(nameless.AskPSK("", []byte("here"))); answer.Reason() != dtls.ReasonWrongNode {
		t.Errorf("a node without name: %s", answer.Reason())
	}
}

func ask(q Question) Answer { return q.Answer(context.Background(), noon) }

// A key that changes under the same identity is another one.
func TestMark(t *testing.T) {
	directory := &book{entries: map[string]Entry{"/psk a": pskEntry("a", "sixteen byte key")}}
	policy := must((&Config{Directory: directory}).Server())
	first := ask(policy.AskPSK("", []byte("a"))).Principal
	again := ask(policy.AskPeer(&dtls.Facts{PSKIdentity: []byte("a")})).Principal
	directory.entries["/psk a"] = pskEntry("a", "another key.....")
	changed := ask(policy.AskPSK("", []byte("a"))).Principal
	if !first.SameCredential(&again) || first.SameCredential(&changed) {
		t.Errorf("marks %x, %x, %x", first.Mark, again.Mark, changed.Mark)
	}
}

// Proves rfc7252 §9: "Conversely, if more than two entities share a specific
// pre-shared key, this key only enables the entities to authenticate as a member
// of that group and not as a specific peer."
func TestGroupIdentity(t *testing.T) {
	shared := Entry{Principal: Principal{Group: "sensors", Tenant: "acme", Credential: "1"}, Key: keys.NewSecret([]byte("sixteen byte key"))}
	policy := must((&Config{Directory: &book{entries: map[string]Entry{"/psk all": shared}}}).Server())
	facts := &dtls.Facts{PSKIdentity: []byte("all")}
	answer := ask(policy.AskPeer(facts))
	i := policy.Identify(facts, &answer.Principal)
	if i.Name() != "group sensors" || i.String() != "PreSharedKey group sensors" || i.Device() != "" || i.Group() != "sensors" || i.Tenant() != "acme" ||
		!slices.Equal(i.Groups(), []string{"sensors"}) || !i.Verified() || string(i.PSKIdentity()) != "all" {
		t.Errorf("got %s, %+v", i, i.Principal())
	}
	own := policy.Identify(facts, &Principal{Device: "sensor-7", Groups: []string{"sensors"}})
	if own.Name() != "all" || own.Device() != "sensor-7" || own.Group() != "" || !slices.Equal(own.Groups(), []string{"sensors"}) {
		t.Errorf("got %s, %+v", own, own.Principal())
	}
}

// Who has proved nothing to DTLS can be somebody to the application.
func TestAuthorizedIdentity(t *testing.T) {
	w := theWorld()
	policy := must((&Config{RawKey: w.serverKey, AllowAnonymousClients: true}).Server())
	facts := &dtls.Facts{LocalCertType: dtls.CertRawPublicKey}
	i := policy.Identify(facts, &Principal{Device: "sensor-7"})
	if i.Anonymous() || !i.Verified() || i.Name() != "sensor-7" || i.Mode() != RawPublicKey {
		t.Errorf("got %s", i)
	}
	if i := policy.Identify(facts, &Principal{NotAfter: noon}); !i.Anonymous() || i.Verified() {
		t.Errorf("got %s", i)
	}
}

// Raw public keys are believed if they are pinned or somebody's in the
// directory; certificates that lead to an anchor belong to whom it says.
func TestDirectoryKeys(t *testing.T) {
	w := theWorld()
	rpk := "/rpk " + keys.NameOf(w.clientKey.SPKI, keys.SHA256_120).String()
	certificate := "/certificate client"
	pinned := new(keys.Pins)
	pinned.AddKey(w.clientKey.SPKI)
	expired := func(name string) Entry { return refused(name, dtls.ReasonCredentialExpired) }
	away := Entry{Reason: dtls.ReasonStoreUnavailable}
	for _, test := range []struct {
		what   string
		config Config
		facts  *dtls.Facts
		entry  Entry
		reason dtls.Reason
		device string
	}{
		{"a key that is known", Config{}, show(w.clientKey), deviceEntry("a"), dtls.ReasonNone, "a"},
		{"a key that is nobody's", Config{}, show(w.strangerKey), deviceEntry("a"), dtls.ReasonRPKNotPinned, ""},
		{"a key whose time is over", Config{}, show(w.clientKey), expired("a"), dtls.ReasonCredentialExpired, "a"},
		{"a key, nobody knows", Config{}, show(w.clientKey), away, dtls.ReasonStoreUnavailable, ""},
		{"a pinned key that is nobody's", Config{Pins: w.pins}, show(w.serverKey), deviceEntry("a"), dtls.ReasonNone, ""},
		{"a pinned key that is known", Config{Pins: pinned}, show(w.clientKey), deviceEntry("a"), dtls.ReasonNone, "a"},
		{"a pinned key whose time is over", Config{Pins: pinned}, show(w.clientKey), expired("a"), dtls.ReasonCredentialExpired, "a"},
		{"a pinned key, nobody can tell whose", Config{Pins: pinned}, show(w.clientKey), away, dtls.ReasonStoreUnavailable, ""},
		{"a certificate that is known", Config{Trust: w.trust}, show(nil, w.client.Leaf), deviceEntry("a"), dtls.ReasonNone, "a"},
		{"a certificate that is nobody's", Config{Trust: w.trust}, show(nil, w.client.Leaf), Entry{Reason: dtls.ReasonUnknownIdentity}, dtls.ReasonNone, ""},
		{"a certificate that has to be known", Config{Trust: w.trust, RequireKnownCertificates: true}, show(nil, w.client.Leaf), Entry{Reason: dtls.ReasonUnknownIdentity}, dtls.ReasonUnknownIdentity, ""},
		{"a certificate of a banned device", Config{Trust: w.trust}, show(nil, w.client.Leaf), refused("a", dtls.ReasonDeviceDisabled), dtls.ReasonDeviceDisabled, "a"},
		{"a certificate, nobody knows", Config{Trust: w.trust}, show(nil, w.client.Leaf), away, dtls.ReasonStoreUnavailable, ""},
		{"a certificate of another CA", Config{Trust: w.trust}, show(nil, w.stranger.Leaf), deviceEntry("a"), dtls.ReasonCertUnknownCA, ""},
		{"a certificate without trust", Config{}, show(nil, w.client.Leaf), deviceEntry("a"), dtls.ReasonCertUnsupported, ""},
		{"nothing", Config{}, show(nil), deviceEntry("a"), dtls.ReasonNoPeerKey, ""},
		{"nothing, from anybody", Config{AllowAnonymousClients: true}, show(nil), deviceEntry("a"), dtls.ReasonNone, ""},
	} {
		directory := &book{entries: map[string]Entry{rpk: test.entry, certificate: test.entry}, far: map[string]bool{rpk: true, certificate: true}}
		test.config.Directory, test.config.RawKey = directory, w.serverKey
		policy := must(test.config.Server())
		q := policy.AskPeer(test.facts)
		if q.Costly() != (test.facts.PeerChain != nil) {
			t.Errorf("%s: costly %t", test.what, q.Costly())
		}
		q.Check(noon)
		answer := ask(q)
		if answer.Reason() != test.reason || answer.Principal.Device != test.device || answer.Key.Len() > 0 {
			t.Errorf("%s: %s (%v) of %q, want %s of %q", test.what, answer.Reason(), answer.Err, answer.Principal.Device, test.reason, test.device)
		}
		if got := policy.Verdict(test.facts, noon); got != test.reason {
			t.Errorf("%s: verdict %s", test.what, got)
		}
		unproved := slices.Contains([]string{"a certificate of another CA", "a certificate without trust", "nothing"}, test.what)
		if unproved && directory.fetched != 0 {
			t.Errorf("%s: the directory was asked", test.what)
		}
	}
}

// A session ends with the credential, or with the certificate if that is
// earlier, also if the certificate is nobody's.
func TestCertificateEnds(t *testing.T) {
	w := theWorld()
	leaf := w.client.Leaf
	for _, test := range []struct {
		entry Entry
		want  time.Time
	}{
		{Entry{Principal: Principal{Device: "a", NotAfter: leaf.NotAfter.Add(-time.Minute)}}, leaf.NotAfter.Add(-time.Minute)},
		{Entry{Principal: Principal{Device: "a", NotAfter: leaf.NotAfter.Add(time.Minute)}}, leaf.NotAfter},
		{deviceEntry("a"), leaf.NotAfter},
		{Entry{Reason: dtls.ReasonUnknownIdentity}, leaf.NotAfter},
	} {
		directory := &book{entries: map[string]Entry{"/certificate client": test.entry}}
		policy := must((&Config{RawKey: w.serverKey, Trust: w.trust, Directory: directory}).Server())
		if answer := ask(policy.AskPeer(show(nil, leaf))); answer.Err != nil || !answer.Principal.NotAfter.Equal(test.want) {
			t.Errorf("%+v: %v, want %v", test.entry, answer.Principal.NotAfter, test.want)
		}
	}
}

// An authority that ends before the certificates that it has issued ends their
// sessions; a longer certificate of the same authority keeps them.
func TestCertificateEndsWithItsIssuer(t *testing.T) {
	w := theWorld()
	key := must(keys.NewKey(seeded(20)))
	authority := func(life time.Duration) *keys.CA {
		return must(keys.NewRoot(seeded(21), key, keys.CASpec{Name: "Two lives", NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(life)}))
	}
	short, long := authority(10*time.Minute), authority(time.Hour)
	leaf := must(long.IssueClient(seeded(22), w.clientKey, "client", noon, 30*time.Minute)).Leaf
	for name, test := range map[string]struct {
		anchors []*x509.Certificate
		entry   Entry
		want    time.Time
	}{
		"the issuer is short":          {[]*x509.Certificate{short.Certificate}, deviceEntry("a"), short.Certificate.NotAfter},
		"nobody's, the issuer short":   {[]*x509.Certificate{short.Certificate}, Entry{Reason: dtls.ReasonUnknownIdentity}, short.Certificate.NotAfter},
		"the issuer is long":           {[]*x509.Certificate{long.Certificate}, deviceEntry("a"), leaf.NotAfter},
		"one is short and one is long": {[]*x509.Certificate{short.Certificate, long.Certificate}, deviceEntry("a"), leaf.NotAfter},
	} {
		directory := &book{entries: map[string]Entry{"/certificate client": test.entry}}
		policy := must((&Config{RawKey: w.serverKey, Trust: keys.NewTrust(test.anchors), Directory: directory}).Server())
		answer := ask(policy.AskPeer(show(nil, leaf)))
		if answer.Err != nil || !answer.Principal.NotAfter.Equal(test.want) {
			t.Errorf("%s: until %v, want %v: %v", name, answer.Principal.NotAfter, test.want, answer.Err)
		}
	}
}

// A raw public key that the directory knows names its peer only once the
// session was told to trust it.
func TestIdentifyByDirectory(t *testing.T) {
	w := theWorld()
	policy := must((&Config{RawKey: w.serverKey, Directory: &book{}}).Server())
	facts := show(w.clientKey)
	if i := policy.Identify(facts, nil); !i.Anonymous() {
		t.Errorf("before the verdict: %s", i)
	}
	facts.PeerTrusted = true
	if i := policy.Identify(facts, &Principal{Device: "a"}); i.Name() != keys.NameOf(w.clientKey.SPKI, keys.SHA256_120).String() || i.Device() != "a" || !i.Verified() {
		t.Errorf("after it: %s", i)
	}
}

// Whom an application has authorized is asked for by name.
func TestAskPrincipal(t *testing.T) {
	w := theWorld()
	policy := must((&Config{RawKey: w.serverKey, AllowAnonymousClients: true, Directory: &book{entries: map[string]Entry{
		"/principal a": deviceEntry("a"), "/principal off": refused("off", dtls.ReasonDeviceDisabled),
	}}}).Server())
	for _, test := range []struct {
		who    Principal
		reason dtls.Reason
	}{
		{Principal{Device: "a", Credential: "1"}, dtls.ReasonNone},
		{Principal{Device: "off", Credential: "1"}, dtls.ReasonDeviceDisabled},
		{Principal{Device: "off"}, dtls.ReasonDeviceDisabled},
		{Principal{Device: "gone", Credential: "1"}, dtls.ReasonUnknownIdentity},
		{Principal{Device: "the application's", Groups: []string{"g"}}, dtls.ReasonNone},
	} {
		answer := ask(policy.AskPrincipal("", &test.who))
		if answer.Reason() != test.reason || answer.Err == nil && (!test.who.SameCredential(&answer.Principal) || len(answer.Principal.Groups) != len(test.who.Groups)) {
			t.Errorf("%+v: %s, %+v", test.who, answer.Reason(), answer.Principal)
		}
	}
	alone := must((&Config{RawKey: w.serverKey, AllowAnonymousClients: true}).Server())
	for _, test := range []struct {
		who    Principal
		reason dtls.Reason
	}{
		{Principal{Device: "x"}, dtls.ReasonNone},
		{Principal{Device: "x", Credential: "the application's"}, dtls.ReasonNone},
		{Principal{Device: "x", Credential: "of a directory that is gone", Mark: 7}, dtls.ReasonUnknownIdentity},
	} {
		if answer := ask(alone.AskPrincipal("", &test.who)); answer.Reason() != test.reason || answer.Err == nil && answer.Principal.Device != "x" {
			t.Errorf("without directory: %+v: %+v", test.who, answer)
		}
	}
}

// Each virtual host has credentials, trust and names of its own.
//
// Proves rfc7252 §9.1.3: "This is needed so that when a host that acts as a
// virtual server for multiple Authorities receives a new DTLS connection, it
// knows which keys to use for the DTLS session."
// Proves rfc6066 §3: "DNS hostnames are case-insensitive."
// Proves rfc6066 §3: "If the server understood the ClientHello extension but
// does not recognize the server name, the server SHOULD take one of two actions:
// either abort the handshake by sending a fatal-level unrecognized_name(112)
// alert or continue the handshake."
func TestHosts(t *testing.T) {
	w := theWorld()
	directory := &book{entries: map[string]Entry{
		"/psk dev1": pskEntry("default", "sixteen byte key"), "b.example/psk dev1": pskEntry("of-b", "the key for b...", "b.example"),
		"b.example/psk here": pskEntry("here", "sixteen byte key", "gateway-b"),
	}}
	other := &book{entries: map[string]Entry{
		"c.example/psk dev1": pskEntry("of-c", "the key for c..."), "c.example/psk here": pskEntry("here", "sixteen byte key", "gateway"),
	}}
	config := Config{
		Directory: directory, RawKey: w.serverKey, Name: "gateway",
		Hosts: map[string]*Config{
			"B.Example.": {Name: "gateway-b", Chains: []dtls.Chain{w.server}, Trust: w.trust},
			"c.example":  {Directory: other},
		},
	}
	policy := must(config.Server())
	for name, want := range map[string]string{"": "default", "b.example": "of-b", "B.EXAMPLE": "of-b", "c.example": "of-c", "d.example": "default", "sub.b.example": "default"} {
		answer := ask(policy.AskPSK(name, []byte("dev1")))
		if answer.Principal.Device != want || answer.Err != nil || policy.For(name).Host() != answer.Principal.Host {
			t.Errorf("%q: %+v, %v", name, answer.Principal, answer.Err)
		}
		facts := &dtls.Facts{PSKIdentity: []byte("dev1"), ServerName: name}
		i := policy.Identify(facts, &answer.Principal)
		if i.Host() != answer.Principal.Host || i.Principal().Host != i.Host() || i.Device() != want {
			t.Errorf("%q: %+v at %q", name, i.Principal(), i.Host())
		}
	}
	for _, host := range []string{"b.example", "c.example"} { // that has a name of its own, and that has not
		if answer := ask(policy.AskPSK(host, []byte("here"))); answer.Err != nil {
			t.Error(answer.Err)
		}
	}
	d := policy.DTLS(rand.Reader)
	if c := d.Credentials("b.example"); c.RawKey != nil || len(c.Chains) != 1 || !c.AcceptCertificates || !c.PSK {
		t.Errorf("b.example shows %+v", c)
	}
	if c := d.Credentials("c.example"); c.RawKey != nil || len(c.Chains) != 0 || !c.PSK {
		t.Errorf("c.example shows %+v", c)
	}
	if c := d.Credentials("d.example"); c == nil || c.RawKey != w.serverKey || c.AcceptCertificates {
		t.Errorf("another shows %+v", c)
	}
	if !slices.Equal(policy.Modes(), []Mode{PreSharedKey, RawPublicKey, Certificate}) {
		t.Errorf("modes %v", policy.Modes())
	}
	// Trust is not shared between hosts.
	for name, want := range map[string]dtls.Reason{"b.example": dtls.ReasonNone, "": dtls.ReasonCertUnsupported, "c.example": dtls.ReasonCertUnsupported} {
		facts := show(nil, w.client.Leaf)
		facts.ServerName = name
		if got := policy.Verdict(facts, noon); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	strict := must((&Config{Hosts: map[string]*Config{"b.example": {PSK: w.pskMap()}}}).Server())
	d = strict.DTLS(rand.Reader)
	if d.Credentials("") != nil || d.Credentials("d.example") != nil || d.Credentials("b.example") == nil {
		t.Error("who asks for no host that there is should be refused")
	}
	if answer := ask(strict.AskPSK("d.example", []byte("dev1"))); answer.Err == nil {
		t.Error("a key of another host")
	}
}

func TestBadHosts(t *testing.T) {
	w := theWorld()
	good := &Config{PSK: w.pskMap()}
	for _, test := range []struct {
		what  string
		hosts map[string]*Config
		more  func(*Config)
		want  error
	}{
		{"nothing", map[string]*Config{"a.example": nil}, nil, ErrBadHost},
		{"no name", map[string]*Config{"": good}, nil, ErrBadHost},
		{"an address", map[string]*Config{"192.0.2.1": good}, nil, ErrBadHost},
		{"a wildcard", map[string]*Config{"*.example": good}, nil, ErrBadHost},
		{"one twice", map[string]*Config{"a.example": good, "A.example": good}, nil, ErrBadHost},
		{"hosts of a host", map[string]*Config{"a.example": {PSK: w.pskMap(), Hosts: map[string]*Config{"b.example": good}}}, nil, ErrBadHost},
		{"suites of a host", map[string]*Config{"a.example": {PSK: w.pskMap(), CipherSuites: []dtls.CipherSuite{0xc0a8}}}, nil, ErrBadHost},
		{"old sessions of a host", map[string]*Config{"a.example": {PSK: w.pskMap(), AllowNoExtendedMasterSecret: true}}, nil, ErrBadHost},
		{"shows nothing", map[string]*Config{"a.example": {}}, nil, ErrNothingToShow},
		{"believes nobody", map[string]*Config{"a.example": {RawKey: w.serverKey}}, nil, ErrBelievesNoOne},
		{"the default believes nobody", map[string]*Config{"a.example": good}, func(c *Config) { c.RawKey = w.serverKey }, ErrBelievesNoOne},
		{"the default shows nothing, but trusts", map[string]*Config{"a.example": good}, func(c *Config) { c.Trust = w.trust }, nil},
		{"known certificates without directory", nil, func(c *Config) { c.PSK, c.RequireKnownCertificates = w.pskMap(), true }, ErrNoDirectory},
	} {
		config := Config{Hosts: test.hosts}
		if test.more != nil {
			test.more(&config)
		}
		if _, err := config.Server(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.what, err, test.want)
		}
	}
}

// A client has no use for a directory, nor for what it is asked.
func TestClientWithoutDirectory(t *testing.T) {
	w := theWorld()
	banned := &book{entries: map[string]Entry{"/certificate " + keys.CertificateName(w.server.Leaf): refused("a", dtls.ReasonDeviceDisabled)}}
	config := Config{Trust: w.trust, Directory: banned, RequireKnownCertificates: true}
	policy := must(config.Client(aExample))
	if got := policy.Verdict(show(nil, []*x509.Certificate{w.server.Leaf}...), noon); got != dtls.ReasonNone {
		t.Errorf("got %s", got)
	}
}

func BenchmarkQuestionPSK(b *testing.B) {
	policy := must((&Config{Directory: &book{entries: map[string]Entry{"/psk dev1": pskEntry("dev1", "sixteen byte key")}}}).Server())
	identity := []byte("dev1")
	b.ReportAllocs()
	for b.Loop() {
		q := policy.AskPSK("", identity)
		if answer, ok := q.Cached(noon); !ok || answer.Key.Len() == 0 {
			b.Fatal("no key")
		}
	}
}
