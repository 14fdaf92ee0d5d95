// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package store keeps what a server is provisioned with: devices, their
// credentials, access rules. It is the interface and the words for what may go
// wrong; the sub-packages keep the records:
//
//	package   for whom                              a crash         a full disk   two writers
//	memory    tests, demonstrations                 all is gone     -             compare and swap
//	file      people who edit one YAML or JSON file nothing to lose -             read-only for us
//	bolt      one server, the usual choice          nothing is lost ErrFull       one process (ErrLocked), compare and swap
//	redis     several servers, changes seen by all  as Redis says   ErrFull       compare and swap
//	sealed    puts encryption around any of these
//
// A store is a sorted map from keys to values. Both are any octets; what they
// mean is the matter of package security/registry. The rules that hold for
// every back end, and that package storetest checks:
//
//   - Apply writes all its ops or none, also when the process is killed in the
//     middle, when the disk is full, when the connection breaks. Who asks for
//     a version (Op.IfVersion) and does not find it gets a *ConflictError, and
//     nothing is written: so two administrators never overwrite each other.
//   - What Apply has confirmed is there after a crash (but package memory).
//   - A record with a TTL is gone when its time has come, as if deleted. The
//     time is the wall clock's: a clock that jumps ahead makes records expire
//     early. What was deleted stays deleted whatever the clock does.
//   - Nothing blocks longer than its context lets it.
//   - All methods may be called at the same time by any number of goroutines.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// What may go wrong. Errors are wrapped with what was tried and where; compare
// with errors.Is.
var (
	// ErrNotFound says that there is no record under this key, or no more.
	ErrNotFound = errors.New("store: no such record")
	// ErrReadOnly says that this store does not take changes from us.
	ErrReadOnly = errors.New("store: read-only")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("store: closed")
	// ErrLocked says that another process has the store's file.
	ErrLocked = errors.New("store: in use by another process")
	// ErrUnavailable says that the store cannot be reached or did not answer
	// in time. Trying again later may help.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrDenied says that the store does not let us in: a wrong password, or rights
	// that are missing. It is ErrUnavailable too, but time does not mend it.
	ErrDenied = fmt.Errorf("%w: access denied", ErrUnavailable)
	// ErrFull says that there is no room for this change. What was there
	// before is there still.
	ErrFull = errors.New("store: no space left")
	// ErrCorrupt says that what is stored cannot be read: damaged, or no
	// store at all.
	ErrCorrupt = errors.New("store: damaged")
	// ErrInvalid says that an op can be in no store: see Op.
	ErrInvalid = errors.New("store: invalid op")
)

// ConflictError says that Op.IfVersion did not hold for this key: somebody else
// has written it, or it is there where it should be absent. Nothing was
// written.
type ConflictError struct{ Key string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("store: %q was changed by somebody else", e.Key)
}

// MaxKey and MaxValue are the most octets that a key and a value may have.
const (
	MaxKey   = 4096
	MaxValue = 16 << 20
)

// A Record is what a store has under a key. Who gets one owns its Value.
type Record struct {
	Key   string
	Value []byte
	// Version is another one after each change of this key, also if it was
	// deleted in between. It is never Any and never Absent.
	Version uint64
	// Expires is the end of its life; zero: none.
	Expires time.Time
}

// What Op.IfVersion may ask for other than a version.
const (
	Any    uint64 = 0              // whatever is there
	Absent uint64 = math.MaxUint64 // no record, or one that has expired
)

// An Op is one change: Value is put under Key, or Key is deleted. To delete
// what is not there is no error.
type Op struct {
	Key    string // 1 to MaxKey octets
	Value  []byte // up to MaxValue octets; not kept after the call
	Delete bool
	// TTL is how long the record lives, 0: until deleted. Back ends may round
	// it up to the next millisecond. Not for Delete.
	TTL time.Duration
	// IfVersion makes the whole Apply depend on the version of the record:
	// Any, Absent, or the Version that was read.
	IfVersion uint64
}

