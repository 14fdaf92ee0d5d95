// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/valkey-io/valkey-go"

	"github.com/coaps-go/coaps/store"
)

// refusals are the first words of the server's errors and what they mean here.
var refusals = []struct {
	word string
	err  error
}{
	{"OOM", store.ErrFull},     // maxmemory is reached
	{"MISCONF", store.ErrFull}, // it could not write to its disk
	{"NOREPLICAS", store.ErrUnavailable},
	{"READONLY", store.ErrReadOnly}, // a replica
	{"WRONGTYPE", store.ErrCorrupt},
	{"WRONGPASS", store.ErrDenied},
	{"NOAUTH", store.ErrDenied},
	{"NOPERM", store.ErrDenied},
	{"DENIED", store.ErrDenied}, // protected mode
	{"AUTH", store.ErrDenied},
	{"DB index", store.ErrDenied},
}

// classify gives an error its place among those of package store.
func classify(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case isOurs(err):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer in time (%w)", store.ErrUnavailable, err)
	}
	if refused, ok := valkey.IsValkeyErr(err); ok {
		text := refused.Error()
		for _, r := range refusals {
			// An error inside a script comes with more words around it.
			if strings.HasPrefix(text, r.word) || strings.Contains(text, "-"+r.word) || strings.Contains(text, " "+r.word+" ") {
				return fmt.Errorf("%w: %s", r.err, text)
			}
		}
		return fmt.Errorf("%w: %s", store.ErrUnavailable, text)
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	if untrusted || plain {
		return fmt.Errorf("%w: %w", store.ErrDenied, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// isOurs reports whether an error has its place already.
func isOurs(err error) bool {
	for _, ours := range []error{store.ErrNotFound, store.ErrReadOnly, store.ErrClosed, store.ErrUnavailable,
		store.ErrFull, store.ErrCorrupt, store.ErrInvalid} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return isConflict(err)
}

// brokenConnection reports whether a call failed because its connection did, so
// that another may do better.
func brokenConnection(err error) bool {
	if err == nil || valkey.IsValkeyNil(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	_, refused := valkey.IsValkeyErr(err)
	return !refused
}

// dial connects to "host:port" or "unix:path".
func dial(ctx context.Context, addr string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return d.DialContext(ctx, "unix", path)
	}
	if c == nil {
		return d.DialContext(ctx, "tcp", addr)
	}
	return (&tls.Dialer{NetDialer: d, Config: c}).DialContext(ctx, "tcp", addr)
}

// where says which server it is, without a password.
func where(o Options) string {
	text := strings.Join(o.Addr, ",")
	if o.DB != 0 {
		text += fmt.Sprintf("/%d", o.DB)
	}
	return text
}

func unescape(s string) (string, error) {
	text, err := url.QueryUnescape(s)
	if err != nil {
		return "", errors.New("store/redis: the prefix cannot be read")
	}
	return text, nil
}
