// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coaps-go/coaps/internal/resource"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
)

// Check looks at everything that a configuration refers to, as a server would that
// starts with it, but opens no port and changes nothing: the problems that would
// keep it from starting, and warnings.
func (c *Config) Check(ctx context.Context) []Problem {
	ch := &checker{Config: c, ctx: ctx}
	if c.cutOff() {
		p := c.lastLine()
		p.Warning = true
		ch.problems = append(ch.problems, p)
	}
	ch.store()
	if ch.opened != nil {
		defer ch.opened.Close()
	}
	ch.withoutStore()
	if ch.opened != nil {
		ch.devices()
	}
	return newConfigError(ch.problems).Problems // by line
}

// withoutStore looks at everything but what the store has in it.
func (ch *checker) withoutStore() {
	c := ch.Config
	ch.sealing()
	var lookup security.Directory
	if ch.opened != nil {
		lookup = registry.NewDirectory(ch.opened, registry.Options{Split: c.Tenants.Split})
	} else if c.Store.URL != "" {
		lookup = registry.NewDirectory(memory.New(), registry.Options{})
	}
	m, problems := c.readMaterial(lookup, time.Now())
	ch.problems = append(append(ch.problems, problems...), c.served(m)...)
	_, problems = c.newResources(nil, newLasting(resource.Nobody{}), lookup, discarded)
	ch.problems = append(ch.problems, problems...)
	ch.rules()
	ch.problems = append(append(ch.problems, c.exposed()...), c.edited()...)
	ch.logs()
	ch.socket()
}

// checker collects what Check finds.
type checker struct {
	*Config
	ctx      context.Context
	opened   store.Store // nil: none, or not to be had
	unseen   bool        // there is one, and it could not be looked at
	problems []Problem
}

func (ch *checker) wrong(key string, format string, args ...any) {
	ch.problems = append(ch.problems, ch.source.problem(ch.source.find(key), key, format, args...))
}

func (ch *checker) warn(key string, format string, args ...any) {
	ch.problems = append(ch.problems, ch.warning(key, format, args...))
}

// store opens the store, that of a running server through its socket. A database
// that is not there yet is not made.
func (ch *checker) store() {
	if ch.Store.URL == "" {
		return
	}
	kind, path, _ := splitStoreURL(ch.StoreURL())
	if _, err := os.Stat(path); kind == kindBolt && errors.Is(err, fs.ErrNotExist) {
		ch.warn("store.url", "%s is not there yet; it will be made", path)
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			ch.wrong("store.url", "%s", fileErrorText(err))
		}
		return
	}
	ctx, cancel := context.WithTimeout(ch.ctx, rulesTime)
	defer cancel()
	s, err := ch.OpenStore(ctx)
	if errors.Is(err, store.ErrLocked) {
		s = AdminStore("config check", ch.Sockets()...)
		if _, gone := s.Get(ctx, "probe"); gone != nil && !errors.Is(gone, store.ErrNotFound) {
			ch.unseen = true
			ch.warn("store.url", "another process has %s, and %v: it was not looked at", path, gone)
			_ = s.Close()
			return
		}
		err = nil
	}
	if err != nil {
		ch.unopened(err)
		return
	}
	if status := s.Status(); !status.OK && status.Err != nil {
		ch.wrong("store.url", "%s", status.Err)
	}
	ch.opened = s
}

// unopened says why the store cannot be looked at. That it is away is a matter of its
// machine and not of the configuration, if a server waits for it.
func (ch *checker) unopened(err error) {
	ch.unseen = true
	if away(&StoreError{Where: ch.Store.URL, Err: err}) != nil && ch.Store.Wait > 0 {
		ch.warn("store.url", "%s: it was not looked at; a server that starts waits for it", fileErrorText(err))
		return
	}
	ch.wrong("store.url", "%s", fileErrorText(err))
}

// rules compiles those of the file and of the store together.
func (ch *checker) rules() {
	var stored []acl.Rule
	if ch.opened != nil {
		var err error
		ctx, cancel := context.WithTimeout(ch.ctx, rulesTime)
		defer cancel()
		if stored, err = registry.New(ch.opened).Rules(ctx); err != nil {
			ch.wrong("store.url", "the access rules cannot be read: %v", err)
			return
		}
	}
	if _, err := ch.compile(stored); err != nil {
		ch.wrong("acl", "%v", err)
	}
	if !ch.ACL.Open && !ch.unseen && len(ch.ACL.Rules)+len(stored) == 0 {
		ch.warn("acl", "there is no rule yet, so nobody may do anything: coaps acl allow")
	}
}

