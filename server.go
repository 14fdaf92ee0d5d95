// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/udp"
)

// A Server answers requests on a plain port, a secure port, or both. Its fields
// must not change after Listen.
type Server struct {
	Addr       string // plain "host:port"; ":5683" when empty. Used only with NoSec
	SecureAddr string // secure "host:port"; ":5684" when empty. Used only with Security

	NoSec    bool             // open the plain port: anybody may ask, nothing is protected
	Security *security.Config // opens the secure port when not nil

	Handler Handler // 4.04 for everything when nil

	Network string          // "udp" (default: IPv6 and IPv4), "udp4" or "udp6"
	Limits  endpoint.Limits // zero fields take the defaults
	Params  message.Params  // RFC 7252 section 4.8; zero fields take its defaults
	Timers  dtls.Timers     // of the handshake; zero fields take dtls's defaults
	MTU     int             // largest UDP payload in bytes; 0 is dtls's default
	Workers int             // goroutines for handlers; 0 is DefaultWorkers

	// Listen opens a socket; portable.Listen when nil.
	Listen func(network, addr string) (udp.Conn, error)

	Logger *slog.Logger // discards when nil
}

// ListenAndServe is Listen followed by Serve.
func (s *Server) ListenAndServe(ctx context.Context) error { panic("todo") }

// Listen opens the sockets. After it Addrs is known and datagrams queue in the
// system.
func (s *Server) Listen() error { panic("todo") }

// Serve answers requests until Shutdown or Close is called, which makes it
// return ErrServerClosed, or ctx ends, which closes the server and returns the
// context's cause.
func (s *Server) Serve(ctx context.Context) error { panic("todo") }

// Addrs is where the server listens. A port that is not open is the zero
// AddrPort.
func (s *Server) Addrs() (plain, secure netip.AddrPort) { panic("todo") }

// Shutdown answers new requests by 5.03, refuses new sessions, waits for the
// handlers at work and for their responses to be delivered, closes all sessions
// and returns. When ctx ends first it closes at once and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error { panic("todo") }

// Close sends close_notify to every session and returns without waiting for
// handlers.
func (s *Server) Close() error { panic("todo") }

// Stats returns the counters of both ports, added up.
func (s *Server) Stats() Stats { panic("todo") }
