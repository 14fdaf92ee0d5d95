// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrServerRunning says that a live server has the admin socket already.
var ErrServerRunning = errors.New("a server with this configuration is running already")

// What sockaddr_un takes on the systems there are, and how much longer than its
// directory the first name of the socket is.
const (
	maxSocketPath = 103
	firstName     = len("/.s0123456789/s")
)

func checkSocketPath(path string) error {
	if max(len(path), len(filepath.Dir(path))+firstName) > maxSocketPath {
		return fmt.Errorf("the path of the admin socket is too long for a socket, of which it may have %d bytes: %s; admin.socket names another", maxSocketPath, path)
	}
	return nil
}

// adminSocket is a unix socket that only its owner can use.
type adminSocket struct {
	net.Listener
	path   string
	lock   *os.File      // held while the server lives
	places chan struct{} // one taken by each connection
	closed chan struct{}
	once   sync.Once
}

// listenAdmin opens the socket. The lock beside it tells a live server from one
// that crashed, whose socket is replaced. The socket is made in a directory
// that is closed to others and gets its name when its mode is right, so that
// there is no moment in which somebody else could connect.
func listenAdmin(path string) (*adminSocket, error) {
	if err := checkSocketPath(path); err != nil {
		return nil, err
	}
	if err := privateDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	l, err := bindAdmin(path)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &adminSocket{Listener: l, path: path, lock: lock,
		places: make(chan struct{}, adminConnections), closed: make(chan struct{})}, nil
}

func bindAdmin(path string) (net.Listener, error) {
	if live(path) {
		return nil, fmt.Errorf("%w: %s answers", ErrServerRunning, path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return nil, fmt.Errorf("%s is there and is no socket", path)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	first := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(first, 0o600); err == nil {
		err = os.Rename(first, path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// live reports whether somebody answers at the socket.
func live(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// privateDirectory makes a directory, or refuses one that others may change.
func privateDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return checkPrivate(dir, info)
}

var errForeignDirectory = errors.New("a directory of somebody else")

// checkPrivate refuses a directory in which somebody else could put a socket of
// his own in the place of ours.
func checkPrivate(dir string, info fs.FileInfo) error {
	if uid, ok := ownerOf(info); ok && uid != os.Geteuid() && uid != 0 {
		return fmt.Errorf("%w: %s, where the admin socket would be, belongs to uid %d", errForeignDirectory, dir, uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others may write into %s, where the admin socket would be; chmod go-w %s", dir, dir)
	}
	return nil
}

// Close removes the socket. The file of the lock stays, as another server may
// have opened it by now.
func (s *adminSocket) Close() error {
	s.once.Do(func() {
		close(s.closed)
		os.Remove(s.path)
		s.Listener.Close()
		s.lock.Close()
	})
	return nil
}

// Accept waits for a connection, and before that for a place for it.
func (s *adminSocket) Accept() (net.Conn, error) {
	select {
	case s.places <- struct{}{}:
	case <-s.closed:
		return nil, net.ErrClosed
	}
	conn, err := s.Listener.Accept()
	if err != nil {
		<-s.places
		return nil, err
	}
	who, err := peerOf(conn)
	if err != nil {
		who = caller{uid: strangerUID, pid: -1}
	}
	return &adminConn{Conn: conn, who: who, leave: sync.OnceFunc(func() { <-s.places })}, nil
}

// adminConn is a connection of which it is known who made it.
type adminConn struct {
	net.Conn
	who   caller
	leave func()
}

// Close gives the place back.
func (c *adminConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// caller is who is at the other end of the socket.
type caller struct {
	uid, pid int // -1: not known on this system
	command  string
}

func (c caller) String() string {
	if c.uid < 0 {
		return "the owner"
	}
	return fmt.Sprintf("uid %d", c.uid)
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	who, _ := ctx.Value(callerKey{}).(caller)
	return who
}
