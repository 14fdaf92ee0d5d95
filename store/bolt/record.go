// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"

	"github.com/coaps-go/coaps/store"
)

// The file has three buckets. Numbers are big-endian.
//
//	records  key -> record, see encode; the bucket's sequence is the last version
//	expiry   8 octets of milliseconds since 1970, key -> nothing
//	coaps    "format" -> formatName; "count" -> 8 octets, the number of records
var (
	bucketRecords = []byte("records")
	bucketExpiry  = []byte("expiry")
	bucketOurs    = []byte("coaps")
	keyFormat     = []byte("format")
	keyCount      = []byte("count")
)

const formatName = "coaps store 1"

// buckets are the buckets of one transaction.
type buckets struct {
	records, expiry, ours *bbolt.Bucket
}

// format makes an empty file ours.
func format(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketRecords, bucketExpiry, bucketOurs} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketOurs).Put(keyFormat, []byte(formatName))
}

// open returns the buckets of a file that is ours.
func open(tx *bbolt.Tx) (buckets, error) {
	b := buckets{tx.Bucket(bucketRecords), tx.Bucket(bucketExpiry), tx.Bucket(bucketOurs)}
	if b.ours == nil {
		return b, fmt.Errorf("%w: a bbolt file of another program", store.ErrCorrupt)
	}
	if got := b.ours.Get(keyFormat); string(got) != formatName {
		return b, fmt.Errorf("%w: its format is %.40q, this program knows %q", store.ErrCorrupt, got, formatName)
	}
	if b.records == nil || b.expiry == nil {
		return b, fmt.Errorf("%w: a bucket is missing", store.ErrCorrupt)
	}
	return b, nil
}

// recordsOf is open for who only reads records.
func recordsOf(tx *bbolt.Tx) (*bbolt.Bucket, error) {
	if b := tx.Bucket(bucketRecords); b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%w: a bucket is missing", store.ErrCorrupt)
}

func (b buckets) count() int {
	v := b.ours.Get(keyCount)
	if len(v) != 8 {
		return 0
	}
	return int(binary.BigEndian.Uint64(v))
}

func (b buckets) setCount(n int) error {
	return b.ours.Put(keyCount, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// A record is stored as
//
//	kind     1 octet, 1
//	version  8
//	expires  8, milliseconds since 1970; 0: never
//	check    4, CRC-32C of key, version, expires and value
//	value    the rest
const (
	kindPlain = 1
	atVersion = 1
	atExpires = atVersion + 8
	atCheck   = atExpires + 8
	atValue   = atCheck + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the record as it is stored.
func encode(key string, value []byte, version, expires uint64) []byte {
	b := make([]byte, 0, atValue+len(value))
	b = append(b, kindPlain)
	b = binary.BigEndian.AppendUint64(b, version)
	b = binary.BigEndian.AppendUint64(b, expires)
	b = binary.BigEndian.AppendUint32(b, check([]byte(key), b[atVersion:], value))
	return append(b, value...)
}

func check(key, head, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, head)
	return crc32.Update(sum, castagnoli, value)
}

// decode returns a copy of the record; raw is memory of the file.
func decode(key string, raw []byte) (store.Record, error) {
	if len(raw) < atValue || raw[0] != kindPlain {
		return store.Record{}, fmt.Errorf("%w: record %q is not in its form", store.ErrCorrupt, key)
	}
	value := raw[atValue:]
	if check([]byte(key), raw[atVersion:atCheck], value) != binary.BigEndian.Uint32(raw[atCheck:]) {
		return store.Record{}, fmt.Errorf("%w: record %q does not match its checksum", store.ErrCorrupt, key)
	}
	r := store.Record{Key: key, Value: bytes.Clone(value), Version: versionOf(raw)}
	if at := expiresOf(raw); at != 0 {
		r.Expires = time.UnixMilli(int64(at))
	}
	return r, nil
}

// versionOf and expiresOf read a stored record's head, 0 if it has none.
func versionOf(raw []byte) uint64 {
	if len(raw) < atValue {
		return 0
	}
	return binary.BigEndian.Uint64(raw[atVersion:])
}

func expiresOf(raw []byte) uint64 {
	if len(raw) < atValue {
		return 0
	}
	return binary.BigEndian.Uint64(raw[atExpires:])
}

// expired judges a stored record. A record that cannot be read has not: it is
// to be found and told.
func expired(raw []byte, now time.Time) bool {
	at := expiresOf(raw)
	return at != 0 && uint64(now.UnixMilli()) >= at
}

// expiresAt is the end of a life of ttl, rounded up to the millisecond; 0: no
// end.
func expiresAt(now time.Time, ttl time.Duration) uint64 {
	if ttl == 0 {
		return 0
	}
	return uint64(now.Add(ttl + time.Millisecond - 1).UnixMilli())
}

// expiryKey is the key in the expiry bucket.
func expiryKey(at uint64, key string) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), at), key...)
}
