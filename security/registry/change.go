// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/store"
)

// An owner is a device or a group, as far as the store is concerned.
type owner interface {
	key() string
	what() string // for people
	credentials() []Credential
	version() uint64
	normalize(now time.Time) error
	birth() (created *time.Time, lastID *int)
	AppendJSON(dst []byte) []byte
}

// An Owner has credentials: a *Device, or a *Group.
type Owner interface{ owner }

func (d *Device) key() string               { return deviceKey(d.Tenant, d.Name) }
func (d *Device) what() string              { return whatOwner("device", d.Tenant, d.Name) }
func (d *Device) credentials() []Credential { return d.Credentials }
func (d *Device) version() uint64           { return d.Version }
func (d *Device) birth() (*time.Time, *int) { return &d.Created, &d.LastID }

func (g *Group) key() string               { return groupKey(g.Tenant, g.Name) }
func (g *Group) what() string              { return whatOwner("group", g.Tenant, g.Name) }
func (g *Group) credentials() []Credential { return g.Credentials }
func (g *Group) version() uint64           { return g.Version }
func (g *Group) birth() (*time.Time, *int) { return &g.Created, &g.LastID }

func whatOwner(kind, tenant, name string) string {
	if tenant != "" {
		return kind + " " + name + " of tenant " + tenant
	}
	return kind + " " + name
}

// ownerOfKey describes the owner with this key, for people.
func ownerOfKey(key string) string {
	for prefix, kind := range map[string]string{devicePrefix: "device", groupPrefix: "group"} {
		if tenant, name, ok := splitOwnerKey(key, prefix); ok {
			return whatOwner(kind, tenant, name)
		}
	}
	return key
}

// indexOf returns what each index record of o must hold, by key.
func indexOf(o owner) map[string]string {
	if o == nil {
		return nil
	}
	key, list := o.key(), o.credentials()
	index := make(map[string]string, len(list))
	var buf [512]byte
	for i := range list {
		at := string(list[i].appendIndexKey(buf[:0]))
		index[at] = string(reference{key, list[i].ID}.append(buf[:0]))
	}
	return index
}

// change puts now in place of old, with the index records of both, at once.
// Either may be nil. That old is as it was read is a condition, and that what is
// new in now is nobody else's.
func (r *Registry) change(ctx context.Context, old, now owner) error {
	var ops []store.Op
	if now != nil {
		if err := now.normalize(time.Now()); err != nil {
			return err
		}
		ops = append(ops, store.Op{Key: now.key(), Value: now.AppendJSON(nil), IfVersion: store.Absent})
	}
	if old != nil && now != nil && old.key() == now.key() {
		ops[0].IfVersion = old.version()
	} else if old != nil {
		ops = append(ops, store.Op{Key: old.key(), Delete: true, IfVersion: old.version()})
	}
	ops = appendIndexOps(ops, indexOf(old), indexOf(now))
	err := r.store.Apply(ctx, ops...)
	if now != nil {
		wipeValues(ops[:1])
	}
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		return r.explain(ctx, conflict, old, now)
	}
	return err
}

// appendIndexOps appends what turns one index into the other. Only records that
// were not there must be absent: the others stand or fall with their owner,
// whose version is a condition.
func appendIndexOps(ops []store.Op, old, now map[string]string) []store.Op {
	for key, value := range now {
		switch was, there := old[key]; {
		case !there:
			ops = append(ops, store.Op{Key: key, Value: []byte(value), IfVersion: store.Absent})
		case was != value:
			ops = append(ops, store.Op{Key: key, Value: []byte(value)})
		}
	}
	for key := range old {
		if _, stays := now[key]; !stays {
			ops = append(ops, store.Op{Key: key, Delete: true})
		}
	}
	return ops
}

// wipeValues clears encoded owners, which hold keys. A store does not keep the
// values that it is given.
func wipeValues(ops []store.Op) {
	for i := range ops {
		clear(ops[i].Value)
	}
}

// errRaced says that somebody else was faster, and that it is worth another try.
var errRaced = errors.New("registry: changed by somebody else at the same time, again and again")

// explain finds out whose it is that stood in the way.
func (r *Registry) explain(ctx context.Context, conflict *store.ConflictError, old, now owner) error {
	if old != nil && conflict.Key == old.key() || now == nil {
		return errRaced
	}
	if old == nil || old.key() != now.key() {
		// The name comes first: his credentials may be in the way as well.
		_, err := r.store.Get(ctx, now.key())
		if err == nil {
			return &ConflictError{What: now.what()}
		}
	}
	record, err := r.store.Get(ctx, conflict.Key)
	if errors.Is(err, store.ErrNotFound) {
		return errRaced // not any more
	}
	if err != nil {
		return err
	}
	ref, _ := parseReference(record.Value)
	if old != nil && ref.owner == old.key() {
		return errRaced // our own, written since
	}
	return &ConflictError{What: whatKey(conflict.Key), Whose: ownerOfKey(ref.owner)}
}

// Bounds of retry. Each time at least one of those who race gets through.
const (
	maxTries    = 64
	maxTryPause = 20 * time.Millisecond
)

// retry calls try again as long as somebody else was faster.
func retry(ctx context.Context, try func() error) error {
	for n := range maxTries {
		err := try()
		if !errors.Is(err, errRaced) {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(min(maxTryPause, time.Duration(n+1)*time.Millisecond))))
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errRaced, ctx.Err())
		case <-time.After(pause):
		}
	}
	return errRaced
}

// recordOf is what points to a Device or to a Group.
type recordOf[T any] interface {
	*T
	owner
	Clone() T
}

// update lets edit change what get returns, and stores what it has become.
func update[T any, P recordOf[T]](ctx context.Context, r *Registry, tenant, name string,
	get func(ctx context.Context, tenant, name string) (T, error), edit func(P) error,
) (changed T, err error) {
	err = retry(ctx, func() error {
		old, err := get(ctx, tenant, name)
		if err != nil {
			return err
		}
		changed = P(&old).Clone()
		if err := edit(&changed); err != nil {
			return err
		}
		return r.change(ctx, P(&old), P(&changed))
	})
	return changed, err
}

// remove removes what get returns.
func remove[T any, P recordOf[T]](ctx context.Context, r *Registry, tenant, name string,
	get func(ctx context.Context, tenant, name string) (T, error),
) error {
	return retry(ctx, func() error {
		old, err := get(ctx, tenant, name)
		if err != nil {
			return err
		}
		return r.change(ctx, P(&old), nil)
	})
}

// kindNames are what index records are of, for people.
var kindNames = map[string]string{
	indexPSK: "PSK identity", indexRPK: "raw public key", indexToken: "token", indexPin: "certificate with key",
	indexURI: "certificate with URI", indexDNS: "certificate with DNS name", indexEUI64: "certificate with EUI-64",
	indexSubject: "certificate with subject",
}

// whatKey describes what an index record is about.
func whatKey(indexKey string) string {
	for prefix, kind := range kindNames {
		rest, ok := strings.CutPrefix(indexKey, prefix)
		if !ok {
			continue
		}
		last := rest[strings.LastIndexByte(rest, '/')+1:]
		if text, ok := unescape(last); ok {
			last = text
		}
		return kind + " " + keys.PrintableIdentity([]byte(last))
	}
	return indexKey
}
