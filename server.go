// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A Server answers requests on a plain port, a secure port, or both. Its fields
// must not change after Listen, and it serves once.
type Server struct {
	Addr       string // plain "host:port"; ":5683" when empty. Used only with NoSec
	SecureAddr string // secure "host:port"; ":5684" when empty. Used only with Security

	NoSec    bool             // open the plain port: anybody may ask, nothing is protected
	Security *security.Config // opens the secure port when not nil

	Handler Handler // 4.04 for everything when nil

	Network string          // "udp4", "udp6" or "udp"; when empty, IPv4 for 0.0.0.0 and all there is otherwise
	Limits  endpoint.Limits // of each port; zero fields take the defaults
	Params  message.Params  // RFC 7252 section 4.8; zero fields take its defaults
	Timers  dtls.Timers     // of the handshake; zero fields take dtls's defaults. For constrained devices dtls.ProfileConstrained, as on their side
	MTU     int             // largest UDP payload in bytes; 0 is dtls's default
	Workers int             // goroutines for handlers, of each port; 0 is DefaultWorkers

	// Loops is how many sockets each port has, among which the system divides
	// the clients by a hash of their addresses, and as many event loops; 0 is
	// one for each processor that Go may use, up to 16. The Limits of the port
	// are divided among them, but for those of a single client. More than one is
	// for Linux, and not together with ListenPacket. While the server listens,
	// other processes of the same user can join in by SO_REUSEPORT and take
	// datagrams away: let it run as a user of its own.
	Loops int

	// RecordSizeLimit is dtls.Config.RecordSizeLimit: the largest plaintext in
	// bytes that clients are asked to put into one record (RFC 8449); 0 does
	// not ask. What clients ask for is always respected.
	RecordSizeLimit int

	// ListenPacket opens a socket; the function of that name when nil. It is
	// where a packet capture or a lossy line is put between.
	ListenPacket func(network, addr string) (udp.Conn, error)

	Logger *slog.Logger // discards when nil

	// LogRequests has a line in the log for each request, also for those that no
	// handler has seen. SetLogRequests changes it while the server listens. The
	// lines are written in their own time: what a log cannot take is counted
	// (LogUnlogged) and holds nobody up.
	LogRequests bool

	// Access is who may do what, which is decided before a handler is looked for;
	// nil lets everybody who gets in do everything. SetAccess changes it while the
	// server listens.
	Access *acl.List

	// RevealMissing answers 4.04 to those who ask for what they may not have if a
	// Mux has no handler for it. Without it they cannot tell.
	RevealMissing bool

	// OnRevoke is what becomes of a session whose credential has ended, has been
	// disabled, removed or changed; see Recheck.
	OnRevoke RevokeAction

	// AnonymousTime is after how long a session is closed whose client has shown
	// no key, unless a handler has authorized it (Request.Authorize); 0 leaves it
	// open.
	AnonymousTime time.Duration

	// Observers is how many observations there may be at a time (Observable), and
	// ObserversPerPeer how many of one client; 0 is DefaultObservers and
	// DefaultObserversPerPeer, and less than 0 none. Clients on the plain port,
	// whose addresses can be forged, have 1,024 of them at most, half of
	// Observers if there is a secure port too, and those among them that have never
	// acknowledged a notification give way to others. Who is refused is answered as if
	// he had not asked to observe.
	Observers, ObserversPerPeer int

	// LookupTime bounds each look-up in Security.Directory, waiting for others
	// included; 0 is DefaultLookupTime. Then the credential is refused as one that
	// nobody knows is.
	LookupTime time.Duration

	mu            sync.Mutex
	plain, secure *port
	shards        []*shard // of both, in the order of opening
	closed        bool
	serving       bool
	ended         chan struct{} // closed when all loops have ended

	handler    atomic.Pointer[Handler]
	notified   atomic.Pointer[[]*shard] // those that have observers, from Serve on
	observing  atomic.Int64             // observations that there are
	log        *serverLog
	access     atomic.Pointer[acl.List]
	requests   atomic.Pointer[requestLog] // nil: not logged
	requestLog *requestLog                // there from the first time that it was wanted
	keyWorkers *pool
	lookups    *pool          // of its own: who waits for a store holds up nobody else
	rechecks   *pool          // likewise: strangers do not keep a revocation from being seen
	unseen     sync.WaitGroup // look-ups that wait for their moment
	refusals   atomic.Int32   // lines of the log that wait for what other hosts know
	clock      clock
	nudged     atomic.Int64 // when the loops were last sent to look at their sockets
	loops      int
	ctx        context.Context
	cancel     context.CancelFunc
	counters   counters
}

