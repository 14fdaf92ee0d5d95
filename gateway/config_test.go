// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the reference into docs/server.md")

// testEnv is an environment of one variable.
func testEnv(name string) (string, bool) { return "5684", name == "PORT" }

// parseText parses a configuration that is in no file.
func parseText(text string) (*Config, error) { return parse("/etc/coaps.yaml", []byte(text), testEnv) }

const leastConfig = "listen: [{addr: \":5684\", security: dtls}]\nstore: memory\n"

// Everything that is wrong is told, with its place, the line and a caret below the
// place.
func TestBadConfigurations(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"unknown key", "listen: []\nstorre: x\n", `2:1: there is no key "storre" here; did you mean store?`},
		{"unknown key within", "log:\n  levle: info\n", `2:3: log: there is no key "levle" here; did you mean level?`},
		{"no key like it", "xyzzy: 1\n", `1:1: there is no key "xyzzy" here; the keys are name, listen`},
		{"underscore", "acl:\n  on_revoke: close\n", `did you mean on-revoke?`},
		{"twice", "name: a\nname: b\n", `2:1: "name" comes twice`},
		{"twice in flow", "log: {level: info, level: warn}\n", `1:20: log: "level" comes twice`},
		{"bad value", leastConfig + "log:\n  level: loud\n", `4:10: log.level: debug or info or warn or error is expected here, not "loud"`},
		{"no number", leastConfig + "dtls:\n  mtu: many\n", `4:8: dtls.mtu: a number is expected here, not "many"`},
		{"negative", leastConfig + "dtls:\n  mtu: -5\n", `a number is expected here`},
		{"no bool", leastConfig + "acl:\n  open: yes\n", `4:9: acl.open: true or false is expected here, not "yes"`},
		{"no time", "store:\n  url: memory\n  timeout: 5\n", `3:12: store.timeout: a time such as 30s, 12h or 7d is expected here, not "5"`},
		{"no patience", "store:\n  url: memory\n  wait: never\n", `3:9: store.wait: a time such as 30s, 12h or 7d, or forever, is expected here, not "never"`},
		{"no list", "listen: 5684\n", `1:9: listen: a list is expected here (- ...), not "5684"`},
		{"no mapping", "acl: open\n", `1:6: acl: keys and values are expected here, not "open"`},
		{"mapping for text", "name: {a: b}\n", `name: one value is expected here, not keys and values`},
		{"missing value", "name:\n", `name: the value is missing`},
		{"root", "- a\n", `keys and values are expected here, not a list`},
		{"two documents", "name: a\n---\nname: b\n", `a configuration is one YAML document`},
		{"anchor", "name: &a x\n", `anchors, aliases and merge keys are not used`},
		{"alias", "name: *a\n", `anchors, aliases and merge keys are not used`},
		{"tag", "name: !!str x\n", `tags are not used`},
		{"syntax", "listen: [\n", `1:9: `},
		{"half-written", leastConfig + "log: {level: \"inf", `3:14: `},
		{"not text", "name: \xff\n", `the file is not UTF-8 text`},
		{"deep", "name: " + strings.Repeat("[", 100), `too deeply nested`},
		{"limit", leastConfig + "limits: {sesions: 5}\n", `3:10: limits: there is no limit "sesions"; did you mean sessions?`},
		{"negative limit", leastConfig + "limits: {observers: -1}\n", `limits.observers: 0 or a positive number is needed, not "-1"`},
		{"no age", leastConfig + "resources: {max-age: 0s}\n", `3:22: resources.max-age: a second or more is expected here`},
		{"busy poll", "listen: [{addr: \":5684\", security: dtls}]\nstore: {poll: 0s}\n", `2:15: store.poll: 10ms or more is expected here`},
		{"limit value", leastConfig + "limits: {sessions: none}\n", `limits.sessions: a positive number is needed, not "none"`},
		{"too many workers", leastConfig + "limits: {workers: 65537}\n", `limits.workers: 65536 is the most that is possible, not "65537"`},
		{"too many loops", leastConfig + "limits: {loops: 9223372036854775807}\n", `limits.loops: 1024 is the most that is possible`},
		{"env", "name: ${env:NOT_THERE}\n", `1:7: name: ${env:NOT_THERE}: the environment has no such variable`},
		{"file", "name: ${file:/not/there}\n", `name: ${file:/not/there}: no such file or directory`},
		{"reference", "name: ${PORT}\n", `only ${env:NAME} and ${file:PATH} are known`},
		{"open reference", "name: ${env:PORT\n", `${ without }`},
		{"nothing to listen on", "store: memory\n", `listen: there is nothing to listen on`},
		{"security by name", "listen: [{addr: \":5684\"}]\nstore: memory\n", `listen[0]: security is missing`},
		{"address", "listen: [{addr: localhost, security: nosec}]\n", `listen[0].addr: an address and a port are expected here`},
		{"name for address", "listen: [{addr: \"localhost:5683\", security: nosec}]\n", `a numeric address of this machine is expected here`},
		{"port", "listen: [{addr: \":65536\", security: nosec}]\n", `the port is a number from 0 to 65535`},
		{"listener twice", "listen: [{addr: \":5683\", security: nosec}, {addr: \":5683\", security: nosec}]\n", `1:51: listen[1].addr: :5683 comes twice`},
		{"listeners overlap", "listen: [{addr: \":5683\", security: nosec}, {addr: \"192.0.2.1:5683\", security: dtls}]\n", `listen[1].addr: 192.0.2.1:5683 and :5683 are the same port`},
		{"mtu", leastConfig + "dtls: {mtu: 10}\n", `3:13: dtls.mtu: 128 to 65535, or 0 for the default, is expected here, not 10`},
		{"cert without key", leastConfig + "identity: {cert: a.crt}\n", `3:18: identity.cert: the key of the certificate is missing`},
		{"ca without identity", leastConfig + "clients: {ca: ca.crt}\n", `clients: clients with certificates or keys, and anonymous ones, need a server that shows a key`},
		{"crl without ca", leastConfig + "identity: {rpk: a}\nclients: {crl: a.crl}\n", `clients.crl: there is no ca`},
		{"store", "listen: [{addr: \":1\", security: dtls}]\nstore: sqlite:x\n", `2:8: store.url: a store is memory, file:PATH`},
		{"needs store", "listen: [{addr: \":1\", security: dtls}]\nidentity: {rpk: a}\nclients: {require-known: true}\n", `clients.require-known: this needs a store`},
		{"host", leastConfig + "hosts: {\"a b\": {}}\n", `hosts[a b]: "a b" is no DNS name`},
		{"split", leastConfig + "tenants: {split: \"::\"}\n", `tenants.split: one character is expected here`},
		{"cipher", leastConfig + "dtls: {ciphers: [TLS_NULL]}\n", `dtls.ciphers[0]: "TLS_NULL" is not implemented`},
		{"rule", leastConfig + "acl:\n  rules:\n    - allow group:x POST /a\n    - allow group:x PAST /a\n", `6:7: acl.rules[1]: `},
		{"rule field", leastConfig + "acl:\n  rules:\n    - {effect: allow, whom: x}\n", `5:7: acl.rules[0]: `},
		{"rules and open", leastConfig + "acl: {open: true, rules: [\"allow anybody GET /a\"]}\n", `acl.open: without access control the rules mean nothing`},
		{"files path", leastConfig + "resources: {files: [{path: /fw, dir: x}]}\n", `resources.files[0].path: a path such as /fw/`},
		{"path taken", leastConfig + "resources: {store: {path: /fw/}, files: [{path: /fw/, dir: x}]}\n", `is resources.files[0].path already`},
		{"authorize", leastConfig + "identity: {rpk: a}\nresources: {authorize: {path: /auth}}\n", `nobody is anonymous here`},
	} {
		_, err := parseText(test.text)
		broken, ok := errors.AsType[*ConfigError](err)
		if !ok {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if !strings.Contains(broken.Text(), test.want) {
			t.Errorf("%s:\n%s\nwant %s", test.name, broken.Text(), test.want)
		}
		for _, p := range broken.Problems {
			if p.File != "/etc/coaps.yaml" || strings.Contains(p.Message, "\n") {
				t.Errorf("%s: %+v", test.name, p)
			}
		}
	}
}

