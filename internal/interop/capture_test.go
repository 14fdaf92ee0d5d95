// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// capture is the traffic of one UDP port of the loopback interface, in a file.
type capture struct {
	file, keyLog string
	port         int
	dumpcap      *process
}

// lockedFile is a key log that several sessions write to.
type lockedFile struct {
	mu sync.Mutex
	*os.File
}

func (l *lockedFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.File.Write(b)
}

// newCapture starts to record a port.
func newCapture(ctx context.Context, t *testing.T, port int) *capture {
	t.Helper()
	dir := t.TempDir()
	c := &capture{file: filepath.Join(dir, "x.pcap"), keyLog: filepath.Join(dir, "keys.txt"), port: port}
	c.dumpcap = start(ctx, t, nil, "dumpcap", "-q", "-i", "lo", "-f", fmt.Sprintf("udp port %d", port), "-P", "-w", c.file)
	if !c.dumpcap.await(ctx, `File: `) {
		skipOrFail(t, "dumpcap cannot record here: "+c.dumpcap.text())
	}
	time.Sleep(500 * time.Millisecond) // it says so before it listens
	return c
}

// skipOrFail is for what a user's machine may not allow, and CI must.
func skipOrFail(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("COAPS_INTEROP") == "required" || os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func (c *capture) openKeyLog(t *testing.T) *lockedFile {
	t.Helper()
	f, err := os.OpenFile(c.keyLog, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &lockedFile{File: f}
}

// end stops the recording when the file has no more to come.
func (c *capture) end() {
	time.Sleep(500 * time.Millisecond)
	_ = c.dumpcap.cmd.Process.Signal(os.Interrupt)
	<-c.dumpcap.exited
}

// read asks tshark about the capture, decrypted by our key log.
func (c *capture) read(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	args = append([]string{"-r", c.file, "-o", "tls.keylog_file:" + c.keyLog,
		"-d", fmt.Sprintf("udp.port==%d,dtls", c.port), "-d", fmt.Sprintf("dtls.port==%d,coap", c.port)}, args...)
	cmd := exec.CommandContext(ctx, "tshark", args...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, errors.String())
	}
	return string(out)
}

// TestJudge lets tshark read our traffic with libcoap in each mode and both
// roles: decrypted by our key log it sees the request and its response, and
// nothing that it would warn of.
//
// Proves rfc7252 §9.1.1: "All CoAP messages MUST be sent as DTLS "application data"."
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"psk", "x509", "rpk"} {
		m := modeNamed(name)
		for _, role := range []string{"we ask", "we serve"} {
			t.Run(name+"/"+role, func(t *testing.T) {
				need(t, "dumpcap", "tshark", "coap-server-gnutls", "coap-client-gnutls")
				ctx := parallel(t)
				f := newFiles(t)
				if role == "we ask" {
					judge(ctx, t, m, "/time", recordAsking(ctx, t, f, m))
				} else {
					judge(ctx, t, m, "/whoami", recordServing(ctx, t, f, m))
				}
			})
		}
	}
}

func recordAsking(ctx context.Context, t *testing.T, f *files, m mode) *capture {
	_, port := peerNamed("libcoap-gnutls").serve(ctx, t, f, m, goodPath)
	c := newCapture(ctx, t, port)
	client := newClient(t, f, m, goodPath)
	client.Security.KeyLog = c.openKeyLog(t)
	response, err := client.Get(ctx, fmt.Sprintf("coaps://localhost:%d/time", port))
	if err != nil {
		t.Fatal(err)
	}
	checkFacts(t, f, m, false, response.Peer.Facts, response.Peer.Identity)
	client.Close()
	c.end()
	return c
}

func recordServing(ctx context.Context, t *testing.T, f *files, m mode) *capture {
	port := freePort(t)
	c := newCapture(ctx, t, port)
	s := newServerAt(t, f, m, goodPath, port, c.openKeyLog(t))
	p := peerNamed("libcoap-gnutls").dial(ctx, t, f, m, goodPath, s.port)
	select {
	case who := <-s.asked:
		checkFacts(t, f, m, true, who.Facts, who.Identity)
	case <-ctx.Done():
		t.Fatal("nobody asked")
	}
	if !p.await(ctx, `you are \S+`) {
		t.Error("the peer did not show the response")
	}
	<-p.exited
	c.end()
	return c
}

// judge asks tshark for its opinion.
func judge(ctx context.Context, t *testing.T, m mode, path string, c *capture) {
	t.Helper()
	messages := c.read(ctx, t, "-Y", "coap")
	if !strings.Contains(messages, "GET") || !strings.Contains(messages, path) || !strings.Contains(messages, "2.05 Content") {
		t.Errorf("tshark does not read the exchange:\n%s\n%s", messages, c.read(ctx, t))
	}
	suite := strings.TrimSpace(c.read(ctx, t, "-Y", "dtls.handshake.type == 2", "-T", "fields", "-e", "dtls.handshake.ciphersuite"))
	if want := fmt.Sprintf("0x%04x", uint16(m.suite)); !strings.EqualFold(suite, want) {
		t.Errorf("tshark sees suite %s, want %s", suite, want)
	}
	warnings := c.read(ctx, t, "-Y", "_ws.expert.severity >= 0x00600000", "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message")
	if warnings != "" {
		t.Errorf("tshark warns of:\n%s\n%s", warnings, c.read(ctx, t))
	}
	if plain := c.read(ctx, t, "-Y", "udp and not dtls"); plain != "" {
		t.Errorf("datagrams that are not DTLS:\n%s", plain)
	}
}
