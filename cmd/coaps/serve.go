// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/internal/resource"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/udp"
)

// serveFlags are those of the serve command.
type serveFlags struct {
	identity identityFlags
	trust    trustFlags
	dtls     dtlsFlags
	network  networkFlags
	json     bool
	config   string
	bind     []string
	keep     string
	ready    string
	limit    []string
}

// server is the serve command.
type server struct {
	*app
	serveFlags
	logger  *slog.Logger
	servers []*coaps.Server
}

func (a *app) serveCommand() *cobra.Command {
	s := &server{app: a}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "a server to try things with; alone, it explains itself",
		Long: `Serve /hello, /time, /whoami and /store/... on a plain and a secure port. /time and
what is in the store can be observed.

With nothing given it is a demonstration on this machine only: it makes a fresh
shared key, a server key, and a small CA with a client's certificate, and prints
the commands to paste for each of the four security modes. The keys are in a
temporary directory that goes away with the server; --keep DIR keeps them and
uses them again.

With credentials given it serves those instead. NoSec clients are answered on the
plain port, all others on the secure port, whichever mode they choose:

  PreSharedKey   --psk-file FILE, or -u ID -k KEY for one client
  RawPublicKey   -M KEY is shown; --peer-key names the clients that may come in
  Certificate    -c CERT -j KEY are shown; -C CA signs the clients that may come in

Without --peer-key and -C, clients of -M and -c need not show anything.

With --config FILE it serves what the file says: listeners, identities, a store of
devices, virtual hosts, access rules and resources. coaps config init writes a
file that explains itself.

` + limitHelp() + `

The log goes to stderr. SIGINT and SIGTERM end the server in order: requests at
work are answered, sessions are closed, and the exit code is 0.`,
		Example: `  coaps serve
  coaps serve --keep ~/coaps-demo
  coaps serve --config coaps.yaml
  coaps serve --psk-file devices.psk --bind :5683
  coaps serve -M server.key --peer-key sensor-7.pub --bind coaps://:5684
  coaps serve -c server.crt -j server.key -C plant-ca.pem --bind 192.0.2.1`,
		GroupID: groupServe,
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	set := cmd.Flags()
	s.identity.register(set)
	s.trust.register(set, false)
	s.dtls.register(set, false)
	network, done := beginGroup(set, groupNetwork)
	network.StringArrayVarP(&s.bind, "bind", "a", nil, "listen on `ADDRESS`: ADDR, ADDR:PORT or :PORT (secure port + 1), or one port as coap://ADDR:PORT or coaps://ADDR:PORT; repeatable (default loopback, 5683 and 5684)")
	registerLoss(network, &s.network.loss)
	network.StringArrayVar(&s.limit, "limit", nil, "`NAME=VALUE`: a limit of each port, named above; repeatable")
	done()
	registerJSON(set, &s.json)
	set.StringVar(&s.config, "config", "", "serve what the configuration `FILE` says (coaps config init writes one); then SIGHUP and coaps reload read it again")
	set.StringVar(&s.keep, "keep", "", "keep the demonstration's keys in `DIR` and use them again")
	set.StringVar(&s.ready, "ready-file", "", "write the addresses to `FILE`, as NAME=VALUE lines for a shell, once clients may come")
	return cmd
}

// run serves until a signal comes.
func (s *server) run(cmd *cobra.Command) error {
	if s.config != "" {
		return s.runConfigured(cmd)
	}
	p, err := s.ports(cmd)
	if err != nil {
		return err
	}
	s.logger = s.newLogger()
	material, config, err := s.credentials(cmd, p.binds)
	if err != nil {
		return err
	}
	defer material.remove()
	keylog, err := s.dtls.openKeyLog(s.app)
	if err != nil {
		return err
	}
	if keylog != nil {
		defer keylog.Close()
		config.KeyLog = keylog
	}
	collectEarly()
	handler, clock := resource.New(time.Now, s)
	defer clock.Close()
	if s.servers, err = s.listen(p, config, handler); err != nil {
		return err
	}
	if err := s.announce(material, config); err != nil {
		s.closeAll()
		return err
	}
	return s.serve(cmd.Context())
}

// ports are where the servers listen, and what each of them may hold.
type ports struct {
	binds  []bind
	listen func(network, addr string) (udp.Conn, error) // nil: the library's own
	limits gateway.Limits
}