// All problems are told at once, in the order of the lines, each with its line.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := parseText("nmae: x\nlisten:\n\t- x\n")
	if err == nil {
		t.Fatal("no error")
	}
	_, err = parseText("log:\n  level: 1\n  formt: text\ndtls:\n  mtu: x\nacl: {open: 3}\n")
	broken, ok := errors.AsType[*ConfigError](err)
	if !ok {
		t.Fatal(err)
	}
	want := `/etc/coaps.yaml:3:3: log: there is no key "formt" here; did you mean format?
    3 |   formt: text
      |   ^
/etc/coaps.yaml:5:8: dtls.mtu: a number is expected here, not "x"
    5 |   mtu: x
      |        ^
/etc/coaps.yaml:6:13: acl.open: true or false is expected here, not "3"
    6 | acl: {open: 3}
      |             ^`
	if diff := cmp.Diff(want, broken.Text()); diff != "" {
		t.Error(diff)
	}
	if got := broken.Error(); got != `/etc/coaps.yaml:3:3: log: there is no key "formt" here; did you mean format? (and 2 more)` {
		t.Error(got)
	}
}

// What a line of the file has in it cannot move the cursor of who reads the error.
func TestErrorsDoNotEscape(t *testing.T) {
	_, err := parseText("name: x\nb\u009b2Jad: \"\x1b[2J\"\n")
	broken, ok := errors.AsType[*ConfigError](err)
	if !ok {
		t.Fatal(err)
	}
	if strings.ContainsAny(broken.Text(), "\x1b\u009b") {
		t.Errorf("%q", broken.Text())
	}
	_, err = parseText(leastConfig + "hosts: {\"a\\eb\": {}}\n")
	if broken, ok := errors.AsType[*ConfigError](err); !ok || strings.Contains(broken.Text(), "\x1b") {
		t.Errorf("%v", err)
	}
}

