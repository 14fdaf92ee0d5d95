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

// ImportResult counts devices and groups. Groups is how many of those Added and
// Replaced are groups.
type ImportResult struct{ Added, Replaced, Skipped, Groups int }

// ImportError says which device of an import is wrong. Groups are counted with
// them.
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
	return r.ImportOwners(ctx, func(yield func(Owner, error) bool) {
		for d, err := range devices {
			if !yield(&d, err) {
				return
			}
		}
	}, o)
}

// ImportOwners is Import for devices and groups.
func (r *Registry) ImportOwners(ctx context.Context, owners iter.Seq2[Owner, error], o ImportOptions) (ImportResult, error) {
	im := &importer{registry: r, options: o, now: time.Now(), fresh: r.store.Status().Records == 0}
	defer im.wipe()
	if err := im.take(ctx, owners); err != nil {
		return ImportResult{}, err
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

// importBatch is how many devices are compared with the store at a time: one by one, each
// would wait for the store's answer to the one before.
const importBatch = 512

// take reads the sequence. It returns errors that end the import; what is wrong
// with a device is noted.
func (im *importer) take(ctx context.Context, owners iter.Seq2[Owner, error]) error {
	batch := make([]candidate, 0, importBatch)
	n := 0
	for o, err := range owners {
		if err == nil {
			batch = append(batch, candidate{owner: o, n: n})
			n++
		}
		if err != nil || len(batch) == importBatch {
			if wrong := im.add(ctx, batch); wrong != nil {
				return wrong
			}
			clear(batch)
			batch = batch[:0]
		}
		if err != nil {
			return err
		}
	}
	return im.add(ctx, batch)
}

// A candidate is a device or a group of the sequence.
type candidate struct {
	owner
	n      int // which one
	lastID int // as it came
	wrong  error
	old    owner             // what the store has in its place; nil: nothing
	before map[string]string // the index of old
}

// add takes the next devices.
func (im *importer) add(ctx context.Context, batch []candidate) error {
	good := make([]*candidate, 0, len(batch))
	for i := range batch {
		c := &batch[i]
		_, lastID := c.birth()
		c.lastID = *lastID
		if c.wrong = c.normalize(im.now); c.wrong == nil {
			good = append(good, c)
		}
	}
	if err := im.find(ctx, good); err != nil {
		return err
	}
	taken := good[:0]
	for i := range batch {
		put, err := im.compare(&batch[i])
		if err != nil {
			return err
		}
		if put {
			taken = append(taken, &batch[i])
		}
	}
	return im.putIndices(ctx, taken)
}

// find reads what is in place of the candidates.
func (im *importer) find(ctx context.Context, good []*candidate) error {
	if im.fresh {
		return nil
	}
	keys := make([]string, len(good))
	for i, c := range good {
		keys[i] = c.key()
	}
	records, err := store.GetAll(ctx, im.registry.store, keys)
	if err != nil {
		return err
	}
	for i, record := range records {
		if record.Version == store.Any {
			continue
		}
		if good[i].old, err = ownerOf(record); err != nil {
			return err
		}
	}
	return nil
}

// compare puts a candidate among what will be written, if it is to be.
func (im *importer) compare(c *candidate) (put bool, err error) {
	version := store.Absent
	switch {
	case c.wrong != nil:
		return false, im.note(c.n, c.wrong)
	case c.old == nil:
		im.result.Added++
	case im.options.Skip:
		im.result.Skipped++
		return false, nil
	case !im.options.Replace:
		return false, im.note(c.n, &ConflictError{What: c.what()})
	default:
		version = c.old.version()
		c.inherit(im.now)
		im.result.Replaced++
	}
	if _, group := c.owner.(*Group); group {
		im.result.Groups++
	}
	im.put(c.n, c.owner, version)
	return true, nil
}

// putIndices adds the index records of candidates. Those that are not of their own
// old credentials may be somebody else's.
func (im *importer) putIndices(ctx context.Context, taken []*candidate) error {
	var unknown []string
	for _, c := range taken {
		if im.fresh {
			break
		}
		c.before = indexOf(c.old)
		list := c.credentials()
		for i := range list {
			key := string(list[i].appendIndexKey(nil))
			if _, ours := c.before[key]; !ours {
				unknown = append(unknown, key)
			}
		}
	}
	records, err := store.GetAll(ctx, im.registry.store, unknown)
	if err != nil {
		return err
	}
	owned := map[string]bool{}
	for i, record := range records {
		if record.Version != store.Any {
			owned[unknown[i]] = true
		}
	}
	for _, c := range taken {
		im.putIndex(c, owned)
	}
	return nil
}

func (im *importer) note(n int, err error) error {
	im.wrong = append(im.wrong, &ImportError{n, err})
	if len(im.wrong) >= maxImportErrors {
		return errors.Join(im.wrong...)
	}
	return nil
}

// inherit gives it the age of what it takes the place of, and the IDs of the
// credentials that both have.
func (c *candidate) inherit(now time.Time) {
	created, lastID := c.birth()
	oldCreated, oldLastID := c.old.birth()
	*created, *lastID = *oldCreated, max(c.lastID, *oldLastID)
	list, before := c.credentials(), c.old.credentials()
	for i := range list {
		one := &list[i]
		one.ID = ""
		for j := range before {
			if other := &before[j]; string(other.appendIndexKey(nil)) == string(one.appendIndexKey(nil)) {
				one.ID, one.Created = other.ID, other.Created
			}
		}
	}
	number(list, lastID, now)
}

func (im *importer) put(n int, o owner, version uint64) {
	key := im.arena.text(o.key())
	im.arena.begin()
	value := im.arena.end(o.AppendJSON(im.arena.buffer()))
	im.ops = append(im.ops, importOp{key: key, value: value, device: int32(n), ifVersion: version})
}

// putIndex adds the index records of a device, and removes those that the old
// one had and it has not.
func (im *importer) putIndex(c *candidate, owned map[string]bool) {
	owner := c.key()
	var buf [512]byte
	list := c.credentials()
	for i := range list {
		credential := &list[i]
		key := string(credential.appendIndexKey(buf[:0]))
		_, ours := c.before[key]
		delete(c.before, key)
		op := importOp{device: int32(c.n), ifVersion: store.Absent, owned: owned[key]}
		if ours || op.owned {
			op.ifVersion = store.Any
		}
		op.key = im.arena.text(key)
		op.value = im.arena.text(string(reference{owner, credential.ID}.append(buf[:0])))
		im.ops = append(im.ops, op)
	}
	for key := range c.before {
		im.ops = append(im.ops, importOp{key: im.arena.text(key), device: int32(c.n), remove: true})
	}
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
	if owner := ownerOfKey(key); owner != key {
		return owner, func(first importOp) string {
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
