// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coaps-go/coaps/store"
)

// Sockets are the places where the admin socket of a server with this
// configuration can be: the one that the file names; else, in this order,
//
//   - FILE.run/admin.sock, beside the file,
//   - /run/user/UID/coaps/, under a name made of the file's: of this user and of
//     the owner of the file,
//   - the same in $XDG_RUNTIME_DIR/coaps/.
//
// A server takes the first that it can make, and commands try all: so they meet
// although one has been started from a login shell, and the other by sudo or cron.
func (c *Config) Sockets() []string {
	if c.Admin.Socket != "" {
		return []string{c.Resolve(c.Admin.Socket)}
	}
	all := []string{filepath.Join(c.path+".run", "admin.sock")}
	add := func(runtime string) {
		if place := filepath.Join(runtime, "coaps", c.socketName()); !slices.Contains(all, place) {
			all = append(all, place)
		}
	}
	for _, uid := range c.owners() {
		if runtime := filepath.Join(userRuntime, strconv.Itoa(uid)); isDirectory(runtime) {
			add(runtime)
		}
	}
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(runtime) {
		add(runtime)
	}
	return slices.DeleteFunc(all, c.foreign)
}

// foreign reports whether a socket is that of somebody who could not replace the
// configuration either: he only wants to be taken for the server. Where the file
// names the socket, it is believed.
func (c *Config) foreign(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	uid, ok := ownerOf(info)
	return ok && uid != 0 && !slices.Contains(c.owners(), uid)
}

// userRuntime is where systemd keeps the directories of users that are logged in.
const userRuntime = "/run/user"

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// owners are this user, and those who own the file and its directory and so could
// replace it.
func (c *Config) owners() []int {
	uids := []int{os.Geteuid()}
	for _, path := range []string{c.path, filepath.Dir(c.path)} {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if uid, ok := ownerOf(info); ok && !slices.Contains(uids, uid) {
			uids = append(uids, uid)
		}
	}
	return uids
}

// socketName is the name in a directory that several servers may share.
func (c *Config) socketName() string {
	sum := sha256.Sum256([]byte(c.path))
	base := strings.TrimSuffix(filepath.Base(c.path), filepath.Ext(c.path))
	return base[:min(len(base), 20)] + "-" + hex.EncodeToString(sum[:4]) + ".sock"
}

// listen opens the first of the sockets that can be made, unless a server answers
// at any of them.
func (c *Config) listen() (*adminSocket, error) {
	var failed []error
	for _, path := range c.Sockets() {
		if live(path) {
			return nil, fmt.Errorf("%w: %s answers", ErrServerRunning, path)
		}
	}
	for _, path := range c.Sockets() {
		socket, err := listenAdmin(path)
		if err == nil || errors.Is(err, ErrServerRunning) {
			return socket, err
		}
		failed = append(failed, err)
	}
	return nil, &placesError{failed}
}

// placesError says why there was no place for the socket.
type placesError struct{ failed []error }

func (e *placesError) Error() string {
	texts := make([]string, len(e.failed))
	for i, err := range e.failed {
		texts[i] = fileErrorText(err)
	}
	return strings.Join(texts, "; ") + "; admin.socket names a place, admin.off goes without"
}

// Unwrap returns what was wrong with each place.
func (e *placesError) Unwrap() []error { return e.failed }

// SocketsOf is Config.Sockets of the configuration in that file, also if the file
// is broken by now: then what can still be read of it counts.
func SocketsOf(path string) ([]string, error) {
	c, err := Load(path)
	if err == nil {
		return c.Sockets(), nil
	}
	if _, broken := errors.AsType[*ConfigError](err); !broken {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	return (&Config{path: path, Admin: adminOf(path)}).Sockets(), nil
}

// NoServerError says that no server answers at any of the sockets. It is
// store.ErrUnavailable.
type NoServerError struct {
	Sockets []string
	Err     error // of the last one
}

func (e *NoServerError) Error() string {
	return "no server answers at " + strings.Join(e.Sockets, " or ")
}

// Unwrap returns store.ErrUnavailable and the error of the last socket.
func (e *NoServerError) Unwrap() []error { return []error{store.ErrUnavailable, e.Err} }
