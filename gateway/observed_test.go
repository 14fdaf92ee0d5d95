// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// following is an observation of a test device.
type following struct {
	*peer
	*coaps.Observation
	path string
}

// follow has a device observe.
func (p *peer) follow(path string, options ...coap.Option) *following {
	p.Helper()
	o, err := p.client.Observe(p.Context(), &coaps.Request{URI: "coaps://" + p.secure.String() + path, Options: options})
	if err != nil {
		p.Fatalf("observe %s: %v", path, err)
	}
	p.Cleanup(func() { o.Close() })
	return &following{p, o, path}
}

// next is the next response, as "2.05 payload".
func (f *following) next() string {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 10*time.Second)
	defer cancel()
	r, err := f.Next(ctx)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(r.Code.Dotted()+" "+string(r.Payload), " ")
}

func (f *following) wants(responses ...string) {
	f.Helper()
	for _, want := range responses {
		if got := f.next(); !strings.HasPrefix(got, want) {
			f.Fatalf("%s: %s, want %s", f.path, got, want)
		}
	}
}

// becomes waits for a response; the one before it may come more than once.
func (f *following) becomes(want string) {
	f.Helper()
	before := ""
	for {
		got := f.next()
		if strings.HasPrefix(got, want) {
			return
		}
		if before != "" && got != before {
			f.Fatalf("%s: %s, want %s", f.path, got, want)
		}
		before = got
	}
}

func (p *peer) put(path, payload string) {
	p.Helper()
	if got := p.do(coap.PUT, path, []byte(payload)); !strings.HasPrefix(got, "2.") {
		p.Fatalf("PUT %s: %s", path, got)
	}
}

const (
	everybody   = "acl: {rules: [\"allow authenticated * /**\"]}\n"
	withStore   = "resources: {store: {path: /store/}}\n"
	notObserves = ", want the answer of one who does not observe"
)

// What one device PUTs another gets, with a session of its own; what it DELETEs ends
// that. The operator sees how much.
//
// Proves rfc7641 §4.2: "in the event that the state of a resource changes in a way that
// would cause a normal GET request at that time to return a non-2.xx response (for
// example, when the resource is deleted), the server SHOULD notify the client by sending
// a notification with an appropriate response code (such as 4.04 Not Found)"
func TestObserveStore(t *testing.T) {
	r := start(t, liveConfig+everybody+withStore, nil)
	r.addDevice("sensor-7")
	r.addDevice("panel-1")
	sensor, panel := r.peer("sensor-7"), r.peer("panel-1")
	sensor.put("/store/temp", "20")
	f, list := panel.follow("/store/temp"), panel.follow("/store/")
	f.wants("2.05 20")
	list.wants("2.05 </store/temp>;sz=2")
	sensor.put("/store/temp", "21")
	f.wants("2.05 21")
	sensor.put("/store/hum", "40.5")
	list.wants("2.05 </store/hum>;sz=4,</store/temp>;sz=2")

	if s := r.sessions(SessionFilter{Device: "panel-1"}); len(s) != 1 || s[0].Observes != 2 {
		t.Errorf("%+v", s)
	}
	r.within(5*time.Second, "acknowledged", func() bool { return r.status().Observers.Acknowledged >= 2 })
	if s := r.status(); s.Observers.Now != 2 || s.Observers.Begun != 2 || s.Observers.Notifications < 2 || s.Listeners[0].Observers != 2 {
		t.Errorf("%+v", s.Observers)
	}
	if got := sensor.do(coap.DELETE, "/store/temp", nil); got != "2.02" {
		t.Fatal(got)
	}
	f.wants("4.04", "EOF")
	list.wants("2.05 </store/hum>;sz=4")
	r.within(5*time.Second, "off the list", func() bool { return r.status().Observers.Now == 1 })
	if s := r.status(); s.Observers.Ended["failed"] != 1 {
		t.Errorf("%+v", s.Observers)
	}
	if !strings.Contains(r.log.String(), `"msg":"`+coaps.LogObservationEnded+`"`) {
		t.Error("the log does not say it")
	}
}

