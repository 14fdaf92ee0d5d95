// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/coaps-go/coaps/store"
)

// A Scan reads that many records, or about that many octets, at a time.
// Between two pages nothing is held: a long transaction would keep a writer
// from growing the file.
const (
	pageRecords = 256
	pageOctets  = 1 << 20
)

// Get is store.Store.Get.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	var r store.Record
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		records, err := recordsOf(tx)
		if err != nil {
			return err
		}
		r, err = s.lookUp(records, key)
		return err
	})
	return r, err
}

// lookUp reads the record under key, or returns store.ErrNotFound.
func (s *Store) lookUp(records *bbolt.Bucket, key string) (store.Record, error) {
	raw := records.Get([]byte(key))
	if raw == nil || expired(raw, s.now()) {
		return store.Record{}, store.ErrNotFound
	}
	return decode(key, raw)
}

// GetAll is store.BatchGetter.GetAll, as many records at a time as a Scan reads.
func (s *Store) GetAll(ctx context.Context, keys []string) ([]store.Record, error) {
	all := make([]store.Record, 0, len(keys))
	for len(all) < len(keys) {
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			records, err := recordsOf(tx)
			if err != nil {
				return err
			}
			octets := 0
			for n := 0; n < pageRecords && octets <= pageOctets && len(all) < len(keys); n++ {
				r, err := s.lookUp(records, keys[len(all)])
				if err != nil && err != store.ErrNotFound {
					return err
				}
				all, octets = append(all, r), octets+len(r.Value)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Scan is store.Store.Scan.
func (s *Store) Scan(ctx context.Context, prefix, after string) iter.Seq2[store.Record, error] {
	return store.Pages(after, func(after string) ([]store.Record, string, bool, error) {
		return s.page(ctx, prefix, after)
	})
}

// page returns the next records of a scan, the key to go on after, and whether
// there may be more.
func (s *Store) page(ctx context.Context, prefix, after string) (page []store.Record, last string, more bool, err error) {
	last = after
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		records, err := recordsOf(tx)
		if err != nil {
			return err
		}
		c := records.Cursor()
		octets := 0
		for k, raw := c.Seek([]byte(max(prefix, after))); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, raw = c.Next() {
			switch key := string(k); {
			case key == after:
				continue
			case len(page) == pageRecords || octets > pageOctets:
				more = true
				return nil
			case expired(raw, s.now()):
				last = key
			default:
				r, err := decode(key, raw)
				if err != nil {
					return err
				}
				page, last = append(page, r), key
				octets += len(raw)
			}
		}
		return nil
	})
	return page, last, more, err
}