// ErrNothingToServe is Listen's error for a Server with neither NoSec nor
// Security.
var ErrNothingToServe = errors.New("coaps: neither NoSec nor Security is set: there is no port to serve")

// ListenAndServe is Listen followed by Serve.
func (s *Server) ListenAndServe(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	return s.Serve(ctx)
}

// Listen checks the configuration and opens the sockets. After it Addrs is
// known, and what arrives waits in the system for Serve.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrServerClosed
	case s.plain != nil || s.secure != nil:
		return errors.New("coaps: server is listening already")
	case !s.NoSec && s.Security == nil:
		return ErrNothingToServe
	case s.Loops > 1 && s.ListenPacket != nil:
		return errors.New("coaps: ListenPacket opens one socket, Loops asks for more")
	}
	if err := s.Params.Check(); err != nil {
		return err
	}
	s.prepare()
	if err := s.open(); err != nil {
		s.closePorts()
		s.cancel()
		return err
	}
	plain, secure := s.addrs()
	s.log.Info(LogListening, "plain", plain, "secure", secure)
	return nil
}

// prepare resolves the fields.
func (s *Server) prepare() {
	s.log = newServerLog(s.Logger)
	s.SetHandler(s.Handler)
	s.loops = cmp.Or(max(s.Loops, 0), min(runtime.GOMAXPROCS(0), mostLoops))
	s.access.Store(s.Access)
	s.setLogRequests()
	s.keyWorkers = newPool(runtime.GOMAXPROCS(0), keyJobsWaiting)
	s.lookups = newPool(lookupWorkers, lookupsWaiting)
	s.rechecks = newPool(2*batchesAsked*s.loops, (3*batchesAsked+alonesAsked)*s.loops)
	s.clock = clock{time.Now()}
	s.ended = make(chan struct{})
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

func (s *Server) open() error {
	if s.NoSec {
		p, err := s.openPort(cmp.Or(s.Addr, ":5683"), nil)
		if err != nil {
			return err
		}
		s.plain = p
	}
	if s.Security != nil {
		policy, err := newServerPolicy(s.Security)
		if err != nil {
			return err
		}
		if s.secure, err = s.openPort(cmp.Or(s.SecureAddr, ":5684"), policy); err != nil {
			return err
		}
	}
	return nil
}

// listen opens a socket with what the application gave for that purpose.
func listen(with func(network, addr string) (udp.Conn, error), network, addr string) (udp.Conn, error) {
	if with == nil {
		with = ListenPacket
	}
	return with(cmp.Or(network, "udp"), addr)
}

// Serve answers requests until Shutdown or Close is called, which makes it
// return ErrServerClosed, or ctx ends, which closes the server and returns the
// context's cause.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.start(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		s.Close()
		return context.Cause(ctx)
	case <-s.ended:
		return ErrServerClosed
	}
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrServerClosed
	case s.plain == nil && s.secure == nil:
		return errors.New("coaps: Serve before Listen")
	case s.serving:
		return errors.New("coaps: server is serving already")
	}
	s.serving = true
	s.notified.Store(&s.shards)
	var loops sync.WaitGroup
	for _, one := range s.shards {
		loops.Go(one.run)
	}
	go func() {
		loops.Wait()
		s.cancel()
		for _, p := range s.ports() {
			p.workers.close()
		}
		s.keyWorkers.close()
		s.rechecks.close()
		s.endLogRequests()
		go func() {
			s.keyWorkers.wait() // who may have look-ups to make still
			s.unseen.Wait()
			s.lookups.close()
		}()
		s.log.flush()
		close(s.ended)
	}()
	return nil
}

// ports lists the open ports.
func (s *Server) ports() (open []*port) {
	for _, p := range []*port{s.plain, s.secure} {
		if p != nil {
			open = append(open, p)
		}
	}
	return open
}

// relieve is between two tasks of a key worker. When as many of them are at work
// as there are processors, nothing else gets one before a task of 0.1 to 0.3 ms
// is done; and the runtime, with so much to do, looks at the sockets only every
// 10 ms. So each worker gives its processor up after a task, and one of them
// sends the loops to look.
func (s *Server) relieve() {
	if s.keyWorkers.busy() {
		s.nudgeSometimes()
	}
	runtime.Gosched()
}

