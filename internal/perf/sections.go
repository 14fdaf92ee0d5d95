// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package perf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (d *document) requests() {
	d.p("\n## Requests")
	d.p("\nA GET answered by 15 bytes, 64 clients, each with an address, a socket and a session of its own and one request in flight. The raw echo")
	d.p("sends 60 bytes back over as many sockets, with the same batched system calls: what no server can do without.")
	var rows [][]string
	for _, s := range d.of("echo", "get-nosec", "get-psk") {
		rows = append(rows, []string{
			names[s.What], s.Subject, d.us(s.What, s.Subject, ServerUs), d.over(s.What, s.Subject, "echo", "echo", ServerUs),
			d.value("%.1f", s.What, s.Subject, ClientUs), d.value("%.0f", s.What, s.Subject, PerSecond),
			d.value("%.0f", s.What, s.Subject, P50Us), d.value("%.0f", s.What, s.Subject, P99Us), d.value("%.0f", s.What, s.Subject, P999Us),
			d.value("%.0f", s.What, s.Subject, Failures),
		})
	}
	d.table("llrrrrrrrr", []string{"request", "server", "server CPU, µs (range)", "× echo", "client CPU, µs", "per second", "p50, µs", "p99, µs", "p99.9, µs", "failures"}, rows)
	d.skipped("echo", "get-nosec", "get-psk")
	d.picture("requests")
}

func (d *document) handshakes() {
	d.p("\n## Handshakes")
	d.p("\nWith cookie, 32 at a time, TLS_PSK_WITH_AES_128_CCM_8 and TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 on P-256, closed by an alert. The")
	d.p("primitives are what the server computes in such a handshake at least, measured in the same round by the standard library.")
	sums := map[string]string{"handshake-rpk": SumRPK, "handshake-cert": SumCert}
	var rows [][]string
	for _, s := range d.of("handshake-psk", "handshake-rpk", "handshake-cert") {
		toPrimitives := "–"
		if sum := sums[s.What]; sum != "" {
			toPrimitives = d.over(s.What, s.Subject, "primitives", "Go", sum)
		}
		rows = append(rows, []string{
			names[s.What], s.Subject, d.us(s.What, s.Subject, ServerUs), toPrimitives, d.value("%.1f", s.What, s.Subject, ClientUs),
			d.value("%.0f", s.What, s.Subject, PerSecond), d.value("%.0f", s.What, s.Subject, Failures),
		})
	}
	d.table("llrrrrr", []string{"mode", "server", "server CPU, µs (range)", "× primitives", "client CPU, µs", "per second", "failures"}, rows)
	d.skipped("handshake-psk", "handshake-rpk", "handshake-cert")
	d.picture("handshakes")
}

// primitives are those of a handshake, in the order in which they happen.
var primitives = []struct{ name, what string }{
	{"ecdh_key_us", "P-256 ephemeral key"}, {"sign_us", "ECDSA P-256 signature"}, {"ecdh_shared_us", "P-256 shared secret, the peer's point checked"},
	{"verify_us", "ECDSA P-256 verification"}, {"prf_us", "PRF: master secret, keys, both Finished"},
	{SumRPK, "**sum, RPK mutual**"}, {"x509_us", "X.509: parse, and verify one link"}, {SumCert, "**sum, certificates mutual**"},
}

func (d *document) records() {
	d.p("\n## Primitives and records")
	var rows [][]string
	for _, p := range primitives {
		if v, ok := d.Median("primitives", "Go", p.name); ok {
			rows = append(rows, []string{p.what, fmt.Sprintf("%.1f", v)})
		}
	}
	d.table("lr", []string{"primitive", "µs"}, rows)
	rows = nil
	for _, p := range []struct{ name, what string }{
		{"seal_ns", "our record, sealed"}, {"open_ns", "our record, opened"}, {RecordNs, "both"}, {GCMNs, "AES-128-GCM of the standard library, sealed and opened"},
	} {
		if v, ok := d.Median("primitives", "Go", p.name); ok {
			rows = append(rows, []string{p.what, fmt.Sprintf("%.0f", v)})
		}
	}
	d.table("lr", []string{"60 bytes", "ns"}, rows)
	d.p("\nA record is a whole one, PSK CCM_8: header, nonce, window and the session's calls included. GCM is the bare AEAD.")
	d.skipped("primitives")
}

func (d *document) memory() {
	d.p("\n## Idle sessions")
	d.p("\nWhat a server grows by, divided by the sessions that were made and then left alone. Live heap is our server's own figure after a")
	d.p("collection, and counts all that a session needs, its entry of %d bytes in the table included; resident is the system's figure before that collection.", tableEntry)
	var rows [][]string
	for _, s := range d.of("idle-psk", "idle-rpk", "idle-cert") {
		name, _, _ := strings.Cut(s.Subject, ",")
		sessions, _ := d.Median(s.What, s.Subject, Sessions)
		rows = append(rows, []string{
			names[s.What], name, count(int(sessions)), d.value("%.0f", s.What, s.Subject, RSSBytes), d.value("%.0f", s.What, s.Subject, HeapBytes),
			d.value("%.0f", s.What, s.Subject, Goroutines), d.value("%.0f", s.What, s.Subject, "made_s"),
		})
	}
	d.table("llrrrrr", []string{"mode", "server", "sessions", "resident, bytes", "live heap, bytes", "goroutines", "made in, s"}, rows)
	d.skipped("idle-psk", "idle-rpk", "idle-cert")
	d.picture("memory")
}

