// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// banFilter is the failregex of docs/server.md, with <HOST> as fail2ban reads it.
var banFilter = regexp.MustCompile(`^\S+ coaps refused \S+ identity="\S*" from (?P<host>[0-9a-fA-F.:]+)$`)

// One line for each refused handshake, with the address last. An identity that a
// peer has chosen to look like a line, or like an address, changes nothing.
func TestBanLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ban.log")
	f, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRecorder(slog.DiscardHandler)
	r.shared.banFile.use(f)
	log := slog.New(r)
	identities := []string{
		"sensor-7", "", `x" from 10.0.0.1`, "x\n2026-11-22T18:00:00Z coaps refused bad_psk identity=\"y\" from 10.0.0.1",
		"x from 10.0.0.1\r\n", "a\u2028b\u0085c", "\x00\xff", strings.Repeat(`"`, 300), `\x22`, "ümlaut", "<HOST>", "%h",
	}
	for _, identity := range identities {
		log.Warn(coaps.LogHandshakeRefused, "peer", netip.MustParseAddrPort("192.0.2.7:4711"), "reason", "bad_psk", "identity", identity)
	}
	log.Warn(coaps.LogHandshakeRefused, "peer", netip.MustParseAddrPort("[::ffff:192.0.2.7]:4711"), "reason", "bad_psk")
	log.Warn(coaps.LogHandshakeRefused, "peer", netip.MustParseAddrPort("[fe80::7%eth0]:4711"), "reason", "cert_expired")
	log.Warn(coaps.LogRequestDenied, "peer", netip.MustParseAddrPort("10.0.0.1:4711"), "reason", "access") // could be forged
	log.Info(coaps.LogHandshakeAccepted, "peer", netip.MustParseAddrPort("10.0.0.1:4711"))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != len(identities)+2 {
		t.Fatalf("%d lines for %d refusals:\n%s", len(lines), len(identities)+2, text)
	}
	for i, line := range lines {
		match := banFilter.FindStringSubmatch(line)
		want := "192.0.2.7"
		if i == len(lines)-1 {
			want = "fe80::7"
		}
		if match == nil || match[1] != want {
			t.Errorf("%q: %v", line, match)
		}
	}
	if want := ` coaps refused bad_psk identity="sensor-7" from 192.0.2.7`; !strings.HasSuffix(lines[0], want) {
		t.Errorf("%q, want ...%q", lines[0], want)
	}
	if _, err := time.Parse(time.RFC3339, strings.Fields(lines[0])[0]); err != nil {
		t.Error(err)
	}
}

// What is always the same is written a few times and then counted; what differs is
// not held back by it, and the table has an end.
func TestRepeats(t *testing.T) {
	var r repeats
	now := time.Unix(1_000_000, 0)
	f := facts{peer: netip.MustParseAddr("192.0.2.7"), reason: "bad_psk", identity: "x"}
	written := 0
	for range 100 {
		if r.first(now, "m", &f) {
			written++
		}
	}
	if written != repeatsWritten {
		t.Errorf("%d written", written)
	}
	other := f
	other.peer = netip.MustParseAddr("192.0.2.8")
	if !r.first(now, "m", &other) {
		t.Error("another address is held back")
	}
	if held := r.ended(now.Add(time.Second)); held != nil {
		t.Errorf("%v before the end", held)
	}
	held := r.ended(now.Add(repeatWindow))
	if len(held) != 1 || held[0].held != 100-repeatsWritten || len(r.seen) != 0 {
		t.Errorf("%+v", held)
	}
	written = 0
	for i := range 1000 { // what a peer chooses makes no difference
		f.identity = hex.EncodeToString([]byte{byte(i >> 8), byte(i)})
		if r.first(now, "m", &f) {
			written++
		}
	}
	if written != repeatsWritten {
		t.Errorf("%d written of one that has many names", written)
	}
	for i := range 10 * repeatsKept {
		f.peer = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		r.first(now, "m", &f)
	}
	if len(r.seen) > repeatsKept+1 {
		t.Errorf("%d kept", len(r.seen))
	}
	f.reason = "cert_expired"
	if !r.first(now, "m", &f) {
		t.Error("many addresses with one reason hide another reason")
	}
	if r.ended(now.Add(-time.Hour)); len(r.seen) != 0 {
		t.Error("a clock that was set back keeps everything for ever")
	}
}