// A line that is shown has no password of a URL in it, and is not longer than a
// terminal is wide.
func TestLinesThatAreShown(t *testing.T) {
	for _, test := range []struct {
		source      string
		column      int
		line, caret string
	}{
		{"store: redis://user:geheim@host/0 # x", 8, "store: redis://user:******@host/0 # x", "       ^"},
		{"a: [\"redis://:gehe%21m@host\", \"rediss://u:p@h\"]", 31, "a: [\"redis://:********@host\", \"rediss://u:*@h\"]", strings.Repeat(" ", 30) + "^"},
		{"\tx: y", 5, "\tx: y", "\t   ^"},
		{strings.Repeat("x", 5000) + "here", 5001, "..." + strings.Repeat("x", 97) + "here", strings.Repeat(" ", 100) + "^"},
		{"here" + strings.Repeat("x", 5000), 1, "here" + strings.Repeat("x", 153) + "...", "^"},
	} {
		line, caret := Problem{Source: test.source, Column: test.column}.excerpt()
		if line != test.line || caret != test.caret {
			t.Errorf("%.60q:\n%s\n%s", test.source, line, caret)
		}
	}
}

// A file with very many mistakes is read in no time, and the first hundred told.
func TestManyMistakes(t *testing.T) {
	var b strings.Builder
	for i := range maxConfigLines - 1 {
		fmt.Fprintf(&b, "key-%d: 1\n", i)
	}
	begin := time.Now()
	_, err := parseText(b.String())
	broken, ok := errors.AsType[*ConfigError](err)
	if !ok || len(broken.Problems) != mostProblems {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	b.WriteString("one: more\n")
	if _, err := parseText(b.String()); err == nil || !strings.Contains(err.Error(), "more than 10000 lines") {
		t.Errorf("%v", err)
	}
}

func TestReferences(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "name.txt"), []byte("gw-${env:PORT}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "name: \"${file:name.txt}\"\nlisten:\n  - {addr: \"127.0.0.1:${env:PORT}\", security: dtls}\nstore: {url: \"redis://:${file:password}@localhost/0\", entries: \"${env:PORT}\"}\n"
	c, err := parse(filepath.Join(dir, "coaps.yaml"), []byte(text), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "gw-${env:PORT}" { // what comes in is not looked at again
		t.Errorf("name %q", c.Name)
	}
	if c.Listen[0].Addr != "127.0.0.1:5684" || c.Store.Entries != 5684 {
		t.Errorf("%+v", c)
	}
	shown := c.Show()
	if strings.Contains(shown, "gw-") || strings.Contains(shown, "geheim") || !strings.Contains(shown, `url: "redis://:${file:password}@localhost/0"`) {
		t.Errorf("shows what a file holds:\n%s", shown)
	}
}

// A password in a URL is never shown.
func TestShowHidesPasswords(t *testing.T) {
	for _, url := range []string{"redis://u:geheim@h:6379/1", "redis://:geheim@h", "rediss://u:gehe%2Fim@h", "redis://h/0?addr=u:geheim@x"} {
		c, err := parseText("listen: [{addr: \":1\", security: dtls}]\nstore: \"" + url + "\"\n")
		if err != nil {
			if strings.Contains(firstLine(err.(*ConfigError).Problems[0].Message), "geheim") {
				t.Errorf("%s: %v", url, err)
			}
			t.Logf("%s: %v", url, err)
			continue
		}
		shown := c.Show()
		asJSON, err := c.ShowJSON()
		if err != nil || strings.Contains(shown, "geheim") || strings.Contains(string(asJSON), "geheim") {
			t.Errorf("%s: %v\n%s\n%s", url, err, shown, asJSON)
		}
	}
}

// What Show prints is a configuration, the same one.
func TestShowIsAConfiguration(t *testing.T) {
	c, err := parseText(everyExample(t))
	if err != nil {
		t.Fatal(err.(*ConfigError).Text())
	}
	again, err := parseText(c.Show())
	if err != nil {
		t.Fatalf("%s\n%s", err.(*ConfigError).Text(), c.Show())
	}
	if diff := cmp.Diff(c.Show(), again.Show()); diff != "" {
		t.Error(diff)
	}
	// JSON is YAML: that is the same configuration, too.
	asJSON, err := c.ShowJSON()
	if err != nil || !json.Valid(asJSON) {
		t.Fatalf("%v\n%s", err, asJSON)
	}
	fromJSON, err := parseText(string(asJSON))
	if err != nil {
		t.Fatalf("%s\n%s", err.(*ConfigError).Text(), asJSON)
	}
	if diff := cmp.Diff(c.Show(), fromJSON.Show()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(c, again, cmp.Comparer(func(a, b *source) bool { return true }), cmp.AllowUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// The template is a configuration that works, and says all that the defaults are.
func TestTemplate(t *testing.T) {
	c, err := parseText(Template())
	if err != nil {
		t.Fatal(err.(*ConfigError).Text())
	}
	least, err := parseText("listen: [{addr: \":5684\", security: dtls}]\nstore: bolt:devices.db\nresources: {store: {}}\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(least.Show(), c.Show()); diff != "" {
		t.Errorf("the template is not the least configuration:\n%s", diff)
	}
}

var commented = regexp.MustCompile(`(?m)^( *)#([a-z{-])`)

// everyExample is the template with all that is commented out in force.
func everyExample(t *testing.T) string {
	t.Helper()
	text := commented.ReplaceAllString(Template(), "$1$2")
	text = strings.Replace(text, "  gw.example.net:\n    # identity and clients, as above\n", "  gw.example.net: {identity: {rpk: gw.key}, clients: {anonymous: true}}\n", 1)
	text = strings.Replace(text, "anonymous: false", "anonymous: true", 1)
	return text
}

// Every example in the template can be used, all at once.
func TestEveryExampleWorks(t *testing.T) {
	c, err := parseText(everyExample(t))
	if err != nil {
		t.Fatal(err.(*ConfigError).Text())
	}
	if c.Resources.Files[0].Dir != "firmware" || c.Resources.Authorize.Within != 30*time.Second || len(c.ACL.Rules) != 2 ||
		c.Limits.HalfOpen != 16384 || c.Identity.OCSP != "server.ocsp" || c.Tenants.Split != "@" {
		t.Errorf("%+v", c)
	}
}

const (
	referenceBegin = "<!-- The tables below are written by go test ./gateway -run TestReference -update -->\n"
	referenceEnd   = "<!-- end of the tables -->\n"
)

// The manual has every key, as the types have it.
func TestReference(t *testing.T) {
	const page = "../docs/server.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), referenceBegin)
	_, after, ended := strings.Cut(rest, referenceEnd)
	if !ok || !ended {
		t.Fatal("the manual has no place for the tables")
	}
	want := before + referenceBegin + Reference() + "\n" + referenceEnd + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("docs/server.md is not what the types say; go test ./gateway -run TestReference -update")
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Whatever a file holds, it is a configuration or an error with a place, and what
// Show makes of a good one is good.
func FuzzConfig(f *testing.F) {
	f.Add(Template())
	f.Add(leastConfig)
	f.Add("listen:\n  - {addr: \":1\", security: nosec}\nacl: {rules: [\"allow anybody GET /**\"]}\nhosts: {a.example: {}}\n")
	f.Add("a: &x [*x]\n<<: {b: c}\n? [k]\n: v\n")
	f.Add("name: |\n  a\n  b\nlog: {level: >\n x}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse("/x/y.yaml", []byte(text), func(string) (string, bool) { return "v", true })
		if err != nil {
			broken, ok := errors.AsType[*ConfigError](err)
			if !ok || len(broken.Problems) == 0 {
				t.Fatalf("%v", err)
			}
			_ = broken.Text()
			return
		}
		if again, err := parse("/x/y.yaml", []byte(c.Show()), testEnv); err != nil {
			t.Fatalf("%v of\n%s", err, c.Show())
		} else if again.Show() != c.Show() {
			t.Fatalf("%s\nand\n%s", c.Show(), again.Show())
		}
	})
}
