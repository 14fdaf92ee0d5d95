// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/load"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// configure checks the flags and makes the load's configuration of them, but
// for what only the first connection tells.
func (b *bench) configure(cmd *cobra.Command) error {
	if err := oneOf("progress", b.output.progress, progressModes...); err != nil {
		return usage(cmd, "%v", err)
	}
	if err := b.load.check(cmd); err != nil {
		return err
	}
	f := &b.load
	b.config = load.Config{
		Kind: b.kind, Clients: f.clients, Window: f.window, Rate: f.rate, Loops: f.loops, Sockets: f.sockets,
		Duration: f.duration, Count: f.count, Warmup: f.warmup, Ramp: f.ramp,
		Hold: f.hold, Touch: f.touch, Abandon: f.keepOpen,
		Seed: f.seed, ServerPID: f.serverPID, Timeout: b.what.timeout, MTU: b.client.dtls.mtu, Timers: timersFor(b.what.timeout),
	}
	f.settleTimes(cmd, &b.config)
	for _, step := range []func(*cobra.Command) error{b.configureLoss, b.configureSources, b.configureMix, b.configureVerdict, b.checkServerPID} {
		if err := step(cmd); err != nil {
			return err
		}
	}
	return b.checkHTML()
}

// Bounds of the load. A client has 2^16 Message IDs for the 247 s of
// EXCHANGE_LIFETIME (RFC 7252 section 4.8.2); its sources are found by a number of 24
// bits.
const (
	maxClients = 1 << 24
	maxWindow  = 256
)

// check refuses numbers that mean nothing.
func (f *benchLoadFlags) check(cmd *cobra.Command) error {
	switch {
	case f.clients < 1 || f.clients > maxClients:
		return usage(cmd, "--clients %d: 1 to %d are possible", f.clients, maxClients)
	case f.window < 1 || f.window > maxWindow:
		return usage(cmd, "--window %d: 1 to %d are possible", f.window, maxWindow)
	case !(f.rate >= 0) || f.rate > 1e9:
		return usage(cmd, "--rate %v: a number a second is needed", f.rate)
	case f.rate > 0 && cmd.Flags().Changed("window"):
		return usage(cmd, "--rate and --window exclude each other: an open loop has no window")
	case f.loops < 1, f.sockets < 0:
		return usage(cmd, "--loops and --sockets count from 1")
	case f.duration < 0, f.warmup < 0, f.ramp < 0, f.hold < 0:
		return usage(cmd, "a time cannot be negative")
	case f.duration == 0 && f.count == 0 && cmd.Flags().Lookup("duration") != nil:
		return usage(cmd, "--duration 0s: it would never end").try("--duration 10s, or --count N")
	}
	return nil
}

// settleTimes gives the default of --warmup, and lets --count end a run alone.
func (f *benchLoadFlags) settleTimes(cmd *cobra.Command, config *load.Config) {
	if f.count > 0 && !cmd.Flags().Changed("duration") {
		config.Duration = 0
	}
	if cmd.Flags().Lookup("warmup") != nil && !cmd.Flags().Changed("warmup") {
		config.Warmup = min(config.Duration/10, time.Second)
	}
}

// configureLoss reads --loss, of which the numbers of single datagrams mean
// nothing here, and --reorder.
func (b *bench) configureLoss(cmd *cobra.Command) error {
	if spec := b.client.network.loss; spec != "" {
		loss, err := parseLoss(spec)
		if err == nil && len(loss.ordinal) > 0 {
			err = errors.New("a percentage is needed here, not the numbers of datagrams")
		}
		if err != nil {
			return usage(cmd, "--loss: %v", err).try("--loss 1%%, or --loss 1%%,seed=7")
		}
		b.config.Loss = loss.rate
		if strings.Contains(spec, "seed=") && !cmd.Flags().Changed("seed") {
			b.config.Seed = loss.seed
		}
		b.client.network.loss = "" // the first connection is spared
	}
	var err error
	if b.config.Reorder, err = parsePart(b.load.reorder); err != nil {
		return usage(cmd, "--reorder: %v", err)
	}
	return nil
}