// exposed warns of what anybody can reach.
func (c *Config) exposed() (problems []Problem) {
	for i, l := range c.Listen {
		if l.Security != securityNoSec || loopback(l.Addr) {
			continue
		}
		text := "what is said at %s can be read and forged by others"
		if c.ACL.Open {
			text = "anybody who can reach %s may do everything, without protection"
		}
		problems = append(problems, c.warning(indexKey("listen", i), text, l.Addr))
	}
	if c.ACL.Open && c.serves(securityDTLS) {
		problems = append(problems, c.warning("acl.open", "whoever has any credential may do everything"))
	}
	return problems
}

func loopback(addr string) bool {
	at, err := netip.ParseAddrPort(addr)
	return err == nil && at.Addr().IsLoopback()
}

// logs looks whether the files can be written. What is not there is not made.
func (ch *checker) logs() {
	for _, one := range []struct{ key, path string }{{"log.audit", ch.Log.Audit}, {"log.ban", ch.Log.Ban}} {
		if one.path == "" {
			continue
		}
		path := ch.Resolve(one.path)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Stat(filepath.Dir(path))
		}
		if f != nil {
			f.Close()
		}
		if err != nil {
			ch.wrong(one.key, "%s", fileErrorText(err))
		}
	}
}

// socket looks whether there is a place for the admin socket, unless a server has
// one. Root is not who will serve, as a rule: whose directory it is does not matter
// then. One that a service manager makes may not be there yet.
func (ch *checker) socket() {
	if ch.Admin.Off {
		return
	}
	failed := &placesError{}
	for _, path := range ch.Sockets() {
		err := checkPlace(path)
		if err == nil || live(path) || errors.Is(err, errForeignDirectory) && os.Geteuid() == 0 {
			return
		}
		failed.failed = append(failed.failed, err)
	}
	if ch.Admin.Socket != "" && !isDirectory(filepath.Dir(ch.Resolve(ch.Admin.Socket))) && checkSocketPath(ch.Resolve(ch.Admin.Socket)) == nil {
		ch.warn("admin.socket", "the directory is not there yet: %v", failed)
		return
	}
	ch.wrong("admin.socket", "%v", failed)
}

// sealing looks at the file with the age identity, also if the store cannot be
// opened beside a server.
func (ch *checker) sealing() {
	if ch.Store.Key == "" {
		return
	}
	if _, err := StoreKeys(ch.Resolve(ch.Store.Key)); err != nil {
		ch.wrong("store.key", "%s", fileErrorText(err))
	}
}

// checkPlace is why a socket cannot be made at a path, as far as can be told.
func checkPlace(path string) error {
	if err := checkSocketPath(path); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is no directory", dir)
		case !writable(dir):
			return &fs.PathError{Op: "access", Path: dir, Err: fs.ErrPermission}
		case dir == filepath.Dir(path):
			return checkPrivate(dir, info)
		}
		return nil
	}
}

// edited warns of a file of devices that others can read. It is no error: what is
// mounted into a container often is so.
func (c *Config) edited() []Problem {
	kind, path, err := splitStoreURL(c.StoreURL())
	if err != nil || kind != kindFile {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return []Problem{c.warning("store.url", "%s has mode %04o: others can read the keys in it; chmod 600", path, info.Mode().Perm())}
	}
	return nil
}

// devicesNamed is how many names a warning has.
const devicesNamed = 3

// devices looks for keys that can be guessed.
func (ch *checker) devices() {
	var weak []string
	more := 0
	for device, err := range registry.New(ch.opened).Devices(ch.ctx, registry.Filter{}) {
		if err != nil {
			ch.wrong("store.url", "the devices cannot be read: %v", err)
			return
		}
		for _, credential := range device.Credentials {
			if credential.PSK == nil || credential.PSK.Key.Len() >= keys.MinPSKLen {
				continue
			}
			if len(weak) < devicesNamed {
				weak = append(weak, device.Name)
			} else {
				more++
			}
		}
	}
	if len(weak) == 0 {
		return
	}
	names := strings.Join(weak, ", ")
	if more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	ch.warn("store.url", "pre-shared keys of fewer than %d bytes, which can be guessed and are refused unless dtls.weak-psk is true: %s", keys.MinPSKLen, names)
}
