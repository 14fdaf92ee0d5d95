// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
)

// requester is what get, put, post and delete have in common.
type requester struct {
	*app
	method  coap.Code
	client  clientFlags
	message messageFlags
	output  outputFlags
}

// requestCommand makes one of the four; body says whether it carries a payload.
func (a *app) requestCommand(method coap.Code, body bool, c *cobra.Command) *cobra.Command {
	r := &requester{app: a, method: method}
	r.client.register(c.Flags())
	r.message.register(c.Flags(), body)
	r.output.register(c.Flags())
	completeValues(c, "format", payloadFormats)
	c.GroupID = groupTalk
	c.Args = r.client.uriArgument
	c.RunE = func(cmd *cobra.Command, args []string) error { return r.run(cmd, hideUserinfo(args[0])) }
	return c
}

// run sends one request and shows its outcome.
func (r *requester) run(cmd *cobra.Command, uri string) error {
	x := &exchange{uri: uri, method: r.method.Name()}
	if err := oneOf("format", r.output.format, payloadFormats...); err != nil {
		return usage(cmd, "%v", err)
	}
	request, err := r.request(cmd, uri)
	if err != nil {
		return r.finish(x, err)
	}
	return r.finish(x, r.exchange(cmd.Context(), cmd, request, x))
}

// exchange fills x with what came back. The error is a *failure; a 4.xx or 5.xx
// answer is one too.
func (r *requester) exchange(ctx context.Context, cmd *cobra.Command, request *coaps.Request, x *exchange) error {
	t, err := r.client.open(r.app, cmd, x.uri, r.message.timeout)
	if err != nil {
		return err
	}
	defer t.close()
	limited, cancel := context.WithTimeout(ctx, r.message.timeout)
	defer cancel()
	r.traceRequest(request)
	response, err := r.roundTrip(limited, t, request)
	x.bytes = t.bytes()
	if err != nil {
		return t.diagnose(ctx, t.failure(x.what(), err))
	}
	x.take(response)
	r.traceResponse(x)
	return x.codeFailure()
}

// roundTrip makes the session, if the URI wants one, and then the exchange.
func (r *requester) roundTrip(ctx context.Context, t *transport, request *coaps.Request) (*coaps.Response, error) {
	stop := r.progress("waiting for " + t.uri.Authority())
	defer stop()
	if _, err := t.connect(ctx); err != nil {
		return nil, err
	}
	return t.client.Do(ctx, request)
}

// take copies what the output needs from a response.
func (x *exchange) take(response *coaps.Response) {
	x.answered = true
	x.code, x.messageType, x.messageID = response.Code, response.Type, response.MessageID
	x.token, x.options, x.payload = response.Token, response.Options, response.Payload
	x.rtt, x.retransmissions = response.RTT, response.Retransmissions
	x.security = reportPeer(&response.Peer)
}

// what is the beginning of the first line of an error.
func (x *exchange) what() string { return x.method + " " + x.uri }

// codeFailure turns a 4.xx or 5.xx answer into exit code 4 or 5. The diagnostic
// payload (RFC 7252 section 5.5.2) is the explanation.
func (x *exchange) codeFailure() error {
	if x.code.IsSuccess() {
		return nil
	}
	f := fail(codeReason(x.code), x.what()+": "+x.code.String(), "%s", x.diagnostic())
	f.code, f.hint = exitClientError, x.hint()
	if x.code.Class() == 5 {
		f.code = exitServerError
	}
	return f
}

// maxDiagnostic bounds what is repeated of a server's explanation.
const maxDiagnostic = 300

func (x *exchange) diagnostic() string {
	switch text := string(x.payload); {
	case len(text) == 0:
		return "the server says no more"
	case !printable(x.payload) || len(text) > maxDiagnostic:
		return "the server explains in " + plural(len(text), "byte") + "; --json shows them"
	default:
		return text
	}
}

// codeReason makes the word of a response code: 4.04 Not Found is not_found.
func codeReason(code coap.Code) string {
	if name := code.Name(); name != "" {
		return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(name), " ", "_"), "-", "_")
	}
	return "code_" + code.Dotted()
}

var codeHints = map[coap.Code]string{
	coap.BadRequest:               "check the payload and the options",
	coap.Unauthorized:             "show an identity the server knows: -u and -k, -M, or -c and -j",
	coap.BadOption:                "the server does not take a critical option of yours: see --option",
	coap.Forbidden:                "check the path, as a missing one looks the same; else ask the operator of the server for the right",
	coap.MethodNotAllowed:         "another of get, put, post, delete",
	coap.NotAcceptable:            "another format with -A, or none",
	coap.PreconditionFailed:       "the resource exists already, or changed since you looked: get it again",
	coap.RequestEntityTooLarge:    "send a smaller payload",
	coap.UnsupportedContentFormat: "another format with -t",
	coap.TooManyRequests:          "wait and run it again",
	coap.ServiceUnavailable:       "wait and run it again",
}

// hint is what to try after a 4.xx or 5.xx; some answers say it themselves.
func (x *exchange) hint() string {
	switch x.code {
	case coap.NotFound:
		if uri, err := coap.ParseURI(x.uri); err == nil {
			uri.Path, uri.Query = []string{".well-known", "core"}, nil
			return "coaps get " + uri.String() + " lists what there is"
		}
	case coap.RequestEntityTooLarge: // RFC 7252 section 5.9.2.9
		if limit, ok := x.options.GetUint(coap.Size1); ok {
			return fmt.Sprintf("send at most %d bytes", limit)
		}
	case coap.TooManyRequests, coap.ServiceUnavailable: // RFC 7252 section 5.9.3.4, RFC 8516 section 3
		if seconds, ok := x.options.GetUint(coap.MaxAge); ok {
			return fmt.Sprintf("wait %d s and run it again", seconds)
		}
	}
	if hint, ok := codeHints[x.code]; ok {
		return hint
	}
	if x.code.Class() == 5 {
		return "the fault is on the server's side: its log says more"
	}
	return "-i and --json show the whole answer"
}

