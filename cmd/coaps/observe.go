// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
)

// observer is the observe command: a get that goes on.
type observer struct {
	requester
	span  time.Duration
	count int

	file *os.File // of -o; nil: stdout
}

func (a *app) observeCommand() *cobra.Command {
	o := &observer{requester: requester{app: a, method: coap.GET}}
	c := &cobra.Command{
		Use:   "observe URI",
		Short: "follow a resource as it changes",
		Long: `Send a GET request with the Observe option (RFC 7641) and print the payload of
the answer, and of every notification that follows. Ctrl-C, --for or --count end
it: the server is told, and the exit code is 0.

Each state that is text, JSON or links ends with a newline, in a pipe too, so that
"while read" and jq get one at a time. CBOR and other binary goes into a pipe as
it comes, one state after the other; --format hex, edn or json make lines of it.

When the server falls silent, restarts or moves, observe makes a new session and
registers again, after a second, then two, up to a minute. What becomes of it is
told on stderr; a state that is still the same then is not printed again. -B bounds
only the handshake and the first answer.

` + credentialHelp + `

A server that does not observe the resource answers once: exit code 1, with the
reason not_observed. A notification that is 4.xx or 5.xx is the last one.

--json prints one object a line. Those of answers are as in coaps help get, with
time (when it came), observe (the sequence number), skipped (states that the reader
was too slow for) and last (none follows). Those of other events have v, uri,
time, event (lost, reregistered, reconnected), and error or dtls.`,
		Example: `  coaps observe coap://localhost/time
  coaps observe --for 60s --psk-file demo.psk coaps://localhost/time
  coaps observe -u sensor-7 -k @sensor-7.key coaps://gw.example.net/temp | while read -r t; do echo "now $t"; done
  coaps observe --json -C plant-ca.pem coaps://gw.plant.example/state | jq -r 'select(.observe).payload'
  coaps observe --count 1 -A cbor --format edn coap://[2001:db8::7]/state`,
	}
	o.client.register(c.Flags())
	o.message.register(c.Flags(), false)
	set, done := beginGroup(c.Flags(), groupMessage)
	set.DurationVar(&o.span, "for", 0, "end after `TIME` (default: never)")
	set.IntVar(&o.count, "count", 0, "end after `N` states (default: never)")
	done()
	o.output.register(c.Flags())
	c.Flags().Lookup("json").Usage = "print one JSON object a line, described above"
	completeValues(c, "format", payloadFormats)
	c.GroupID = groupTalk
	c.Args = o.client.uriArgument
	c.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd, hideUserinfo(args[0])) }
	return c
}

func (o *observer) run(cmd *cobra.Command, uri string) error {
	if err := oneOf("format", o.output.format, payloadFormats...); err != nil {
		return usage(cmd, "%v", err)
	}
	if o.span < 0 || o.count < 0 {
		return usage(cmd, "--for and --count cannot be negative")
	}
	x := &exchange{uri: uri, method: o.method.Name()}
	request, err := o.request(cmd, uri)
	if err != nil {
		return o.finish(x, err)
	}
	t, err := o.client.open(o.app, cmd, uri, o.message.timeout)
	if err != nil {
		return o.finish(x, err)
	}
	defer t.close()
	life, end := context.WithCancel(cmd.Context())
	defer end()
	observation, err := o.begin(life, end, t, request)
	if err != nil {
		return o.finish(x, t.diagnose(cmd.Context(), t.failure(x.what(), err)))
	}
	defer observation.Close()
	return o.follow(cmd.Context(), t, observation, x)
}

// begin makes the session and registers, within -B. The observation lasts as long
// as life, which end ends.
func (o *observer) begin(life context.Context, end func(), t *transport, request *coaps.Request) (*coaps.Observation, error) {
	stop := o.progress("waiting for " + t.uri.Authority())
	defer stop()
	limited, cancel := context.WithTimeout(life, o.message.timeout)
	defer cancel()
	if _, err := t.connect(limited); err != nil {
		return nil, err
	}
	o.traceRequest(request)
	var late atomic.Bool
	undo := context.AfterFunc(limited, func() {
		late.Store(limited.Err() == context.DeadlineExceeded)
		end()
	})
	defer undo()
	observation, err := t.client.Observe(life, request)
	if err != nil && late.Load() {
		err = &coaps.Error{Reason: coaps.ReasonTimeout, Err: context.DeadlineExceeded}
	}
	return observation, err
}

// follow shows what comes until enough has come.
func (o *observer) follow(ctx context.Context, t *transport, observation *coaps.Observation, x *exchange) error {
	if err := o.open(); err != nil {
		return err
	}
	defer o.close()
	// Who reads a pipe may have had enough: that is an error of writing then, and no
	// reason to go without a word to the server.
	signal.Ignore(syscall.SIGPIPE)
	if o.span > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.span)
		defer cancel()
	}
	again := false // the server has just answered another registration
	for n := 0; o.count == 0 || n < o.count; {
		u, err := observation.Update(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return o.finish(&exchange{uri: x.uri, method: x.method}, t.failure(x.what(), err))
		case u.Response == nil:
			again = u.Kind != coaps.UpdateLost
			err = o.event(x.uri, &u)
		case again && x.repeats(u.Response) && !u.Last:
			again = false
			o.tracef(1, "as before")
		default:
			n++
			again = false
			x.take(u.Response)
			x.bytes = t.bytes()
			o.traceResponse(x)
			err = o.state(x, &u, n == 1, n == o.count)
		}
		if errors.Is(err, syscall.EPIPE) {
			return nil
		}
		if err != nil || u.Last {
			return err
		}
	}
	return nil
}

// state shows one representation. One that is the last without having been asked
// to is a failure: of the resource, or because the server does not observe it.
func (o *observer) state(x *exchange, u *coaps.Update, first, enough bool) error {
	var f *failure
	if err := x.codeFailure(); err != nil {
		f = asFailure(x.what(), err)
	} else if u.Last && !enough {
		f = fail("not_observed", x.what(), "").try("%s", notObservedHint(x, first))
	}
	if err := o.show(x, u, f, first); err != nil || f == nil {
		return err
	}
	return f
}

// notObservedHint depends on whether the server has ever observed.
func notObservedHint(x *exchange, first bool) string {
	if !first {
		return "run it again: the server has taken us off its list, for lack of room perhaps"
	}
	if uri, err := coap.ParseURI(x.uri); err == nil {
		uri.Path, uri.Query = []string{".well-known", "core"}, nil
		return "coaps get " + uri.String() + " marks by obs what can be observed"
	}
	return lookupReason("not_observed").hint
}

// open begins the file of -o.
func (o *observer) open() error {
	if o.output.output == "" {
		return nil
	}
	var err error
	if o.file, err = os.Create(o.output.output); err != nil {
		return fail("file_unwritable", "cannot write the answers to "+o.output.output, "%v", rootCause(err)).because(err)
	}
	return nil
}

func (o *observer) close() {
	if o.file != nil {
		_ = o.file.Close()
	}
}

// deliver writes at once: somebody may be waiting for it.
func (o *observer) deliver(content string) error {
	var out io.Writer = o.out
	if o.file != nil {
		out = o.file
	}
	_, err := io.WriteString(out, content)
	return outputFailure(err)
}