// Another Content-Format ends an observation, and 2.03 does not.
//
// Proves rfc7641 §4.2: "If the server is unable to continue sending notifications in
// this format, it SHOULD send a notification with a 4.06 (Not Acceptable) response code
// and subsequently MUST remove the associated entry from the list of observers of the
// resource."
// Proves rfc7641 §4.3.2: "the server MAY send a 2.03 (Valid) response with an appropriate
// ETag Option instead"
func TestObserveFormatAndETag(t *testing.T) {
	r := start(t, liveConfig+everybody+withStore, nil)
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	put := func(payload string, format byte) []byte {
		response, err := sensor.client.Do(t.Context(), &coaps.Request{Method: coap.PUT, URI: "coaps://" + r.secure.String() + "/store/x", Payload: []byte(payload),
			Options: coap.OptionList{{Number: coap.ContentFormatOption, Value: []byte{format}}}})
		if err != nil {
			t.Fatal(err)
		}
		tag, _ := response.Options.Get(coap.ETag)
		return tag
	}
	tag := put("one", 50)
	known := coap.Option{Number: coap.ETag, Value: tag}
	fresh := sensor.follow("/store/x", known)
	fresh.wants("2.03")
	put("two", 50)
	fresh.wants("2.05 two")
	stale := r.peer("sensor-7").follow("/store/x", known) // a client registers once for a resource
	stale.wants("2.05 two")
	put("one", 50)
	fresh.wants("2.03")
	stale.wants("2.03")
	put("one", 60)
	for _, f := range []*following{fresh, stale} {
		f.wants("4.06", "EOF")
	}
}

// A file that is replaced or removed is told of; while nobody observes, nobody
// looks.
func TestObserveFiles(t *testing.T) {
	r := start(t, strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", poll: 100ms}", 1)+everybody+
		"resources: {files: [{path: /fw/, dir: fw}], max-age: 2h}\n", map[string]string{"fw/version.txt": "1.0", "fw/b.txt": "b"})
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	f, list := sensor.follow("/fw/version.txt"), sensor.follow("/fw/")
	f.wants("2.05 1.0")
	list.wants("2.05 </fw/b.txt>;sz=1;ct=0,</fw/version.txt>;sz=3;ct=0")
	r.write("fw/version.txt", "1.0.1")
	f.wants("2.05 1.0.1")
	if got := list.next(); !strings.Contains(got, "version.txt>;sz=5") && !strings.Contains(list.next(), "version.txt>;sz=5") {
		t.Errorf("the list: %s", got)
	}
	r.remove("fw/version.txt")
	f.wants("4.04", "EOF")
}

// A directory that is replaced as a whole, by a link that is switched or by renaming,
// is opened anew, and who observes a file in it is told; one with a key in it is not.
func TestDirectoryThatIsReplaced(t *testing.T) {
	_, key := keyFile(1)
	r := start(t, strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", poll: 100ms}", 1)+everybody+
		"identity: {rpk: keys/server.key}\nresources: {files: [{path: /fw/, dir: fw}]}\n",
		map[string]string{"one/version.txt": "1", "two/version.txt": "2", "three/version.txt": "3", "fw/version.txt": "0", "keys/server.key": key, "keys/version.txt": "4"})
	r.addDevice("sensor-7")
	f := r.peer("sensor-7").follow("/fw/version.txt")
	f.wants("2.05 0")
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(r.path(from), r.path(to)); err != nil {
			t.Fatal(err)
		}
	}
	point := func(to string) {
		t.Helper()
		if err := os.Symlink(to, r.path("next")); err != nil {
			t.Fatal(err)
		}
		rename("next", "fw")
	}
	rename("fw", "old")
	rename("one", "fw")
	f.becomes("2.05 1")
	rename("fw", "one")
	point("two")
	f.becomes("2.05 2")
	point("three")
	f.becomes("2.05 3")
	point("keys")
	r.within(10*time.Second, "refused", func() bool { return strings.Contains(r.status().Reload.Error, "would be served") })
	point("one")
	f.becomes("2.05 1")
	r.within(10*time.Second, "good again", func() bool { return r.status().Reload.OK })
}

