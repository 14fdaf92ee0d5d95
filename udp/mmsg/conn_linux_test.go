// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/internal/ancillary"
	"github.com/coaps-go/coaps/udp/udptest"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

var (
	_ udp.Conn            = (*Conn)(nil)
	_ udp.OverflowCounter = (*Conn)(nil)
)

func TestMain(m *testing.M) {
	if os.Getenv(sandboxed) != "" {
		inSandbox()
	}
	if spec := os.Getenv(echoing); spec != "" {
		serveEcho(spec)
	}
	goleak.VerifyTestMain(m)
}

func TestConn(t *testing.T) { udptest.Run(t, Listen) }

func BenchmarkRoundTrip(b *testing.B) { udptest.BenchmarkRoundTrip(b, Listen) }

// A bell that rings for each response of a handler is on the server's path.
func TestDeadlineDoesNotAllocate(t *testing.T) {
	c := listen(t, "udp", "127.0.0.1:0")
	in := []udp.Datagram{{Buf: make([]byte, 10)}}
	if n := testing.AllocsPerRun(100, func() {
		c.SetReadDeadline(time.Now().Add(100 * time.Microsecond))
		if _, err := c.Recv(in); err != os.ErrDeadlineExceeded {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// One call receives all that is at hand.
func TestBatchIsReceivedAtOnce(t *testing.T) {
	client, server := listen(t, "udp", "127.0.0.1:0"), listen(t, "udp", ":0")
	remote := netip.AddrPortFrom(client.LocalAddr().Addr(), server.LocalAddr().Port())
	if n, err := client.Send(burst(100, 60, remote)); n != 100 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	time.Sleep(50 * time.Millisecond) // the kernel may put off the last of them
	in := make([]udp.Datagram, 100)
	for _, want := range []int{maxBatch, 100 - maxBatch} {
		for i := range in {
			in[i].Buf = make([]byte, 100)
		}
		if n, err := server.Recv(in); n != want || err != nil {
			t.Errorf("Recv = %d, %v, want %d", n, err, want)
		}
	}
}

// What the kernel drops for want of room is counted, to the last datagram.
func TestOverflows(t *testing.T) {
	const total = 500
	client, server := listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	server.raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) }) // the least there is
	if n := server.Overflows(); n != 0 {
		t.Fatalf("%d before the first datagram", n)
	}
	if n, err := client.Send(burst(total, 100, server.LocalAddr())); n != total || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	received := 0
	for in := burst(maxBatch, 100, here); ; {
		server.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := server.Recv(in)
		if err != nil {
			break
		}
		received += n
	}
	dropped := int(server.Overflows())
	if received == 0 || dropped == 0 || received+dropped != total {
		t.Errorf("%d received and %d dropped of %d", received, dropped, total)
	}
	server.Close()
	if n := int(server.Overflows()); n != dropped {
		t.Errorf("%d after Close, %d before", n, dropped)
	}
}

func TestOverflowsOutliveTheKernelsCounter(t *testing.T) {
	o := overflows{last: 1<<32 - 2}
	if o.add(3); o.total != 5 {
		t.Errorf("%d, want 5", o.total)
	}
}

// An ICMP error wakes a Recv that waits for datagrams. The next ones do not look
// for errors any more.
func TestErrorWakesRecv(t *testing.T) {
	c, gone := listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	gone.Close()
	late := time.AfterFunc(20*time.Millisecond, func() {
		c.raw.Control(func(fd uintptr) {
			unix.Sendto(int(fd), []byte("x"), 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(gone.LocalAddr().Port())})
		})
	})
	defer late.Stop()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := c.Recv([]udp.Datagram{{Buf: make([]byte, 10)}})
	var u *udp.Unreachable
	if !errors.As(err, &u) || u.Remote != gone.LocalAddr() {
		t.Fatalf("Recv: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := c.Recv([]udp.Datagram{{Buf: make([]byte, 10)}}); err != os.ErrDeadlineExceeded || c.errors {
		t.Errorf("Recv: %v; errors are still looked for: %v", err, c.errors)
	}
}

// Errors and datagrams take turns, so that who can forge ICMP messages holds up
// nobody.
func TestErrorsAndDatagramsTakeTurns(t *testing.T) {
	c, other, gone := listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	gone.Close()
	for range 10 {
		if n, err := c.Send(burst(1, 10, gone.LocalAddr())); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	for i := range 3 {
		if n, err := other.Send(burst(1, 10, c.LocalAddr())); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := c.Recv(burst(1, 10, here))
		var u *udp.Unreachable
		if !errors.As(err, &u) {
			t.Fatalf("turn %d: %v, want an error to be reported", i, err)
		}
		if n, err := c.Recv(burst(1, 10, here)); n != 1 || err != nil {
			t.Fatalf("turn %d: %d, %v, want the datagram", i, n, err)
		}
	}
}

func TestSockaddr(t *testing.T) {
	for _, tt := range []struct {
		v6      bool
		remote  string
		size    uint32
		readsAs string
	}{
		{false, "192.0.2.1:5683", unix.SizeofSockaddrInet4, "192.0.2.1:5683"},
		{false, "[::ffff:192.0.2.1]:5683", unix.SizeofSockaddrInet4, "192.0.2.1:5683"},
		{false, "[2001:db8::1]:5683", 0, ""},
		{true, "192.0.2.1:5683", unix.SizeofSockaddrInet6, "192.0.2.1:5683"},
		{true, "[2001:db8::1]:5683", unix.SizeofSockaddrInet6, "[2001:db8::1]:5683"},
		{true, "[fe80::1%lo]:5683", unix.SizeofSockaddrInet6, "[fe80::1%lo]:5683"},
		{true, "[fe80::1%4000000000]:1", unix.SizeofSockaddrInet6, "[fe80::1%4000000000]:1"},
	} {
		var s sockaddr
		var zones ancillary.Zones
		s.set(netip.MustParseAddrPort("[fe80::2%lo]:9"), true, &zones) // leaves nothing behind
		size := s.set(netip.MustParseAddrPort(tt.remote), tt.v6, &zones)
		if size != tt.size {
			t.Errorf("%s takes %d bytes, want %d", tt.remote, size, tt.size)
		}
		if got := s.addrPort(&zones); size != 0 && got.String() != tt.readsAs {
			t.Errorf("%s reads as %v", tt.remote, got)
		}
	}
	if size := new(sockaddr).set(netip.AddrPort{}, true, nil); size != 0 {
		t.Errorf("no address takes %d bytes", size)
	}
}

func TestReusePort(t *testing.T) {
	alone := listen(t, "udp4", "127.0.0.1:0")
	if c, err := Listen("udp4", alone.LocalAddr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second socket on %v: %v, %v", alone.LocalAddr(), c, err)
	}
	shared := Config{ReusePort: true}
	first, err := shared.Listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := shared.Listen("udp4", first.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestListenRefuses(t *testing.T) {
	for _, tt := range []struct{ network, addr string }{
		{"tcp", ":0"}, {"unixgram", t.TempDir() + "/x"}, {"udp", "nonsense"}, {"udp4", "[::1]:0"},
	} {
		if c, err := Listen(tt.network, tt.addr); c != nil || err == nil {
			t.Errorf("Listen(%q, %q) = %v, %v", tt.network, tt.addr, c, err)
		}
	}
}

// A Conn has its own descriptor, and does not keep the one it was opened with.
func TestOneDescriptor(t *testing.T) {
	count := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(files)
	}
	before := count()
	c := listen(t, "udp", ":0")
	if n := count() - before; n != 1 {
		t.Errorf("a socket takes %d descriptors", n)
	}
	c.Close()
	if n := count() - before; n != 0 {
		t.Errorf("%d descriptors are left", n)
	}
}

const sandboxed = "COAPS_TEST_SANDBOX"

// Some sandboxes know recvmmsg and sendmmsg not, or forbid them. Listen says so,
// for the caller to use package portable.
func TestSandbox(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), sandboxed+"=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 77 {
		t.Skipf("no sandbox here: %s", out)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// inSandbox is the other process. Each of its Listens is in a sandbox of its
// own: filters add up, and the strictest one holds.
func inSandbox() {
	fail := func(code int, why string, err error) {
		fmt.Println(why, err)
		os.Exit(code)
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fail(77, "PR_SET_NO_NEW_PRIVS:", err)
	}
	for _, forbidden := range []struct {
		call  uint32
		errno unix.Errno
	}{{unix.SYS_SENDMMSG, unix.EPERM}, {unix.SYS_RECVMMSG, unix.ENOSYS}} {
		if err := forbid(forbidden.call, forbidden.errno); err != nil {
			fail(77, "SECCOMP_SET_MODE_FILTER:", err)
		}
		c, err := Listen("udp", "127.0.0.1:0")
		if c != nil || !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, forbidden.errno) {
			fail(1, "Listen:", err)
		}
	}
	os.Exit(0)
}

// forbid makes a system call return an error in all threads from now on.
func forbid(call uint32, errno unix.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if failed != 0 {
		return failed
	}
	return nil
}