// A device that makes one session after the other is written down once a second or
// so, and counted; others are not held back by it, however many come at once.
func TestArrivals(t *testing.T) {
	var out testlog.Buffer
	r := newRecorder(slog.NewJSONHandler(&out, nil))
	log := slog.New(r)
	come := func(message, peer, identity string) {
		log.Info(message, "peer", netip.MustParseAddrPort(peer), "identity", identity, "device", identity)
	}
	lines := func() int { return strings.Count(out.String(), "\n") }
	for range 1000 {
		come(coaps.LogHandshakeAccepted, "192.0.2.7:4711", "busy")
		come(coaps.LogAuthorized, "192.0.2.7:4711", "busy")
	}
	if n := lines(); n != 2*arrivalsWritten {
		t.Errorf("%d lines of one device", n)
	}
	for i := range 2 * repeatsKept {
		come(coaps.LogHandshakeAccepted, "192.0.2.7:4711", fmt.Sprint("sensor-", i))
	}
	come(coaps.LogHandshakeAccepted, "192.0.2.8:4711", "busy")
	if n := lines(); n != 2*arrivalsWritten+2*repeatsKept+1 {
		t.Errorf("%d lines after a crowd", n)
	}
	if n := len(r.shared.arrivals.seen); n > repeatsKept {
		t.Errorf("%d kept", n)
	}
	log.Warn(coaps.LogHandshakeRefused, "peer", netip.MustParseAddrPort("192.0.2.9:4711"), "reason", "bad_psk")
	if held := r.shared.repeats.ended(time.Now().Add(2 * repeatWindow)); held != nil || len(r.shared.repeats.seen) != 0 {
		t.Errorf("who comes is among the refused: %+v", held)
	}
	r.flush(time.Now().Add(2 * repeatWindow))
	for _, want := range []string{coaps.LogHandshakeAccepted, coaps.LogAuthorized} {
		line := fmt.Sprintf(`"msg":"repeated","event":%q,"count":%d,"reason":"","peer":"192.0.2.7","identity":"busy","device":"busy"`, want, 1000-arrivalsWritten)
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %s", line)
		}
	}
	come(coaps.LogHandshakeAccepted, "192.0.2.7:4711", "busy")
	if n := lines(); n != 2*arrivalsWritten+2*repeatsKept+1+1+2+1 {
		t.Errorf("%d lines in the next minute", n)
	}
}

// A full disk loses lines and says so; when there is room again, the next line
// begins on a line of its own.
func TestLogFileOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	var l logFile
	l.use(full)
	for range 3 {
		if _, err := l.Write([]byte("line\n")); err == nil {
			t.Fatal("no error")
		}
	}
	if got := l.problem("the audit file"); !strings.Contains(got, "no space left") || !strings.Contains(got, "lines lost: 3") {
		t.Errorf("%q", got)
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	f, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	l.use(f)
	l.part = true
	if _, err := l.Write([]byte("line\n")); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "\nline\n" {
		t.Errorf("%q", text)
	}
	if got := l.problem("x"); got != "" {
		t.Errorf("%q", got)
	}
}

// forms are the ways in which a key could stand in a log.
func forms(key []byte) [][]byte {
	return [][]byte{key, []byte(hex.EncodeToString(key)), []byte(strings.ToUpper(hex.EncodeToString(key))),
		[]byte(base64.StdEncoding.EncodeToString(key))[:len(key)], []byte(base64.RawURLEncoding.EncodeToString(key))[:len(key)]}
}

