// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/coaps-go/coaps/store"
)

// Client asks a running server over its admin socket.
type Client struct {
	sockets []string
	command string
	http    *http.Client
}

// Dial makes a client of the server whose admin socket is the first of these that
// somebody answers at; it connects with the first call. command is what the
// server's audit log says was done, such as "session drop"; it must hold no
// secret.
func Dial(command string, sockets ...string) *Client {
	c := &Client{sockets: sockets, command: strings.ToValidUTF8(command, "?")}
	c.http = &http.Client{Transport: &http.Transport{DialContext: c.connect, MaxIdleConns: 2}}
	return c
}

// connect tries the sockets in turn.
func (c *Client) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	failed := &NoServerError{Sockets: c.sockets, Err: errNowhere}
	dialer := new(net.Dialer)
	for _, socket := range c.sockets {
		err := ownSocket(socket)
		if err == nil {
			var conn net.Conn
			if conn, err = dialer.DialContext(ctx, "unix", socket); err == nil {
				return conn, nil
			}
		}
		if !errors.Is(failed.Err, fs.ErrPermission) { // that tells most
			failed.Err = err
		}
	}
	return nil, failed
}

// errNowhere is why nobody answers if no socket is known.
var errNowhere = errors.New("there is no place where it could be")

// ownSocket refuses a socket that somebody else has put there: what is sent may
// be keys.
func ownSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if uid, ok := ownerOf(info); ok && uid != os.Geteuid() && uid != 0 && os.Geteuid() != 0 {
		return fmt.Errorf("%s belongs to uid %d", path, uid)
	}
	return nil
}

// Close gives the connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends one request. The body of the answer is the caller's to close.
func (c *Client) call(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://coaps/v1"+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set(commandHeader, headerText(c.command))
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if nobody, ok := errors.AsType[*NoServerError](err); ok {
			return nil, nobody
		}
		return nil, fmt.Errorf("%w: the server at %s: %w", store.ErrUnavailable, c.where(), rootOf(err))
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	var answer line
	if err := json.NewDecoder(io.LimitReader(response.Body, maxLine)).Decode(&answer); err != nil || answer.Error == nil {
		return nil, fmt.Errorf("%w: %s answers %s", store.ErrUnavailable, c.where(), response.Status)
	}
	return nil, answer.Error.err()
}

// where names the sockets.
func (c *Client) where() string { return strings.Join(c.sockets, " or ") }

// headerText leaves what may stand in a header.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

// rootOf is the innermost error.
func rootOf(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || inner.Unwrap() == nil {
			return err
		}
		err = inner.Unwrap()
	}
}

// ask sends a small question and reads one answer.
func (c *Client) ask(ctx context.Context, method, path string, question, answer any) error {
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	body, err := c.call(ctx, method, path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(answer); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return nil
}

// Reload makes the server read its configuration again. The error is why the old
// one stays in force.
func (c *Client) Reload(ctx context.Context) (ReloadStatus, error) {
	var status ReloadStatus
	return status, c.ask(ctx, http.MethodPost, "/reload", nil, &status)
}

// Status asks how the server does.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	status := new(Status)
	return status, c.ask(ctx, http.MethodGet, "/status", nil, status)
}

// Sessions lists those that fit the filter.
func (c *Client) Sessions(ctx context.Context, filter SessionFilter) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for one, err := range c.sequence(ctx, "/sessions", filter) {
			if err != nil || one.Session != nil {
				var session Session
				if err == nil {
					session = *one.Session
				}
				if !yield(session, err) {
					return
				}
			}
		}
	}
}

// sequence asks for lines.
func (c *Client) sequence(ctx context.Context, path string, question any) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		text, err := json.Marshal(question)
		if err != nil {
			yield(line{}, err)
			return
		}
		body, err := c.call(ctx, http.MethodPost, path, bytes.NewReader(text))
		if err != nil {
			yield(line{}, err)
			return
		}
		defer body.Close()
		for one, err := range lines(body, func() {}) {
			if err != nil && ctx.Err() != nil {
				err = ctx.Err()
			}
			if !yield(one, err) {
				return
			}
		}
	}
}

// Drop closes the sessions that fit the filter, which must not be empty, and
// returns how many those were.
func (c *Client) Drop(ctx context.Context, filter SessionFilter) (int, error) {
	var answer struct {
		Dropped int `json:"dropped"`
	}
	err := c.ask(ctx, http.MethodPost, "/sessions/drop", filter, &answer)
	return answer.Dropped, err
}