// parsePart reads a part of a whole: 1% or 0.01. Empty is 0.
func parsePart(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	digits, percent := strings.CutSuffix(text, "%")
	part, err := strconv.ParseFloat(digits, 64)
	if percent {
		part /= 100
	}
	if err != nil || !(part >= 0 && part <= 1) {
		return 0, fmt.Errorf("%q is not a part of a whole: 1%% or 0.01", text)
	}
	return part, nil
}

// configureSources reads --sources, or --bind as a single one.
func (b *bench) configureSources(cmd *cobra.Command) error {
	if bind := b.client.network.bind; bind != "" {
		addr, err := netip.ParseAddr(bind)
		if err != nil || !addr.Is4() {
			return usage(cmd, "--bind %q: an IPv4 address without a port is needed here", bind).try("--bind ADDR, or --sources for many")
		}
		if len(b.load.sources) > 0 {
			return usage(cmd, "--bind and --sources exclude each other")
		}
		b.config.Sources = []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}
		return nil
	}
	for _, text := range b.load.sources {
		prefix, err := parseSource(text)
		if err != nil {
			return usage(cmd, "--sources %q: an IPv4 address or a prefix such as 10.0.0.0/24 is needed", text)
		}
		b.config.Sources = append(b.config.Sources, prefix)
	}
	return nil
}

func parseSource(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "/") {
		text += "/32"
	}
	prefix, err := netip.ParsePrefix(text)
	if err == nil && !prefix.Addr().Is4() {
		err = errors.New("not an IPv4 prefix")
	}
	return prefix.Masked(), err
}

// configureMix finds what is to be asked for: --mix, else -m and the path of the
// URI, which is read later.
func (b *bench) configureMix(cmd *cobra.Command) error {
	w := &b.what
	if w.payloadSize < 0 || w.payloadSize > maxPayload {
		return usage(cmd, "--payload-size %d: 0 to %d bytes are possible", w.payloadSize, maxPayload)
	}
	if w.mix == "" {
		return nil
	}
	for _, name := range []string{"method", "payload-size"} {
		if cmd.Flags().Changed(name) {
			return usage(cmd, "--mix and --%s exclude each other: an entry says it itself", name).try(mixAdvice)
		}
	}
	var err error
	if b.mix, err = parseMix(w.mix, w.non); err != nil {
		return usage(cmd, "--mix: %v", err).try(mixAdvice)
	}
	return nil
}

func (b *bench) configureVerdict(cmd *cobra.Command) error {
	b.failAbove = -1
	if b.load.failAbove == "" {
		return nil
	}
	var err error
	if b.failAbove, err = parsePart(b.load.failAbove); err != nil {
		return usage(cmd, "--fail-above: %v", err)
	}
	return nil
}

// checkServerPID looks for the process now, rather than at the end of the run.
func (b *bench) checkServerPID(cmd *cobra.Command) error {
	pid := b.load.serverPID
	if pid == 0 {
		return nil
	}
	if pid < 0 {
		return usage(cmd, "--server-pid %d is no process", pid)
	}
	if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil {
		detail := fmt.Sprintf("process %d: %v", pid, rootCause(err))
		if errors.Is(err, fs.ErrNotExist) {
			detail = fmt.Sprintf("there is no process %d here", pid)
		}
		return fail("file_unreadable", b.title(), "%s", detail).because(err).
			try("ss -ulpn shows who listens on which port; leave --server-pid out for a server on another machine")
	}
	return nil
}

// checkHTML tries the page's file now: a run may take an hour.
func (b *bench) checkHTML() error {
	path := b.output.html
	if path == "" {
		return nil
	}
	_, missing := os.Stat(path)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fail("file_unwritable", "cannot write the report to "+path, "%v", rootCause(err)).because(err)
	}
	_ = file.Close()
	if missing != nil {
		_ = os.Remove(path) // until there is something to write
	}
	return nil
}