// A run with everything that touches keys, successful and not, leaves none of them
// in the log, in the audit file, in the ban file, in the status.
func TestNoKeyIsLogged(t *testing.T) {
	const pskText = "A very secret key 1"
	const token = "token-of-sensor-9-000111222333"
	server, err := keys.NewKey(seeded(7))
	if err != nil {
		t.Fatal(err)
	}
	pem, err := keys.MarshalKeyFile(server)
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(liveConfig, "bolt:devices.db", "bolt:devices.db", 1) + `
identity: {rpk: server.key}
clients: {anonymous: true, psk-file: extra.psk}
acl: {rules: ["allow authenticated GET,POST /**"]}
resources: {authorize: {path: /authorize}}
log: {level: debug, audit: audit.log, ban: ban.log, requests: true}
`
	r := start(t, config, map[string]string{"server.key": string(pem), "extra.psk": "extra:" + hex.EncodeToString([]byte(pskText)) + "\n"})
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")
	extra, _ := keys.NewPSK([]byte("extra"), []byte(pskText))
	r.with(&security.Config{ClientPSK: &extra}).want("/hello", "2.05")
	wrong, _ := keys.NewPSK([]byte("sensor-7"), []byte("not the right key, but a secret"))
	r.with(&security.Config{ClientPSK: &wrong}).get("/hello")
	pins := new(keys.Pins)
	pins.AddKey(server.SPKI)
	r.with(&security.Config{Pins: pins}).do(2, "/authorize", []byte(token))
	if _, err := r.UpdateDevice(t.Context(), "", "sensor-7", func(d *registry.Device) error {
		d.Credentials[0].PSK.Key = keys.NewSecret([]byte("another secret key for it"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r.within(2*time.Second, "a changed key", func() bool { return len(r.sessions(SessionFilter{Device: "sensor-7"})) == 0 })
	r.write("extra.psk", "extra:"+hex.EncodeToString([]byte(pskText))+"\nbroken:A very secret key 1\n")
	_, _ = r.client.Reload(t.Context())
	status, err := json.Marshal(r.status())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	audit, _ := os.ReadFile(r.path("audit.log"))
	ban, _ := os.ReadFile(r.path("ban.log"))
	everything := map[string][]byte{"log": []byte(r.log.String()), "audit": audit, "ban": ban, "status": status}
	secrets := [][]byte{[]byte(pskText), wrong.Key.Bytes(), pskOf("sensor-7").Key.Bytes(), []byte("another secret key for it"), []byte(token), []byte(pskText + "\nbroken")[:12]}
	for name, text := range everything {
		if len(text) == 0 {
			t.Errorf("the %s is empty", name)
		}
		for _, secret := range secrets {
			for _, form := range forms(secret) {
				if bytes.Contains(text, form) {
					t.Errorf("the %s has %q", name, form)
				}
			}
		}
	}
	for _, event := range []string{coaps.LogHandshakeAccepted, coaps.LogHandshakeRefused, LogStoreChanged, LogCredentials, LogReloadFailed, LogTokenRefused, LogStarted, LogStopped} {
		if !bytes.Contains(audit, []byte(`"msg":"`+event+`"`)) {
			t.Errorf("the audit file has no %q", event)
		}
	}
	if bytes.Contains(audit, []byte(`"msg":"`+coaps.LogRequest+`"`)) || !strings.Contains(r.log.String(), `"msg":"`+coaps.LogRequest+`"`) {
		t.Error("requests belong into the log and not into the audit file")
	}
	if !bytes.Contains(ban, []byte("coaps refused bad_psk identity=\"sensor-7\" from 127.0.0.1\n")) {
		t.Errorf("ban file: %q", ban)
	}
	for line := range bytes.Lines(audit) {
		if !json.Valid(line) {
			t.Errorf("no JSON: %q", line)
		}
	}
}

// log.requests has lines of what is denied, too; a reload turns it off and on, and
// with it acl.reveal-missing works as without.
func TestRequestsInTheLog(t *testing.T) {
	config := liveConfig + "acl: {reveal-missing: true, rules: [\"allow device:sensor-7 GET /hello\"]}\nlog: {requests: true}\n"
	r := start(t, config, nil)
	r.addDevice("sensor-7")
	p := r.peer("sensor-7")
	logged := func(path, code string) bool {
		return strings.Contains(r.log.String(), `"msg":"request","method":"GET","path":"`+path+`","code":"`+code+`","peer":"127.0.0.1:`)
	}
	for path, code := range map[string]string{"/hello": "2.05", "/time": "4.03", "/nothing": "4.04"} {
		p.want(path, code)
		r.within(time.Second, "the line of "+path, func() bool { return logged(path, code) })
	}
	r.write("coaps.yaml", strings.Replace(config, "requests: true", "requests: false", 1))
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want("/quiet", "4.04")
	r.write("coaps.yaml", config)
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want("/again", "4.04")
	r.within(time.Second, "the line", func() bool { return logged("/again", "4.04") })
	if logged("/quiet", "4.04") {
		t.Error("a line that nobody has asked for")
	}
}

// Refusals are counted whatever the level of the log is, and only what is wanted is
// made into records.
func TestRefusalsAreCountedInAQuietLog(t *testing.T) {
	quiet := slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError})
	r := newRecorder(quiet)
	log := slog.New(r)
	for range 7 {
		log.Warn(coaps.LogHandshakeRefused, "peer", netip.MustParseAddrPort("192.0.2.7:4711"), "reason", "bad_psk")
	}
	if got := r.shared.refusals()["bad_psk"]; got != 7 {
		t.Errorf("%d counted", got)
	}
	if r.Enabled(t.Context(), slog.LevelInfo) {
		t.Error("records are made that nobody reads")
	}
}

// Of refused handshakes the server logs ten a second; the status has the others, too.
func TestRefusalsWithoutLines(t *testing.T) {
	r := newRecorder(slog.DiscardHandler)
	log := slog.New(r)
	log.Warn(coaps.LogHandshakeRefused, "reason", "bad_psk")
	log.Warn(coaps.LogUnlogged, "message", coaps.LogHandshakeRefused, "count", 189)
	log.Warn(coaps.LogUnlogged, "message", coaps.LogRequestDenied, "count", 7)
	log.Warn(coaps.LogUnlogged, "message", coaps.LogHandshakeRefused, "count", 11)
	if got := r.shared.refusals(); len(got) != 2 || got["bad_psk"] != 1 || got[unloggedRefusals] != 200 {
		t.Errorf("%v", got)
	}
}
