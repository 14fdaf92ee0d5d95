// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/internal/load"
)

// bencher is one of the bench commands.
type bencher struct {
	*app
	kind   load.Kind
	client clientFlags
	what   benchRequestFlags
	load   benchLoadFlags
	output benchOutputFlags
}

const benchLong = `Put a load on a server and measure it: many clients in one process, each with a
session of its own, over the same engine as coaps serve. It works against any
CoAP server.

One ordinary connection is made first, so that a wrong key or port is told in
three lines before the load begins. The report goes to stdout; notes, errors
and progress go to stderr. Ctrl-C ends the run early, with the report of what
was done until then and exit code 130.

The exit code is 0 if at least one operation succeeded, else that of the most
frequent failure; --fail-above RATE asks for more, and then a run with a larger
part of failures ends with 9. See docs/bench.md on how to measure honestly.`

func (a *app) benchCommand() *cobra.Command {
	bench := &cobra.Command{
		Use:   "bench",
		Short: "put a load on a server and measure it",
		Long:  benchLong,
		Example: `  coaps bench requests coap://localhost/hello
  coaps bench handshakes --psk-file fleet.psk coaps://localhost
  coaps bench sessions --clients 100000 --server-pid 4711 --psk-file fleet.psk coaps://localhost`,
		GroupID: groupTalk,
		Args:    cobra.ArbitraryArgs,
		RunE:    a.benchOnly,
	}
	bench.AddCommand(a.benchRequests(), a.benchHandshakes(), a.benchSessions())
	return bench
}

// benchOnly runs when no kind of load was recognised.
func (a *app) benchOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	f := usage(cmd, "there is no kind of load %q", hideUserinfo(args[0]))
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return f.try("did you mean coaps bench %s?", near[0])
	}
	return f.try("coaps bench requests, handshakes or sessions, and then the URI")
}

func (a *app) benchRequests() *cobra.Command {
	return a.benchKind(load.Requests, &cobra.Command{
		Use:   "requests URI",
		Short: "requests a second, and how long an answer takes",
		Long: `Connect all clients, and let each ask for the URI, again and again.

In a closed loop, the default, a client asks anew when it has its answer; it has
--window requests in flight. That finds how much a server can do, but a server
that stalls is asked less. With --rate the requests are due at fixed times, and
latency counts from then, so that every stall is seen by all who had to wait
(no coordinated omission): use it to find the latency at a given load.

The figure to compare servers by is the server's CPU time a request, which
--server-pid gives for a server on this machine: unlike requests a second, it
does not depend on how fast this client is.`,
		Example: `  coaps bench requests coap://localhost/hello
  coaps bench requests --psk-file fleet.psk --clients 1000 --rate 20000 coaps://localhost/hello
  coaps bench requests --mix 'GET /time 90, PUT /store/x 10 64B' --duration 1m coap://localhost
  coaps bench requests --server-pid "$(pgrep -x coaps)" --html report.html coap://localhost/time`,
	})
}

func (a *app) benchHandshakes() *cobra.Command {
	return a.benchKind(load.Handshakes, &cobra.Command{
		Use:   "handshakes URI",
		Short: "handshakes a second",
		Long: `Make sessions and close them again, --window of them at a time, or --rate of
them a second. A path in the URI is ignored.`,
		Example: `  coaps bench handshakes --psk-file fleet.psk coaps://localhost
  coaps bench handshakes -M me.key --peer-key server.pub --rate 200 coaps://localhost`,
	})
}

func (a *app) benchSessions() *cobra.Command {
	return a.benchKind(load.Sessions, &cobra.Command{
		Use:   "sessions URI",
		Short: "many sessions at rest, and what each costs",
		Long: `Make --clients sessions, let them rest for --hold, then let each ask once for
the URI, and count those that are still there. With --server-pid the growth of
the server's resident memory is shown for each session.

On loopback every client has a source address of its own out of 127.0.0.0/8, so
that a million fit; see --sources.`,
		Example: `  coaps bench sessions --clients 100000 --psk-file fleet.psk coaps://127.0.0.1/hello
  coaps bench sessions --clients 1000000 --hold 5m --loops 2 --server-pid 4711 -u demo -k @demo.key coaps://127.0.0.1/hello`,
	})
}

// benchKind gives one of the three its flags.
func (a *app) benchKind(kind load.Kind, c *cobra.Command) *cobra.Command {
	b := &bencher{app: a, kind: kind}
	set := c.Flags()
	b.client.register(set)
	b.load.register(set, kind)
	b.what.register(set, kind)
	b.output.register(set)
	completeValues(c, "progress", progressModes)
	c.Args = b.client.uriArgument
	c.RunE = func(cmd *cobra.Command, args []string) error { return b.run(cmd, hideUserinfo(args[0])) }
	return c
}