// nudgeSometimes is nudge, but not so often that it would cost much.
func (s *Server) nudgeSometimes() {
	if now, last := s.clock.now(), s.nudged.Load(); now-tick.Time(last) >= nudgeInterval && s.nudged.CompareAndSwap(last, int64(now)) {
		s.nudge()
	}
}

// nudge sends the loops that wait to look at their sockets.
func (s *Server) nudge() {
	for _, one := range s.shards {
		one.mail.nudge()
	}
}

// Addrs is where the server listens. A port that is not open is the zero
// AddrPort.
func (s *Server) Addrs() (plain, secure netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addrs()
}

func (s *Server) addrs() (plain, secure netip.AddrPort) {
	if s.plain != nil {
		plain = s.plain.addr()
	}
	if s.secure != nil {
		secure = s.secure.addr()
	}
	return plain, secure
}

// Shutdown answers new requests by 5.03, refuses new sessions, waits for the
// handlers at work and for their responses to be acknowledged, closes all
// sessions and returns. When ctx ends first it closes at once and returns the
// context's cause.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	serving := s.serving && !s.closed
	s.mu.Unlock()
	var err error
	if serving {
		err = s.rest(ctx)
	}
	s.Close()
	if err != nil || !serving {
		return err
	}
	workers := make(chan struct{})
	go func() {
		defer close(workers)
		for _, p := range s.ports() {
			p.workers.wait()
		}
		s.keyWorkers.wait()
		s.unseen.Wait()
		s.lookups.wait()
		s.rechecks.wait()
		s.waitLogRequests()
	}()
	select {
	case <-workers:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-workers: // to close very many sessions has taken until now
		return nil
	case <-time.After(restInterval):
		return context.Cause(ctx)
	}
}

// restInterval is how often Shutdown asks whether all is done.
const restInterval = 20 * time.Millisecond

// rest drains the ports.
func (s *Server) rest(ctx context.Context) error {
	ticker := time.NewTicker(restInterval)
	defer ticker.Stop()
	for !s.atRest() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ended:
			return nil
		case <-ticker.C:
		}
	}
	return nil
}

func (s *Server) atRest() bool {
	shards := s.shards
	answers := make(chan bool, len(shards))
	for _, one := range shards {
		if one.mail.post(drain{one, answers}, true) != nil {
			answers <- true
		}
	}
	all := true
	for range shards {
		select {
		case rest := <-answers:
			all = all && rest
		case <-s.ended:
			return true
		}
	}
	return all
}

// Close sends close_notify to every session, of very many to those that it
// reaches within 5 seconds, and returns without waiting for handlers.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed || s.cancel == nil {
		s.closed = true
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	serving := s.serving
	s.mu.Unlock()
	s.cancel()
	if !serving {
		s.closePorts()
		return nil
	}
	shards := s.shards
	for _, one := range shards {
		one.stop()
	}
	<-s.ended
	return nil
}

// closePorts closes the sockets of loops that have not begun to run.
func (s *Server) closePorts() {
	for _, one := range s.shards {
		one.conn.Close()
	}
}

// Stats returns the counters of both ports and all their loops, added up. It waits for the event
// loops, so that an Inline handler must not call it.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	serving, shards := s.serving, s.shards
	s.mu.Unlock()
	var total Stats
	for _, one := range shards {
		if serving {
			total.Stats.Add(one.stats())
		}
		if c, ok := one.conn.(udp.OverflowCounter); ok {
			total.ReceiveOverflows += c.Overflows()
		}
	}
	s.counters.read(&total)
	total.Observers = int(s.observing.Load())
	return total
}

// stats asks the loop for its endpoint's counters; after its end it may be
// looked at directly.
func (l *loop) stats() endpoint.Stats {
	answer := make(chan endpoint.Stats, 1)
	if s, ok := ask(context.Background(), l, statsLetter{l, answer}, answer); ok {
		return s
	}
	<-l.done
	return l.ep.Stats()
}

type statsLetter struct {
	loop   *loop
	answer chan<- endpoint.Stats
}

func (l statsLetter) deliver(tick.Time) { l.answer <- l.loop.ep.Stats() }