// request builds the message from the flags.
func (r *requester) request(cmd *cobra.Command, uri string) (*coaps.Request, error) {
	request := &coaps.Request{Method: r.method, URI: uri, NonConfirmable: r.message.non}
	var err error
	if request.Payload, err = r.payload(cmd); err != nil {
		return nil, err
	}
	if request.Options, err = r.message.optionList(); err != nil {
		return nil, optionFailure(cmd, err)
	}
	if request.Token, err = parseToken(r.message.token); err != nil {
		return nil, usage(cmd, "%v", err)
	}
	return request, nil
}

// maxPayload is the most that one UDP datagram can carry.
const maxPayload = 65507

// payload reads -e or -f.
func (r *requester) payload(cmd *cobra.Command) ([]byte, error) {
	m := &r.message
	given := cmd.Flags().Changed("payload")
	if given && m.file != "" {
		return nil, usage(cmd, "--payload and --file exclude each other")
	}
	content := []byte(m.payload)
	switch {
	case m.file != "":
		var err error
		if content, err = r.readPayloadFile(m.file); err != nil {
			return nil, err
		}
	case !given && r.method == coap.PUT:
		r.warnf("the payload is empty; -e TEXT or -f FILE gives one")
	}
	if m.hex {
		return decodeHexPayload(cmd, content)
	}
	return content, nil
}

func (r *requester) readPayloadFile(path string) ([]byte, error) {
	content, err := r.reading(func() ([]byte, error) {
		if path == "-" {
			return io.ReadAll(io.LimitReader(r.in, maxPayload+1))
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, maxPayload+1))
	})
	if err != nil {
		return nil, fileFailure("cannot read the payload", path, err)
	}
	if len(content) > maxPayload {
		return nil, fail("too_large", "payload "+path, "more than %d bytes", maxPayload)
	}
	return content, nil
}

// decodeHexPayload allows white space, as in a dump.
func decodeHexPayload(cmd *cobra.Command, content []byte) ([]byte, error) {
	digits := strings.Join(strings.Fields(string(content)), "")
	payload, err := hex.DecodeString(strings.TrimPrefix(digits, "0x"))
	if err != nil {
		return nil, usage(cmd, "--hex: the payload is not hexadecimal: %v", err)
	}
	return payload, nil
}

// finish shows the outcome: JSON or payload on stdout, an error on stderr.
func (r *requester) finish(x *exchange, err error) error {
	var f *failure
	if err != nil {
		f = asFailure(x.what(), err)
	}
	if outputError := r.write(x, f); outputError != nil {
		return outputError
	}
	if f == nil {
		return nil
	}
	return f
}

// write puts onto stdout, or into -o, what belongs there.
func (r *requester) write(x *exchange, f *failure) error {
	var content strings.Builder
	terminal := r.output.output == "" && isTerminal(r.out)
	switch {
	case r.output.json:
		if err := writeJSON(&content, x.report(f)); err != nil {
			return err
		}
	case x.answered:
		if err := r.render(&content, x, f, terminal); err != nil {
			return fail("bad_response", x.what(), "%v", err).try("--format raw")
		}
	}
	if content.Len() == 0 && (f != nil || r.output.output == "") {
		return nil
	}
	return r.deliver(content.String())
}

// render writes the line of -i and, when the answer is a success, the payload.
func (r *requester) render(w *strings.Builder, x *exchange, f *failure, terminal bool) error {
	if r.output.include {
		w.WriteString(r.outPalette().dim(oneLine(x.summary())) + "\n")
	}
	if f != nil {
		return nil
	}
	shown, err := renderPayload(r.output.format, terminal, x.kind(), x.payload)
	w.Write(shown)
	return err
}

func (r *requester) deliver(content string) error {
	if r.output.output == "" {
		_, err := io.WriteString(r.out, content)
		return outputFailure(err)
	}
	if err := os.WriteFile(r.output.output, []byte(content), 0o644); err != nil {
		return fail("file_unwritable", "cannot write the answer to "+r.output.output, "%v", rootCause(err)).because(err)
	}
	return nil
}

func outputFailure(err error) error {
	if err == nil {
		return nil
	}
	return fail("file_unwritable", "cannot write to stdout", "%v", rootCause(err)).because(err)
}

// traceRequest and traceResponse are -vv.
func (r *requester) traceRequest(request *coaps.Request) {
	kind := coap.Confirmable
	if request.NonConfirmable {
		kind = coap.NonConfirmable
	}
	r.tracef(2, "> %s %s %s%s, payload %s", kind, r.method, request.URI, optionsText(request.Options), plural(len(request.Payload), "byte"))
}

func (r *requester) traceResponse(x *exchange) {
	r.tracef(1, "%s", x.summary())
	r.tracef(2, "< %s %s mid=%d token=0x%x%s, payload %s", x.messageType, x.code, x.messageID, x.token, optionsText(x.options), plural(len(x.payload), "byte"))
}

func optionsText(options coap.OptionList) string {
	var b strings.Builder
	for _, option := range options {
		fmt.Fprintf(&b, " %s=%s", option.Number, optionValueText(option))
	}
	return b.String()
}

// rootCause is the innermost error: "permission denied" without the path that
// the line names already.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