// ports reads the flags about sockets.
func (s *server) ports(cmd *cobra.Command) (p ports, err error) {
	if err = s.dtls.check(cmd); err != nil {
		return p, err
	}
	if p.listen, err = s.network.listener(cmd, s.app); err != nil {
		return p, err
	}
	if p.binds, err = parseBinds(cmd, s.bind); err != nil {
		return p, err
	}
	if p.limits, err = parseLimits(cmd, s.limit); err != nil {
		return p, err
	}
	return p, settle(p.binds)
}

// listen opens the ports.
func (s *server) listen(p ports, config *security.Config, handler coaps.Handler) ([]*coaps.Server, error) {
	return listenAll(p.binds, func() *coaps.Server {
		l := &p.limits
		return &coaps.Server{
			NoSec: true, Security: config, MTU: s.dtls.mtu, ListenPacket: p.listen, Handler: handler, Logger: s.logger, LogRequests: !s.quiet,
			Limits: l.Limits, Workers: l.Workers, Loops: l.Loops, Observers: l.Observers, ObserversPerPeer: l.ObserversPerPeer,
		}
	})
}

// garbage is how much the heap may grow, in percent of what lives, before it is
// collected. A server of many sleeping sessions makes none for a request and
// little for a handshake, so that half of Go's default costs nothing that can be
// measured, and 150,000 sessions take 740 bytes each and not 990.
const garbage = 50

func collectEarly() {
	if os.Getenv("GOGC") == "" { // who sets it knows better
		debug.SetGCPercent(garbage)
	}
}

// serve runs every server until the context ends, then shuts them down.
func (s *server) serve(ctx context.Context) error {
	ended := make(chan error, len(s.servers))
	for _, one := range s.servers {
		go func() { ended <- one.Serve(context.WithoutCancel(ctx)) }()
	}
	var failed error
	waiting := len(s.servers)
	select {
	case <-ctx.Done():
	case failed = <-ended:
		waiting--
	}
	s.shutdownAll()
	for range waiting {
		if err := <-ended; failed == nil && !errors.Is(err, coaps.ErrServerClosed) {
			failed = err
		}
	}
	if failed != nil && !errors.Is(failed, coaps.ErrServerClosed) {
		return asFailure("serve", failed)
	}
	return nil
}

// Notify is that of resource.Audience.
func (s *server) Notify(path string) {
	for _, one := range s.servers {
		one.Notify(path)
	}
}

// Refresh is that of resource.Audience.
func (s *server) Refresh(path string) {
	for _, one := range s.servers {
		one.Refresh(path)
	}
}

// ObservedPaths is that of resource.Audience. A path may be there more than once.
func (s *server) ObservedPaths(prefix string) (paths []string) {
	for _, one := range s.servers {
		paths = append(paths, one.ObservedPaths(prefix)...)
	}
	return paths
}

// shutdownTime is how long requests at work may take to end after a signal.
const shutdownTime = 5 * time.Second

func (s *server) shutdownAll() {
	s.logger.Info("shutting down")
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	for _, one := range s.servers {
		if err := one.Shutdown(ctx); err != nil {
			s.logger.Warn("not everything ended in order", "error", err)
		}
		s.logStats(one.Stats())
	}
}

func (s *server) closeAll() {
	for _, one := range s.servers {
		_ = one.Close()
	}
}

// credentials are those of the flags or, when there are none, the
// demonstration's own.
func (s *server) credentials(cmd *cobra.Command, binds []bind) (*demoMaterial, *security.Config, error) {
	if s.identity.given() || s.trust.given() {
		if s.keep != "" {
			return nil, nil, usage(cmd, "--keep is for the demonstration's own keys; credentials are given already")
		}
		config, err := s.configured(cmd)
		return nil, config, err
	}
	material, err := makeMaterial(s.keep, authorities(binds))
	if err != nil {
		return nil, nil, err
	}
	config, err := material.serverConfig()
	if err == nil {
		err = s.dtls.applySuites(cmd, config, false)
	}
	if err != nil {
		material.remove()
		return nil, nil, err
	}
	return material, config, nil
}

// remove deletes a temporary directory. It is safe on nil.
func (m *demoMaterial) remove() {
	if m != nil && m.temporary {
		_ = os.RemoveAll(m.dir)
	}
}