func (d *document) beside() {
	rows := d.of("get-psk-beside", "get-psk-beside-half")
	if len(rows) == 0 {
		return
	}
	d.p("\n## Requests beside idle sessions")
	d.p("\n64 sessions ask while the others rest: as often as they can (closed loop), and at half of that rate at times fixed beforehand, so that a pause")
	d.p("counts for every request that it delays (open loop).")
	rate := map[string]string{"get-psk-beside": "as can be", "get-psk-beside-half": "half"}
	var table [][]string
	for _, s := range rows {
		table = append(table, []string{
			s.Subject, rate[s.What], d.us(s.What, s.Subject, ServerUs), d.value("%.0f", s.What, s.Subject, PerSecond), d.value("%.0f", s.What, s.Subject, P50Us),
			d.value("%.0f", s.What, s.Subject, P99Us), d.value("%.0f", s.What, s.Subject, P999Us), d.value("%.0f", s.What, s.Subject, MaxUs), d.value("%.0f", s.What, s.Subject, Failures),
		})
	}
	d.table("llrrrrrrr", []string{"server", "rate", "server CPU, µs (range)", "per second", "p50, µs", "p99, µs", "p99.9, µs", "max, µs", "failures"}, table)
}

func (d *document) flood() {
	rows := d.of("flood")
	if len(rows) == 0 {
		return
	}
	d.p("\n## Flood")
	d.p("\n64 sessions ask while one process sends, as fast as it can and from random addresses, ClientHellos, ClientHellos with a forged cookie, records of")
	d.p("sessions that do not exist, plain CoAP, and noise, to the secure port, from when all sessions are established. It shares the clients' core, which alone costs them throughput; so the same flood is")
	d.p("also sent to a socket that nobody reads, and the goal is a ratio to that. The server has its default limits.")
	var table [][]string
	for _, s := range rows {
		table = append(table, []string{
			s.Subject, d.value("%.0f", s.What, s.Subject, PerSecond), d.value("%.0f", s.What, s.Subject, FloodRate), d.value("%.0f", s.What, s.Subject, P50Us),
			d.value("%.0f", s.What, s.Subject, P999Us), d.value("%.0f", s.What, s.Subject, "retransmissions"), d.value("%.0f", s.What, s.Subject, Failures),
			d.mebibytes(s.What, s.Subject, "rss_after_bytes"),
		})
	}
	d.table("lrrrrrrr", []string{"", "requests a second", "flood a second", "p50, µs", "p99.9, µs", "retransmissions", "failures", "server's memory, MiB"}, table)
	d.skipped("flood")
	d.dropped()
}

// dropped lists what the server says it did with the flood.
func (d *document) dropped() {
	s := d.Find("flood", Flood)
	if s == nil || len(s.Rounds) == 0 {
		return
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(s.Rounds[len(s.Rounds)-1])) {
		if drop, ok := strings.CutPrefix(name, Dropped); ok {
			words = append(words, fmt.Sprintf("%s %s", drop, count(int(s.Rounds[len(s.Rounds)-1][name]))))
		}
	}
	if len(words) > 0 {
		d.p("\nThe server's counters over the last round of it: %s.", strings.Join(words, ", "))
	}
}

func (d *document) mebibytes(what, subject, name string) string {
	v, ok := d.Median(what, subject, name)
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%.1f", v/(1<<20))
}

func (d *document) method() {
	d.p("\n## How it is measured")
	d.p("\n- One load generator (`internal/load`, the engine of `coaps bench`) asks every server, from its own core; it offers the mandatory cipher suite of the mode and nothing")
	d.p("  else, so every server negotiates the same.")
	d.p("- Each round starts every server anew and does all measures of that server; who begins changes from round to round, the echo always runs just before our server. Each measure warms up before it counts.")
	d.p("- pion has no CoAP: `tools/peers/pion` answers any request with a piggybacked response, and does less than a CoAP server has to. libcoap answers `/time`.")
	d.p("- A core that is busy all the time receives many datagrams with a call, whoever wrote the server. Where the client is slower than the server, the server wakes up")
	d.p("  more often and pays for it; so figures of fast servers err upwards.")
	d.p("- Primitives are measured by CPU time too, in a loop that has caches and branch predictor for itself.")
	d.p("- Our server runs with its defaults, but that `-fleet` takes away the limits of handshakes a second: the load comes from few addresses and stops for nothing.")
	d.p("  Like `coaps serve` it collects garbage when the heap has grown by half (GOGC=50).")
	d.p("\nAny line can be had by hand, of any server of which the process is known:")
	d.p("\n```")
	d.p("coaps bench requests --clients 64 --duration 2s --server-pid PID -u bench -k KEY --cipher TLS_PSK_WITH_AES_128_CCM_8 coaps://127.0.0.1:PORT/inline")
	d.p("coaps bench handshakes --clients 64 --window 32 --duration 2s --server-pid PID -u bench -k KEY --cipher TLS_PSK_WITH_AES_128_CCM_8 coaps://127.0.0.1:PORT/")
	d.p("coaps bench sessions --clients 100000 --hold 12s --server-pid PID -u bench -k KEY --cipher TLS_PSK_WITH_AES_128_CCM_8 coaps://127.0.0.1:PORT/inline")
	d.p("```")
}

func (d *document) programs() {
	d.p("\n## Programs")
	var rows [][]string
	for _, p := range d.Programs {
		command := "`" + p.Command + "`"
		if p.Skipped != "" {
			command = "skipped: " + p.Skipped
		}
		rows = append(rows, []string{p.Name, p.Version, strings.ReplaceAll(command, "\n", " ")})
	}
	d.table("lll", []string{"server", "version", "command"}, rows)
	var notes []string
	for _, s := range d.Series {
		for _, n := range s.Notes {
			notes = append(notes, fmt.Sprintf("%s, %s: %s", names[s.What], s.Subject, n))
		}
	}
	if len(notes) > 0 {
		d.p("\nSuites as negotiated: %s.", strings.Join(notes, "; "))
	}
}
