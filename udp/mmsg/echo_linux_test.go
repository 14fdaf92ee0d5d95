// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/portable"
	"golang.org/x/sys/unix"
)

// The benchmarks compare what a server's datagrams cost in processor time. The
// server is another process on a processor of its own; the client is this one,
// with plain blocking sockets.

const echoing = "COAPS_TEST_ECHO"

// An echo is how the server behaves.
type echo struct {
	kind  string // of socket
	batch int    // datagrams
	burst int    // answers to each question
	size  int    // of an answer in bytes
}

func (e echo) String() string {
	return fmt.Sprintf("%s %d %d %d", e.kind, e.batch, e.burst, e.size)
}

var kinds = map[string]func(network, addr string) (udp.Conn, error){"mmsg": Listen, "portable": portable.Listen}

// serveEcho is the other process. Asked on its standard input it says how much
// processor time it has used.
func serveEcho(spec string) {
	var e echo
	if _, err := fmt.Sscan(spec, &e.kind, &e.batch, &e.burst, &e.size); err != nil {
		panic(err)
	}
	conn, err := kinds[e.kind]("udp", ":0")
	if err != nil {
		panic(err)
	}
	fmt.Println(conn.LocalAddr().Port())
	var calls atomic.Int64
	go e.run(conn, &calls)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var u unix.Rusage
		unix.Getrusage(unix.RUSAGE_SELF, &u)
		fmt.Println(u.Utime.Nano()+u.Stime.Nano(), calls.Load())
	}
	os.Exit(0)
}

func (e echo) run(conn udp.Conn, calls *atomic.Int64) {
	in, out := make([]udp.Datagram, e.batch), make([]udp.Datagram, e.batch*e.burst)
	for i := range in {
		in[i].Buf = make([]byte, 2048)
	}
	for {
		n, err := conn.Recv(in)
		if err != nil {
			panic(err)
		}
		for i := range in[:n] {
			for j := range e.burst {
				out[i*e.burst+j] = in[i]
				out[i*e.burst+j].N = max(e.size, in[i].N)
			}
		}
		if sent, err := conn.Send(out[:n*e.burst]); err != nil {
			panic(fmt.Sprint(sent, err))
		}
		calls.Add(1)
	}
}

// A server is that process as seen from here.
type server struct {
	in   io.Writer
	out  *bufio.Reader
	port uint16
}

// startEcho starts the other process on the first processor, and keeps the
// calling goroutine on the second.
func startEcho(b *testing.B, e echo) *server {
	b.Helper()
	runtime.LockOSThread() // for good: the thread stays bound to its processor
	var before, first, second unix.CPUSet
	if unix.SchedGetaffinity(0, &before) != nil || before.Count() < 2 {
		b.Skip("needs two processors")
	}
	for i, n := 0, 0; n < 2; i++ {
		if before.IsSet(i) {
			[]*unix.CPUSet{&first, &second}[n].Set(i)
			n++
		}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), echoing+"="+e.String())
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	unix.SchedSetaffinity(0, &first) // a child begins where its parent is
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	unix.SchedSetaffinity(0, &second)
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	s := &server{in: in, out: bufio.NewReader(out)}
	fmt.Fscanln(s.out, &s.port)
	return s
}

// used is the processor time and the number of turns until now.
func (s *server) used() (nanoseconds, calls int64) {
	fmt.Fprintln(s.in)
	fmt.Fscanln(s.out, &nanoseconds, &calls)
	return nanoseconds, calls
}

// dial opens blocking sockets that are connected to the server.
func (s *server) dial(b *testing.B, n int) []int {
	b.Helper()
	sockets := make([]int, n)
	for i := range sockets {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(s.port)})
		}
		if err == nil {
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
			err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2})
		}
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { unix.Close(fd) })
		sockets[i] = fd
	}
	return sockets
}

// window is how many questions are on their way at once.
const window = 64

// round asks window questions and waits for the answers.
func round(b *testing.B, sockets []int, question, answer []byte, burst int) {
	for i := range window {
		if _, err := unix.Write(sockets[i%len(sockets)], question); err != nil {
			b.Fatal(err)
		}
	}
	for i := range window {
		for range burst {
			receive(b, sockets[i%len(sockets)], answer)
		}
	}
}

func receive(b *testing.B, socket int, answer []byte) {
	_, err := unix.Read(socket, answer)
	for err == unix.EINTR { // the socket has a timeout, so the kernel does not begin again by itself
		_, err = unix.Read(socket, answer)
	}
	if err != nil {
		b.Fatal("a datagram is lost:", err)
	}
}

func benchmarkEcho(b *testing.B, e echo, sockets int) {
	name := fmt.Sprintf("%s/batch=%d/sockets=%d", e.kind, e.batch, sockets)
	b.Run(name, func(b *testing.B) {
		s := startEcho(b, e)
		fds := s.dial(b, sockets)
		question, answer := make([]byte, 60), make([]byte, 2048)
		for range 100 {
			round(b, fds, question, answer, e.burst)
		}
		cpu, calls := s.used()
		n := 0
		for b.Loop() {
			round(b, fds, question, answer, e.burst)
			n++
		}
		cpu2, calls2 := s.used()
		b.ReportMetric(float64(cpu2-cpu)/float64(n*window*e.burst), "cpu-ns/answer")
		b.ReportMetric(float64(n*window)/float64(calls2-calls), "questions/turn")
	})
}

// BenchmarkEcho is a server of small requests: each datagram is sent back.
func BenchmarkEcho(b *testing.B) {
	for _, sockets := range []int{1, 64} {
		for _, e := range []echo{{"portable", 16, 1, 0}, {"mmsg", 16, 1, 0}, {"mmsg", 64, 1, 0}} {
			benchmarkEcho(b, e, sockets)
		}
	}
}

// BenchmarkBurst is a server of large ones: each datagram is answered by 16 of
// 1,024 bytes.
func BenchmarkBurst(b *testing.B) {
	for _, sockets := range []int{1, 64} {
		for _, e := range []echo{{"portable", 16, 16, 1024}, {"mmsg", 16, 16, 1024}} {
			benchmarkEcho(b, e, sockets)
		}
	}
}