// bench is one run of it.
type bench struct {
	*bencher
	uri       string
	transport *transport // of the one ordinary connection
	config    load.Config
	mix       []load.Request // as it was asked for, to be shown
	security  *securityReport
	failAbove float64       // 0 to 1; negative: not asked for
	took      time.Duration // from the first connection of the load to the last
}

// run measures, and reports whatever came of it.
func (b *bencher) run(cmd *cobra.Command, uri string) error {
	run := &bench{bencher: b, uri: uri}
	report, err := run.measure(cmd)
	var f *failure
	if err != nil {
		f = asFailure(run.title(), err)
	} else {
		f = run.verdict(report)
	}
	if outputError := run.show(report, f); outputError != nil {
		return outputError
	}
	if f == nil {
		return nil
	}
	return f
}

// title is the beginning of the first line of an error.
func (b *bench) title() string { return "bench " + b.kind.String() + " " + b.uri }

// measure is everything until there is a report, or a reason why there is none.
func (b *bench) measure(cmd *cobra.Command) (*load.Report, error) {
	if err := b.configure(cmd); err != nil {
		return nil, err
	}
	if err := b.open(cmd); err != nil {
		return nil, err
	}
	defer b.transport.close()
	if err := b.preflight(cmd.Context()); err != nil {
		return nil, err
	}
	progress := b.newProgress()
	b.config.Progress = progress.update
	began := time.Now()
	report, err := load.Run(cmd.Context(), b.config)
	b.took = time.Since(began)
	progress.end()
	if err != nil {
		return nil, b.startFailure(err)
	}
	b.complete(report)
	return report, nil
}

// startFailure is for a load that could not begin. What the engine says about
// the settings is about this machine: sockets, addresses, memory.
func (b *bench) startFailure(err error) *failure {
	detail := strings.TrimPrefix(err.Error(), "load: ")
	f := fail("setup", b.title(), "%s", detail).because(err).
		try("fewer --clients, or --sources with more addresses that are this machine's")
	explainSocket(f, err)
	if errors.Is(err, syscall.EMFILE) {
		f.try("ulimit -n %d allows a socket for each client", 1024+b.config.Clients)
	}
	return f
}

// complete puts back into the report what the engine was not told, and says what
// is easily overlooked in it.
func (b *bench) complete(report *load.Report) {
	for i := range report.Config.Mix {
		if i < len(b.mix) {
			report.Config.Mix[i].Path = b.mix[i].Path
		}
	}
	if n := report.Config.Clients; b.kind == load.Requests && report.Connected < n && report.Seconds > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("Only %s of %s had a session when measuring began.", grouped(uint64(report.Connected)), many(n, "client")))
	}
	if silent := silentEnd(report); silent >= 1 && b.kind != load.Sessions {
		report.Notes = append(report.Notes, fmt.Sprintf("Nothing succeeded in the last %s: is the server still there?", seconds(silent)))
	}
}

// silentEnd is how long, in seconds, nothing had succeeded when the run ended.
func silentEnd(report *load.Report) float64 {
	last := 0.0
	for _, each := range report.Series {
		if each.Operations > 0 {
			last = each.At
		}
	}
	if last == 0 {
		return 0 // nothing ever did, which is said elsewhere
	}
	return report.Seconds - last
}

// errNoSession is returned by what cannot be done over coap://.
var errNoSession = errors.New("coap:// has no sessions")

// preflight makes one ordinary connection, and asks once where requests are to
// be measured. It finds the server's address, and gives the good diagnosis.
func (b *bench) preflight(ctx context.Context) error {
	t := b.transport
	limited, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	stop := b.progress("waiting for " + t.uri.Authority())
	defer stop()
	connection, err := t.connect(limited)
	if err == nil {
		peer := connection.Peer()
		b.config.Server, b.security = peer.Addr, reportPeer(&peer)
		err = b.askOnce(limited)
	}
	if err != nil {
		return t.diagnose(ctx, t.failure(b.title(), err))
	}
	_ = t.client.Close()
	return nil
}

// askOnce makes the first request of the mix, or, where none will be made, a
// ping, which shows that somebody is there.
func (b *bench) askOnce(ctx context.Context) error {
	t := b.transport
	if len(b.mix) == 0 {
		_, err := t.client.Ping(ctx, t.uri.String())
		return err
	}
	request, err := b.ordinary(&b.mix[0])
	if err != nil {
		return err
	}
	response, err := t.client.Do(ctx, request)
	if err != nil {
		return err
	}
	if !response.Code.IsSuccess() {
		b.warnf("%s is answered by %s, and such answers will be measured", requestText(&b.mix[0]), response.Code)
	}
	return nil
}
