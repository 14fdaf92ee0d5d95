// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/coaps-go/coaps/store"
)

// ImportOptions say what becomes of devices whose name is there already. By
// default they are conflicts.
type ImportOptions struct {
	// Replace puts the new one in place of the old one. A credential that both
	// have keeps its ID.
	Replace bool
	// Skip leaves the old one as it is.
	Skip bool
	// DryRun checks everything and writes nothing; the result counts what would
	// have been.
	DryRun bool
}

// ImportResult counts devices.
type ImportResult struct{ Added, Replaced, Skipped int }

// ImportError says which device of an import is wrong.
type ImportError struct {
	Index int // in the sequence, from 0
	Err   error
}

func (e *ImportError) Error() string { return fmt.Sprintf("device %d: %v", e.Index+1, e.Err) }

// Unwrap returns what is wrong with it.
func (e *ImportError) Unwrap() error { return e.Err }

// maxImportErrors is how many devices are told to be wrong, at most.
const maxImportErrors = 20

// Import adds all devices of a sequence, or none. First all of them are read,
// checked, and compared with each other and with what is there; what is wrong
// with them is one or up to 20 joined *ImportError. An error of the sequence
// itself ends it and is returned as it is. Then they are written at once, if
// nobody has interfered meanwhile. The devices become Import's; it needs some
// 600 bytes of memory for each.
func (r *Registry) Import(ctx context.Context, devices iter.Seq2[Device, error], o ImportOptions) (ImportResult, error) {
	im := &importer{registry: r, options: o, now: time.Now(), fresh: r.store.Status().Records == 0}
	defer im.wipe()
	n := 0
	for d, err := range devices {
		if err != nil {
			return ImportResult{}, err
		}
		if err := im.add(ctx, n, &d); err != nil {
			return ImportResult{}, err
		}
		n++
	}
	if err := im.settle(); err != nil {
		return ImportResult{}, err
	}
	if len(im.ops) == 0 || o.DryRun {
		return im.result, nil
	}
	_, err := store.Load(ctx, r.store, im.load)
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		err = fmt.Errorf("registry: %q was changed during the import: %w", conflict.Key, err)
	}
	if err != nil {
		return ImportResult{}, err
	}
	return im.result, nil
}

// An importer gathers what an import will write.
type importer struct {
	registry *Registry
	options  ImportOptions
	now      time.Time
	fresh    bool // the store is empty
	result   ImportResult
	arena    arena
	ops      []importOp
	wrong    []error
}

// An importOp is a store.Op whose key and value lie in the arena.
type importOp struct {
	key, value span
	device     int32 // which one of the sequence
	remove     bool
	owned      bool   // the key is there, and somebody else's as yet
	ifVersion  uint64 // Any, Absent or a version
}

// add takes the next device. It returns errors that end the import; what is
// wrong with the device is noted.
func (im *importer) add(ctx context.Context, n int, d *Device) error {
	lastID := d.LastID
	err := d.normalize(im.now)
	if err != nil {
		return im.note(n, err)
	}
	var old Device
	version := store.Absent
	if !im.fresh {
		old, err = im.registry.Device(ctx, d.Tenant, d.Name)
		switch {
		case errors.Is(err, ErrNoDevice):
		case err != nil:
			return err
		case im.options.Skip:
			im.result.Skipped++
			return nil
		case !im.options.Replace:
			return im.note(n, &ConflictError{What: d.what()})
		default:
			version = old.Version
			d.LastID = lastID
			d.inherit(&old, im.now)
		}
	}
	if version == store.Absent {
		im.result.Added++
	} else {
		im.result.Replaced++
	}
	im.put(n, d, version)
	return im.putIndex(ctx, n, d, &old)
}

func (im *importer) note(n int, err error) error {
	im.wrong = append(im.wrong, &ImportError{n, err})
	if len(im.wrong) >= maxImportErrors {
		return errors.Join(im.wrong...)
	}
	return nil
}

// inherit gives d the age of the device in whose place it comes, and the IDs of
// the credentials that both have.
func (d *Device) inherit(old *Device, now time.Time) {
	d.Created, d.LastID = old.Created, max(d.LastID, old.LastID)
	for i := range d.Credentials {
		c := &d.Credentials[i]
		c.ID = ""
		for j := range old.Credentials {
			if other := &old.Credentials[j]; string(other.appendIndexKey(nil)) == string(c.appendIndexKey(nil)) {
				c.ID, c.Created = other.ID, other.Created
			}
		}
	}
	number(d.Credentials, &d.LastID, now)
}

