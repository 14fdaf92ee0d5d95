// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package udptest

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// rung is a time in the past.
var rung = time.Unix(1, 0)

// mustFail calls Recv, which has nothing to receive.
func mustFail(t *testing.T, c udp.Conn, want error) {
	t.Helper()
	if n, err := c.Recv(buffers(2, 10)); n != 0 || !errors.Is(err, want) {
		t.Errorf("Recv = %d, %v, want %v", n, err, want)
	}
}

// A read deadline that is set to the past wakes a Recv that waits, and one that
// comes later; one that is set to the future lets the next wait again.
func (s suite) deadlineIsTheDoorbell(t *testing.T) {
	c := s.local(t)
	for range 100 {
		deadline(t, c, time.Time{})
		var bell sync.WaitGroup
		bell.Go(func() { c.SetReadDeadline(rung) })
		mustFail(t, c, os.ErrDeadlineExceeded)
		bell.Wait()
	}
	mustFail(t, c, os.ErrDeadlineExceeded)
	began := time.Now()
	deadline(t, c, began.Add(20*time.Millisecond))
	mustFail(t, c, os.ErrDeadlineExceeded)
	if waited := time.Since(began); waited < 19*time.Millisecond {
		t.Errorf("waited %v for a deadline in 20 ms", waited)
	}
	deadline(t, c, time.Now().Add(20*time.Millisecond))
	deadline(t, c, time.Time{})
	late := time.AfterFunc(60*time.Millisecond, func() { c.SetReadDeadline(rung) })
	defer late.Stop()
	mustFail(t, c, os.ErrDeadlineExceeded)
	if waited := time.Since(began); waited < 60*time.Millisecond {
		t.Errorf("a deadline that was taken back ended Recv after %v", waited)
	}
}

// What arrives while the deadline has passed is received after it was moved.
func (s suite) deadlineLosesNothing(t *testing.T) {
	client, server := s.local(t), s.local(t)
	deadline(t, server, rung)
	send(t, client, to(server.LocalAddr(), "first"), to(server.LocalAddr(), "second"))
	n, err := server.Recv(buffers(2, 10))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Recv = %d, %v, want the deadline to come first", n, err)
	}
	recvAll(t, server, 2)
}

// The bell rings as often as it can while datagrams arrive: none is lost, and
// none is reported twice.
func (s suite) bellRingsUnderLoad(t *testing.T) {
	const total = 2000
	client, server := s.local(t), s.local(t)
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				server.SetReadDeadline(rung)
				time.Sleep(20 * time.Microsecond)
			}
		}
	})
	var arrived atomic.Int64
	others.Go(func() {
		for i := range total {
			for int64(i)-arrived.Load() > 100 && !ended(stop) { // a small buffer holds no more
				time.Sleep(20 * time.Microsecond)
			}
			client.Send([]udp.Datagram{to(server.LocalAddr(), string([]byte{byte(i), byte(i >> 8)}))})
		}
	})
	defer others.Wait()
	defer close(stop)
	batch := buffers(16, 10)
	began := time.Now()
	for got := 0; got < total; {
		n, err := server.Recv(batch)
		switch {
		case time.Since(began) > 4*patience:
			t.Fatalf("%d of %d datagrams arrived", got, total)
		case errors.Is(err, os.ErrDeadlineExceeded):
			deadline(t, server, time.Now().Add(time.Second))
		case err != nil:
			t.Fatal(err)
		}
		for i := range batch[:n] {
			if p := batch[i].Payload(); len(p) != 2 || int(p[0])|int(p[1])<<8 != got {
				t.Fatalf("datagram %d is % x", got, p)
			}
			got++
		}
		arrived.Store(int64(got))
	}
}

func ended(stop chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

func (s suite) closeEndsRecv(t *testing.T) {
	for range 20 {
		c := s.local(t)
		var others sync.WaitGroup
		others.Go(func() {
			time.Sleep(time.Millisecond)
			if err := c.Close(); err != nil {
				t.Error("Close:", err)
			}
		})
		mustFail(t, c, net.ErrClosed)
		others.Wait()
	}
}

func (s suite) closedStaysClosed(t *testing.T) {
	other := s.local(t)
	c := s.local(t)
	if err := c.Close(); err != nil {
		t.Error("Close:", err)
	}
	mustFail(t, c, net.ErrClosed)
	if n, err := c.Send([]udp.Datagram{to(other.LocalAddr(), "x")}); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send = %d, %v, want net.ErrClosed", n, err)
	}
	if err := c.SetReadDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SetReadDeadline: %v, want net.ErrClosed", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v, want net.ErrClosed", err)
	}
	if again, err := s.open("udp4", c.LocalAddr().String()); err != nil {
		t.Error("the address is still taken:", err)
	} else {
		again.Close()
	}
}
