// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/store"
)

func (a *app) statusCommand() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "how a running server does",
		Long: `Ask a running server, over its admin socket, how it does: listeners and sessions,
handshakes refused by reason, the store and since when it is as it is, the last
reload, and what an operator should look at. Only the owner of the server and
root may ask.`,
		Example: `  coaps status
  coaps status --config /etc/coaps/coaps.yaml --json | jq .problems`,
		GroupID: groupServe,
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.status(cmd, &flags, asJSON) },
	}
	flags.register(cmd.Flags())
	registerJSON(cmd.Flags(), &asJSON)
	return cmd
}

// serverSockets are where the server with a configuration can be asked. A
// configuration that was broken after the server has started still tells.
func serverSockets(path string) ([]string, error) {
	sockets, err := gateway.SocketsOf(path)
	if err != nil {
		return nil, fail("file_unreadable", "cannot find the server", "%s: %v", path, rootCause(err)).because(err).
			try("--config FILE or --socket PATH names the server")
	}
	return sockets, nil
}

// adminTime bounds a question to a server.
const adminTime = 30 * time.Second

func (a *app) status(cmd *cobra.Command, flags *serverFlags, asJSON bool) error {
	client, err := a.dial(cmd, flags, "status")
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), adminTime)
	defer cancel()
	status, err := client.Status(ctx)
	if err != nil {
		return adminFailure("cannot ask the server", err)
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, status))
	}
	var b strings.Builder
	writeStatus(&b, status, time.Now(), a.outPalette())
	_, err = fmt.Fprint(a.out, b.String())
	return outputFailure(err)
}

// adminFailure names why a server cannot be asked, or has refused.
func adminFailure(what string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fail("file_permissions", what, "%v: permission denied", err).because(err).try("only the owner of the server and root may ask: sudo coaps ...")
	}
	if errors.Is(err, gateway.ErrStarting) {
		f := fail("store_unavailable", what, "%v", err).because(err)
		f.code = exitSetup
		return f.try("it starts when its store is there; SIGHUP has it read its configuration again")
	}
	if errors.Is(err, store.ErrUnavailable) {
		return fail("setup", what, "%v", err).because(err).try("is it running? coaps serve --config FILE; --config or --socket names another one")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		f := fail("setup", what, "the server did not answer in time").because(err)
		f.code = exitTimeout
		return f
	}
	if errors.Is(err, context.Canceled) {
		return fail("interrupted", what, "stopped by a signal").because(err)
	}
	f := fail("setup", what, "%v", err).because(err)
	return f.try("coaps status shows how the server does")
}

// statusWriter writes rows of a name and a text.
type statusWriter struct {
	*strings.Builder
	palette
	now time.Time
}

func (w *statusWriter) row(name, format string, args ...any) {
	fmt.Fprintf(w, "%s %s\n", w.dim(fmt.Sprintf("%-12s", name)), oneLine(fmt.Sprintf(format, args...)))
}

func writeStatus(b *strings.Builder, s *gateway.Status, now time.Time, p palette) {
	w := &statusWriter{b, p, now}
	name := s.Config
	if s.Name != "" {
		name = s.Name + " (" + s.Config + ")"
	}
	w.row("server", "%s, process %d, up %s", name, s.PID, ageText(now.Sub(s.Started)))
	w.row("config", "%.16s, %s", s.Hash, w.reload(&s.Reload))
	for _, l := range s.Listeners {
		text := fmt.Sprintf("%s %s: %d sessions, %d handshakes (%d failed), %d requests", l.Addr, l.Security, l.Sessions, l.Handshakes, l.HandshakesFailed, l.Requests)
		if l.Observers > 0 {
			text += ", " + plural(l.Observers, "observer")
		}
		w.row("listener", "%s", text)
		if len(l.Ignored) > 0 {
			w.row("ignored", "at %s: %s", l.Addr, countsText(l.Ignored))
		}
	}
	for _, one := range s.Stores {
		w.store(&one)
	}
	if l := s.Lookups; l != nil {
		w.row("look-ups", "%d in memory, %d hits, %d misses, %d timeouts", l.Cached, l.Hits, l.Misses, l.Timeouts)
	}
	if len(s.Refused) > 0 {
		w.row("refused", "%s", countsText(s.Refused))
	}
	w.row("denied", "%d requests; %d sessions revoked", s.Denied, s.Revoked)
	w.observers(&s.Observers)
	for _, c := range s.Keys {
		w.key(&c)
	}
	for _, problem := range s.Problems {
		fmt.Fprintf(w, "%s %s\n", p.bad(fmt.Sprintf("%-12s", "problem")), oneLine(problem))
	}
}

// key is when a certificate or a revocation list ends: to the minute if that is soon.
func (w *statusWriter) key(c *gateway.KeyStatus) {
	name, until := c.Name, c.Expires.UTC().Format(time.DateOnly)
	if c.Host != "" {
		name += " (" + c.Host + ")"
	}
	if c.Expires.Sub(w.now) < 48*time.Hour {
		until = c.Expires.UTC().Format("2006-01-02 15:04Z")
	}
	if c.Expired {
		until += ": OVER"
	}
	w.row(c.What, "%s, until %s", name, until)
}

// countsText is counts by reason: "bad_psk 3, unknown_identity 1".
func countsText(counts map[string]uint64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, reason+" "+strconv.FormatUint(counts[reason], 10))
	}
	return strings.Join(parts, ", ")
}

// observers is a row as soon as somebody has asked to observe.
func (w *statusWriter) observers(o *gateway.ObserverStatus) {
	if o.Begun == 0 && o.Refused == 0 {
		return
	}
	text := fmt.Sprintf("%d now, %d begun, %d refused; %d notifications (%d acknowledged, %d replaced)",
		o.Now, o.Begun, o.Refused, o.Notifications, o.Acknowledged, o.Replaced)
	if len(o.Ended) > 0 {
		text += "; ended: " + countsText(o.Ended)
	}
	w.row("observers", "%s", text)
}

func (w *statusWriter) reload(r *gateway.ReloadStatus) string {
	text := fmt.Sprintf("in force for %s", ageText(w.now.Sub(r.When)))
	if !r.OK {
		text += fmt.Sprintf("; the last reload failed %s ago (%s)", ageText(w.now.Sub(r.Failed)), r.Why)
	} else if r.Count > 0 {
		text += " (" + r.Why + ")"
	}
	return text
}

func (w *statusWriter) store(s *gateway.StoreStatus) {
	state := "ok"
	if !s.OK {
		state = "DOWN: " + s.Error
	}
	records := ""
	if s.Records >= 0 {
		records = fmt.Sprintf(", %d records", s.Records)
	}
	w.row("store", "%s %s%s, %s for %s", s.Kind, s.Where, records, state, ageText(w.now.Sub(s.Since)))
}

// ageText is a time as people say it: "3 s", "5 m", "7 h", "12 d".
func ageText(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d m", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}