func (im *importer) put(n int, d *Device, version uint64) {
	key := im.arena.text(d.key())
	im.arena.begin()
	value := im.arena.end(d.AppendJSON(im.arena.buffer()))
	im.ops = append(im.ops, importOp{key: key, value: value, device: int32(n), ifVersion: version})
}

// putIndex adds the index records of a device, and removes those that the old
// one had and it has not.
func (im *importer) putIndex(ctx context.Context, n int, d, old *Device) error {
	var before map[string]string
	if len(old.Credentials) > 0 {
		before = indexOf(old)
	}
	owner := d.key()
	var buf [512]byte
	for i := range d.Credentials {
		c := &d.Credentials[i]
		key := string(c.appendIndexKey(buf[:0]))
		_, ours := before[key]
		delete(before, key)
		op := importOp{device: int32(n), ifVersion: store.Absent}
		if ours {
			op.ifVersion = store.Any
		} else if !im.fresh {
			_, err := im.registry.store.Get(ctx, key)
			if err == nil {
				op.owned, op.ifVersion = true, store.Any
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		op.key = im.arena.text(key)
		op.value = im.arena.text(string(reference{owner, c.ID}.append(buf[:0])))
		im.ops = append(im.ops, op)
	}
	for key := range before {
		im.ops = append(im.ops, importOp{key: im.arena.text(key), device: int32(n), remove: true})
	}
	return nil
}

// settle sorts the ops, and finds those that are in each other's way. An index
// record may go from one device to another, if both are in the import.
func (im *importer) settle() error {
	slices.SortFunc(im.ops, func(a, b importOp) int {
		return im.arena.compare(a.key, b.key)
	})
	kept := im.ops[:0]
	for i := 0; i < len(im.ops); {
		end := i + 1
		for end < len(im.ops) && im.arena.compare(im.ops[i].key, im.ops[end].key) == 0 {
			end++
		}
		op, err := im.merge(im.ops[i:end])
		if err != nil {
			return err
		}
		kept = append(kept, op)
		i = end
	}
	im.ops = kept
	slices.SortFunc(im.wrong, func(a, b error) int { return indexIn(a) - indexIn(b) })
	return errors.Join(im.wrong...)
}

func indexIn(err error) int {
	if one, ok := errors.AsType[*ImportError](err); ok {
		return one.Index
	}
	return 0
}

// merge makes one op of those for one key.
func (im *importer) merge(same []importOp) (importOp, error) {
	op, removed, puts := same[0], false, 0
	for _, o := range same {
		if o.remove {
			removed = true
			continue
		}
		puts++
		if puts == 1 || o.device < op.device {
			op = o
		}
	}
	if puts > 1 {
		for _, o := range same {
			if o.remove || o.device == op.device {
				continue
			}
			what, owner := im.describe(o)
			if err := im.note(int(o.device), &ConflictError{What: what, Whose: owner(op)}); err != nil {
				return op, err
			}
		}
	}
	if puts == 1 && op.owned && !removed {
		what, _ := im.describe(op)
		record, err := im.registry.store.Get(context.Background(), im.arena.string(op.key))
		if err != nil {
			return op, err
		}
		ref, _ := parseReference(record.Value)
		return op, im.note(int(op.device), &ConflictError{What: what, Whose: ownerOfKey(ref.owner)})
	}
	return op, nil
}

// describe says what an op writes, and whose that is in the import.
func (im *importer) describe(o importOp) (what string, owner func(importOp) string) {
	key := im.arena.string(o.key)
	if tenant, name, ok := splitOwnerKey(key, devicePrefix); ok {
		return whatOwner("device", tenant, name), func(first importOp) string {
			return fmt.Sprintf("device %d of the import", first.device+1)
		}
	}
	ref, _ := parseReference(im.arena.bytes(o.value))
	return whatKey(key), func(first importOp) string {
		other, _ := parseReference(im.arena.bytes(first.value))
		if other.owner == ref.owner {
			return fmt.Sprintf("device %d of the import", first.device+1)
		}
		return ownerOfKey(other.owner)
	}
}

// load is the sequence of ops, ordered by key.
func (im *importer) load(yield func(store.Op, error) bool) {
	for _, o := range im.ops {
		op := store.Op{Key: im.arena.string(o.key), Value: im.arena.bytes(o.value), IfVersion: o.ifVersion}
		if o.remove {
			op.Value, op.Delete = nil, true
		}
		if !yield(op, nil) {
			return
		}
	}
}

// wipe clears what was gathered: there are keys in it.
func (im *importer) wipe() { im.arena.wipe() }