// Check returns why no store can take the op: an error that is ErrInvalid.
func (o *Op) Check() error {
	switch {
	case o.Key == "":
		return fmt.Errorf("%w: empty key", ErrInvalid)
	case len(o.Key) > MaxKey:
		return fmt.Errorf("%w: a key of %d octets, more than %d", ErrInvalid, len(o.Key), MaxKey)
	case len(o.Value) > MaxValue:
		return fmt.Errorf("%w: %q: a value of %d octets, more than %d", ErrInvalid, o.Key, len(o.Value), MaxValue)
	case o.TTL < 0:
		return fmt.Errorf("%w: %q: a time to live of %v", ErrInvalid, o.Key, o.TTL)
	}
	return nil
}

// Check is Op.Check for each of the ops.
func Check(ops []Op) error {
	for i := range ops {
		if err := ops[i].Check(); err != nil {
			return err
		}
	}
	return nil
}

// A Store is a sorted map that tells of its changes. See the package comment
// for the rules that hold for all of them.
type Store interface {
	// Get returns the record under key, or ErrNotFound.
	Get(ctx context.Context, key string) (Record, error)

	// Apply does all the ops or none. All IfVersion are judged first, by what
	// was there before; then the ops are done in their order, so of two for
	// one key the last one counts. All records written by one Apply may have
	// the same Version. No ops: nothing happens.
	//
	// An error that is ErrUnavailable or the context's own leaves open whether
	// a remote store has done the ops; any other error says that it has not.
	Apply(ctx context.Context, ops ...Op) error

	// Scan returns the records whose key begins with prefix and is greater
	// than after ("": from the first), by the order of the octets of the key.
	// A record that is there, unchanged, during the whole scan comes exactly
	// once; one that is written meanwhile comes as it was before or after, or
	// if it is new or deleted, not at all. An error ends the scan and comes
	// last, with an empty Record. The loop's body may use the store.
	Scan(ctx context.Context, prefix, after string) iter.Seq2[Record, error]

	// Watch tells of all changes to keys with this prefix from now on, until
	// ctx ends or the store is closed: then the channel is closed. A reader
	// too slow for the changes gets one Event that is Lost in place of those
	// that did not fit; so does everybody after a change too large to list
	// and after an interruption. Expiry is told, but may be late by some
	// seconds.
	Watch(ctx context.Context, prefix string) (<-chan Event, error)

	// Status tells how the store does, for logs and for people. It never
	// blocks and never asks the disk or the network.
	Status() Status

	// Close ends all watches and gives back files and connections. It waits
	// for calls that are under way. After it all calls return ErrClosed; a
	// second Close does nothing.
	Close() error
}

// A Loader is a Store that takes any number of ops at once.
type Loader interface {
	// Load is Apply of a sequence that may be too large for the memory: all
	// or nothing, even so. If the sequence has an error, Load returns it and
	// has changed nothing. It returns how many ops were done. Watchers may
	// get Lost in place of the single changes. No key may come twice.
	Load(ctx context.Context, ops iter.Seq2[Op, error]) (int, error)
}

// A BatchGetter is a Store for which many records cost little more than one: it
// has them over a network, or behind a lock that is taken once for all.
type BatchGetter interface {
	// GetAll returns the records under the keys, in the order of the keys. One
	// that is not there is empty: its Version is Any, which no record has. Each is
	// as it was at some moment of the call, not all at the same. An error comes
	// alone. All of them are in memory at once, so ask for some hundreds.
	GetAll(ctx context.Context, keys []string) ([]Record, error)
}

// An Event tells that Key was written, or Deleted; what is there now, Get says.
type Event struct {
	Key     string
	Deleted bool
	// Lost says that anything under the watched prefix may have changed: look
	// at all of it again. Key is empty.
	Lost bool
}

// A Status is how a store does.
type Status struct {
	Kind  string // the back end: "memory", "file", "bolt", "redis"
	Where string // path or address, without any password; may be empty
	OK    bool
	// Since is when OK last changed.
	Since time.Time
	// Err is what is wrong, nil if OK.
	Err error
	// ReadOnly says that Apply returns ErrReadOnly.
	ReadOnly bool
	// Records is how many there are, -1 if that is not known cheaply. Expired
	// records may still be counted.
	Records int
}
