// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write what the stories in testdata print instead of comparing it")

// TestStories runs the scripts of testdata. Each command is followed by `----`
// and what it printed: datagrams as messages, and what the applications were
// told. After a change, run with -rewrite and read the difference.
//
//	pair MODE [mtu=N] [seed=N] [latency=DUR] [server-psk=TEXT] [stranger] [lose=N,M]
//	run [DUR]              until nothing is left to wait for, or that long
//	lose N,M               loses the Nth and Mth datagram from now
//	cut client|server|both
//	heal
//	send client|server TEXT
//	close client|server
//	reconnect              a new client at the client's address
//	inject client|server HEX
//	                       a datagram to the client, or to the server, as if from the other
//	replay N               the Nth datagram of the story once more
//	state                  where both sides stand
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, 1)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(text), got); diff != "" {
				t.Errorf("-file +story:\n%s", diff)
			}
		})
	}
}

// story is the state of a script that runs.
type story struct {
	t    *testing.T
	pair *Pair
	o    Options
	out  strings.Builder // of the present command
	sent [][]byte        // all datagrams, with who sent them
	from []bool          // whether the server sent it
	lose map[int]bool    // numbers of datagrams to lose
	cut  string
}

// tell runs a script and returns it with what it printed now.
func tell(t *testing.T, text string) string {
	s := &story{t: t, lose: map[int]bool{}}
	var b strings.Builder
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		command, _, _ := strings.Cut(block, "\n----")
		b.WriteString(command + "\n")
		for _, line := range strings.Split(command, "\n") {
			if line != "" && line[0] != '#' {
				s.command(strings.Fields(line))
			}
		}
		if s.out.Len() > 0 {
			b.WriteString("----\n" + s.out.String())
		}
		s.out.Reset()
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String()) + "\n"
}

func (s *story) command(words []string) {
	commands := map[string]func(args []string) error{
		"pair": s.newPair, "run": s.run, "lose": s.losing, "cut": s.cutting, "heal": s.cutting, "send": s.send,
		"close": s.close, "reconnect": s.reconnect, "inject": s.inject, "replay": s.replay, "state": s.state,
	}
	do := commands[words[0]]
	if do == nil {
		s.t.Fatalf("no command %q", words[0])
	}
	if err := do(words[1:]); err != nil {
		fmt.Fprintf(&s.out, "error: %v\n", err)
	}
}

func (s *story) newPair(args []string) error {
	mode, seed := ModeByName(args[0]), uint64(1)
	s.o = Options{Party: s.prepare}
	var serverPSK string
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "mtu":
			s.o.MTU, _ = strconv.Atoi(value)
		case "seed":
			seed, _ = strconv.ParseUint(value, 10, 64)
		case "latency":
			s.o.Latency, _ = time.ParseDuration(value)
		case "server-psk":
			serverPSK = value
		case "stranger":
			s.o.Config = stranger
		default:
			s.t.Fatalf("no setting %q", name)
		}
	}
	if serverPSK != "" {
		s.o.Party = func(p *Party, server bool) {
			s.prepare(p, server)
			if server {
				p.PSK = func(identity []byte) ([]byte, []byte) { return identity, []byte(serverPSK) }
			}
		}
	}
	var err error
	if s.pair, err = NewPair(seed, mode, s.o); err != nil {
		return err
	}
	s.pair.Network.Tap, s.pair.Network.Decide = s.tap, s.decide
	return nil
}

// stranger makes the client show a key that nobody trusts.
func stranger(cfg *dtls.Config, server bool) {
	if server {
		return
	}
	key := TestParties().StrangerKey
	credentials := *cfg.Credentials("")
	credentials.RawKey = &dtls.KeyPair{Signer: key, SPKI: spki(key)}
	cfg.Credentials = func(string) *dtls.Credentials { return &credentials }
}

func (s *story) prepare(p *Party, server bool) {
	p.Tell = func(what string) {
		fmt.Fprintf(&s.out, "%8.3fs %s = %s\n", s.pair.Network.Now.Sub(0).Seconds(), who(server), what)
	}
}

func who(server bool) string {
	if server {
		return "server"
	}
	return "client"
}

func (s *story) tap(d *Datagram, fate Fate) {
	s.sent = append(s.sent, append([]byte(nil), d.Data...))
	s.from = append(s.from, d.From == ServerAddr)
	fmt.Fprintln(&s.out, line(d, fate))
}

func (s *story) decide(d *Datagram) (Fate, bool) {
	cut := s.cut == "both" || s.cut == who(d.From == ServerAddr)
	return nil, cut || s.lose[d.Number]
}

func (s *story) run(args []string) error {
	until := time.Hour
	if len(args) > 0 {
		until, _ = time.ParseDuration(args[0])
	}
	if !s.pair.Network.Run(s.pair.Network.Now.Add(until)) && len(args) == 0 {
		return fmt.Errorf("no rest within an hour")
	}
	return nil
}

func (s *story) losing(args []string) error {
	for _, n := range strings.Split(args[0], ",") {
		number, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		s.lose[s.pair.Network.Sent()+number] = true
	}
	return nil
}

func (s *story) cutting(args []string) error {
	s.cut = strings.Join(args, "")
	return nil
}

func (s *story) party(name string) *Party {
	if name == "server" {
		return s.pair.Peer()
	}
	return s.pair.Client
}

func (s *story) send(args []string) error {
	return s.party(args[0]).Send(strings.Join(args[1:], " "))
}

func (s *story) close(args []string) error {
	s.party(args[0]).Close(s.pair.Network.Now)
	return nil
}

func (s *story) reconnect([]string) error {
	return s.pair.Connect(uint64(s.pair.Network.Now), s.o)
}

func (s *story) inject(args []string) error {
	data, err := hex.DecodeString(strings.Join(args[1:], ""))
	if err != nil {
		return err
	}
	s.put(args[0] == "client", data)
	return nil
}

// put injects a datagram; to the client as if from the server, or the other
// way round.
func (s *story) put(fromServer bool, data []byte) {
	from, to := ClientAddr, ServerAddr
	if fromServer {
		from, to = to, from
	}
	fmt.Fprintf(&s.out, "%8.3fs attacker as %s > %s\n", s.pair.Network.Now.Sub(0).Seconds(), who(fromServer), Describe(data))
	s.pair.Network.Inject(from, to, data)
}

func (s *story) replay(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > len(s.sent) {
		return fmt.Errorf("no datagram %q", args[0])
	}
	s.put(s.from[n-1], s.sent[n-1])
	return nil
}

func (s *story) state([]string) error {
	fmt.Fprintf(&s.out, "client %s\n", standing(s.pair.Client))
	for _, p := range s.pair.Server.Sessions {
		fmt.Fprintf(&s.out, "server %s\n", standing(p))
	}
	return nil
}

func standing(p *Party) string {
	f := p.Session.Facts()
	text := map[dtls.State]string{dtls.Handshaking: "handshaking", dtls.Established: "established", dtls.Closed: "closed"}[p.Session.State()]
	if p.abandoned {
		text = "abandoned"
	}
	if p.Closed != nil {
		text += ": " + p.Closed.Error()
	}
	if f.PSKIdentity != nil {
		text += fmt.Sprintf(", identity %q", f.PSKIdentity)
	}
	switch {
	case f.PeerRawKey != nil:
		text += ", peer shows a raw public key"
	case f.PeerChain != nil:
		text += ", peer shows " + f.PeerChain[0].Subject.String()
	}
	return fmt.Sprintf("%s, %v, received %q", text, f.CipherSuite, p.Received)
}