// A rule that is taken away in the file and reloaded ends the observation, not the
// session; a resource that is taken away too; what stays goes on.
func TestReloadWhileObserved(t *testing.T) {
	rules := "acl: {rules: [\"allow authenticated GET,PUT,OBSERVE /store/**\", \"allow authenticated GET,OBSERVE /fw/**\", \"allow group:clocks GET,OBSERVE /time\"]}\n"
	both := "resources: {store: {path: /store/}, files: [{path: /fw/, dir: fw}]}\n"
	r := start(t, liveConfig+rules+both, map[string]string{"fw/a.txt": "a"})
	r.addDevice("sensor-7", "clocks")
	sensor := r.peer("sensor-7")
	sensor.put("/store/x", "1")
	stored, file, clock := sensor.follow("/store/x"), sensor.follow("/fw/a.txt"), sensor.follow("/time")
	stored.wants("2.05 1")
	file.wants("2.05 a")
	clock.wants("2.05", "2.05")
	reload := func(config string) {
		t.Helper()
		r.write("coaps.yaml", config)
		if _, err := r.client.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	reload(strings.Replace(liveConfig+rules+both, ", \"allow group:clocks GET,OBSERVE /time\"", "", 1))
	last := clock.next()
	for strings.HasPrefix(last, "2.05") {
		last = clock.next()
	}
	if !strings.HasPrefix(last, "4.03") {
		t.Errorf("/time: %s", last)
	}
	if log := r.log.String(); !strings.Contains(log, `"reason":"access"`) || !strings.Contains(log, `"rule":"no rule"`) {
		t.Error("the log does not say by which rule")
	}
	reload(liveConfig + rules + "resources: {store: {path: /store/, total: 100000}}\n")
	file.wants("4.04", "EOF")
	sensor.put("/store/x", "2")
	stored.wants("2.05 2")
	reload(liveConfig + rules)
	stored.wants("4.04", "EOF")
	if s := r.status(); s.Listeners[0].Handshakes != 1 || s.Listeners[0].Sessions != 1 || s.Observers.Now != 0 || s.Observers.Ended["denied"] != 1 {
		t.Errorf("%+v %+v", s.Listeners, s.Observers)
	}
}

// Without OBSERVE, and beyond the limits, an observer is answered once.
//
// Proves rfc7641 §4.1: "The resulting response MUST NOT include an Observe Option, the
// absence of which signals to the client that it will not be notified of changes to the
// resource"
func TestObserveRefused(t *testing.T) {
	limited := strings.Replace(liveConfig, "loops: 1", "loops: 1, peer-observers: 1", 1)
	none := strings.Replace(liveConfig, "loops: 1", "loops: 1, observers: 0", 1)
	for name, config := range map[string]string{
		"no right": liveConfig + "acl: {rules: [\"allow authenticated PUT,GET /**\"]}\n",
		"too many": limited + everybody,
		"nobody":   none + everybody,
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, config+withStore, nil)
			r.addDevice("sensor-7")
			sensor := r.peer("sensor-7")
			sensor.put("/store/x", "1")
			begun := 0
			if name == "too many" {
				sensor.put("/store/y", "2")
				sensor.follow("/store/y").wants("2.05 2")
				begun = 1
			}
			f := sensor.follow("/store/x")
			f.wants("2.05 1", "EOF")
			if s := r.status(); s.Observers.Now != begun || s.Observers.Refused != 1 {
				t.Errorf("%+v%s", s.Observers, notObserves)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// on-revoke: forbid ends what a disabled device observes and keeps its session; it
// may observe again when it is good again.
func TestObserveForbidden(t *testing.T) {
	r := start(t, liveConfig+"acl: {on-revoke: forbid, rules: [\"allow authenticated * /**\"]}\n"+withStore, nil)
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	sensor.put("/store/x", "1")
	f := sensor.follow("/store/x")
	f.wants("2.05 1")
	disable := func(disabled bool) {
		t.Helper()
		if _, err := r.UpdateDevice(t.Context(), "", "sensor-7", func(d *registry.Device) error { d.Disabled = disabled; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	disable(true)
	f.wants("4.03")
	disable(false)
	r.within(5*time.Second, "good again", func() bool { return sensor.get("/store/x") == "2.05" })
	f = sensor.follow("/store/x")
	f.wants("2.05 1")
	sensor.put("/store/x", "2")
	f.wants("2.05 2")
	if s := r.sessions(SessionFilter{}); len(s) != 1 || s[0].Observes != 1 {
		t.Errorf("%+v", s)
	}
}

// A fleet of observers of one resource all get what it becomes in the end.
func TestManyObservers(t *testing.T) {
	r := start(t, liveConfig+everybody+withStore, nil)
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	sensor.put("/store/x", "0")
	var all []*following
	for i := range 20 {
		name := fmt.Sprintf("panel-%d", i)
		r.addDevice(name)
		all = append(all, r.peer(name).follow("/store/x"))
	}
	for i := range 50 {
		sensor.put("/store/x", fmt.Sprint(i+1))
	}
	for _, f := range all {
		got := f.next()
		for strings.HasPrefix(got, "2.05") && got != "2.05 50" {
			got = f.next()
		}
		if got != "2.05 50" {
			t.Errorf("%s", got)
		}
	}
}

// Sessions that sleep observe, and hear of changes and of their end.
func TestObserversAsleep(t *testing.T) {
	r := start(t, strings.Replace(liveConfig, "loops: 1", "loops: 1, sleep-after: 50ms, awake: 1", 1)+withStore, nil)
	id := r.allow("allow authenticated GET,PUT,OBSERVE /store/**")
	r.allow("allow device:sensor-7 PUT /store/**")
	for _, name := range []string{"sensor-7", "panel-1", "panel-2", "panel-3"} {
		r.addDevice(name)
	}
	sensor := r.peer("sensor-7")
	sensor.put("/store/x", "1")
	var all []*following
	for _, name := range []string{"panel-1", "panel-2", "panel-3"} {
		f := r.peer(name).follow("/store/x")
		f.wants("2.05 1")
		all = append(all, f)
	}
	asleep := func() (n int) {
		for _, s := range r.sessions(SessionFilter{}) {
			if s.Asleep && s.Observes == 1 {
				n++
			}
		}
		return n
	}
	r.within(10*time.Second, "asleep", func() bool { return asleep() >= 2 })
	sensor.put("/store/x", "2")
	for _, f := range all {
		f.wants("2.05 2")
	}
	r.within(10*time.Second, "asleep again", func() bool { return asleep() >= 2 })
	if err := r.RemoveRule(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		f.wants("4.03", "EOF")
	}
	sensor.put("/store/x", "3")
	if s := r.status(); s.Observers.Now != 0 || s.Observers.Ended["denied"] != 3 || s.Listeners[0].Sessions != 4 {
		t.Errorf("%+v %+v", s.Observers, s.Listeners)
	}
}

// Who observes as nobody and then shows a token is decided about anew, and so is he
// when the token is taken back.
func TestObserveAndAuthorize(t *testing.T) {
	server, serverKey := keyFile(1)
	r := start(t, liveConfig+`
identity: {rpk: server.key}
clients: {anonymous: true}
acl: {rules: ["allow anonymous GET,OBSERVE /time", "allow mode:token GET,OBSERVE /store/**", "allow device:sensor-7 PUT /store/**"]}
resources: {authorize: {path: /authorize, within: 1m}, store: {path: /store/}}
`, map[string]string{"server.key": serverKey})
	const token = "0123456789abcdef0123456789abcdef"
	sum := sha256.Sum256([]byte(token))
	if _, err := r.AddDevice(t.Context(), registry.Device{Name: "phone", Credentials: []registry.Credential{{Token: &registry.Token{SHA256: sum[:]}}}}); err != nil {
		t.Fatal(err)
	}
	r.addDevice("sensor-7")
	r.peer("sensor-7").put("/store/x", "1")
	pins := new(keys.Pins)
	pins.AddKey(server.SPKI)
	phone := r.with(&security.Config{Pins: pins})
	clock := phone.follow("/time")
	clock.wants("2.05")
	if got := phone.do(coap.POST, "/authorize", []byte(token)); got != "2.04" {
		t.Fatalf("the token: %s", got)
	}
	last := clock.next()
	for strings.HasPrefix(last, "2.05") {
		last = clock.next()
	}
	if last != "4.03" {
		t.Errorf("what nobody may: %s", last)
	}
	stored := phone.follow("/store/x")
	stored.wants("2.05 1")
	r.peer("sensor-7").put("/store/x", "2")
	stored.wants("2.05 2")
	if err := r.RemoveDevice(t.Context(), "", "phone"); err != nil {
		t.Fatal(err)
	}
	r.within(10*time.Second, "the session is gone", func() bool {
		return len(r.sessions(SessionFilter{Device: "phone"})) == 0 && r.status().Observers.Ended["disconnected"] == 1
	})
}