// open makes the client of the first connection, and from its credentials those
// of all others.
func (b *bench) open(cmd *cobra.Command) error {
	psks, err := b.ownIdentities()
	if err != nil {
		return err
	}
	if len(psks) > 1 {
		b.client.identity.identity = string(psks[0].Identity)
	}
	t, err := b.client.open(b.app, cmd, b.uri, b.what.timeout)
	if err != nil {
		return err
	}
	b.transport = t
	if !t.uri.Secure() && b.kind != load.Requests {
		t.close()
		secure := t.uri
		secure.Scheme = "coaps"
		secure.Port++ // the usual place of the secure port
		return usage(cmd, "%v", errNoSession).try("%s %s, with -u and -k, -M and --peer-key, or -C", cmd.CommandPath(), secure.String())
	}
	b.config.Secure = t.uri.Secure()
	if config := t.client.Security; config != nil {
		b.config.Security = func(int) *security.Config { return config }
		b.config.Host = t.uri.Host
		if name := b.client.dtls.sni; name != "" && name != "off" {
			b.config.Host = name
		}
		if len(psks) > 1 {
			b.config.PSK = func(client int) (identity, key []byte) {
				psk := &psks[client%len(psks)]
				return psk.Identity, psk.Key.Bytes()
			}
		}
	}
	return b.resolveMix(cmd)
}

// ownIdentities are the keys of --psk-file where no -u picks one: each client
// has one of them.
func (b *bench) ownIdentities() ([]keys.PSK, error) {
	f := &b.client.identity
	if f.pskFile == "" || f.identity != "" || f.psk != "" {
		return nil, nil
	}
	psks, err := b.readPSKFile(f.pskFile)
	if err != nil {
		return nil, pskFileFailure(f.pskFile, err)
	}
	return psks, nil
}

// resolveMix makes the requests of the flags and the URI. Options that are the
// same in all of them, the name of the host among them (RFC 7252 section 6.4),
// go with every request.
func (b *bench) resolveMix(cmd *cobra.Command) error {
	if b.kind == load.Handshakes {
		return nil
	}
	if b.mix == nil {
		method, err := parseMethod(b.what.method)
		if err != nil {
			return usage(cmd, "--method: %v", err)
		}
		own := b.transport.uri
		b.mix = []load.Request{{Weight: 1, Method: method, Path: pathOf(&own), PayloadSize: b.what.payloadSize, NonConfirmable: b.what.non}}
	}
	extra, err := b.extraOptions()
	if err != nil {
		return optionFailure(cmd, err)
	}
	for _, shown := range b.mix {
		request, err := b.withOptions(shown, extra)
		if err != nil {
			return usage(cmd, "--mix: %s: %v", shown.Path, err)
		}
		b.config.Mix = append(b.config.Mix, request)
	}
	return nil
}

// extraOptions are those of -t, -A and -O.
func (b *bench) extraOptions() (coap.OptionList, error) {
	flags := messageFlags{contentFormat: b.what.contentFormat, accept: b.what.accept, options: b.what.options}
	return flags.optionList()
}

// withOptions writes a request's options out: those of its path, those of the
// flags, and Uri-Host where the server was named.
func (b *bench) withOptions(r load.Request, extra coap.OptionList) (load.Request, error) {
	uri, err := b.uriFor(r.Path)
	if err != nil {
		return r, err
	}
	options := append(uri.Options(true), extra...)
	options.Sort()
	r.Options, r.Path = options.Encode(nil), ""
	return r, nil
}

// uriFor is the URI of another path on the same server.
func (b *bench) uriFor(path string) (coap.URI, error) {
	base := b.transport.uri
	base.Path, base.Query = nil, nil
	uri, err := coap.ParseURI(base.Scheme + "://" + base.Authority() + path)
	if e, ok := errors.AsType[*coap.URIError](err); ok {
		err = e.Err
	}
	return uri, err
}

// pathOf is the path of a URI, with its query.
func pathOf(uri *coap.URI) string {
	text := uri.String()
	_, rest, _ := strings.Cut(text, "://")
	if at := strings.IndexAny(rest, "/?"); at >= 0 {
		return rest[at:]
	}
	return "/"
}

// ordinary is a request of the mix for the client of the first connection.
func (b *bench) ordinary(r *load.Request) (*coaps.Request, error) {
	uri, err := b.uriFor(r.Path)
	if err != nil {
		return nil, err
	}
	extra, err := b.extraOptions()
	if err != nil {
		return nil, err
	}
	return &coaps.Request{Method: r.Method, URI: uri.String(), NonConfirmable: r.NonConfirmable, Options: extra,
		Payload: make([]byte, r.PayloadSize)}, nil
}
