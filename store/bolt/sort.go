// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/coaps-go/coaps/store"
)

const (
	// sortArena is how many octets of ops are sorted in memory.
	sortArena = 12 << 20
	// sortRead is the buffer for reading each sorted run.
	sortRead = 64 << 10
)

// A sorter puts any number of ops in the order of their keys. What does not fit
// into memory goes to a file, one sorted run after the other.
type sorter struct {
	path  string
	room  int // octets in memory
	arena []byte
	at    []int // where the ops of the arena begin
	file  *os.File
	end   int64 // of the last run
	runs  []source
	n     int
}

// An op is packed as
//
//	flags    1 octet, 1 for Delete
//	TTL      8, nanoseconds
//	version  8, IfVersion
//	lengths  4 and 4, of key and value
//	key, value
const packedHead = 1 + 8 + 8 + 4 + 4

func pack(b []byte, op *store.Op) []byte {
	flags := byte(0)
	if op.Delete {
		flags = 1
	}
	b = append(b, flags)
	b = binary.BigEndian.AppendUint64(b, uint64(op.TTL))
	b = binary.BigEndian.AppendUint64(b, op.IfVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(len(op.Key)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(op.Value)))
	return append(append(b, op.Key...), op.Value...)
}

// lengths returns how long key and value of a packed op are.
func lengths(head []byte) (key, value int) {
	return int(binary.BigEndian.Uint32(head[17:])), int(binary.BigEndian.Uint32(head[21:]))
}

// keyOf returns the key of a packed op.
func keyOf(b []byte) []byte {
	n, _ := lengths(b)
	return b[packedHead : packedHead+n]
}

// unpack returns the op; its Value is memory of b.
func unpack(b []byte) store.Op {
	key, value := lengths(b)
	return store.Op{
		Key:       string(b[packedHead : packedHead+key]),
		Value:     b[packedHead+key : packedHead+key+value],
		Delete:    b[0] == 1,
		TTL:       time.Duration(binary.BigEndian.Uint64(b[1:])),
		IfVersion: binary.BigEndian.Uint64(b[9:]),
	}
}

// add takes one op.
func (s *sorter) add(op *store.Op) error {
	if size := packedHead + len(op.Key) + len(op.Value); len(s.at) > 0 && len(s.arena)+size > s.room {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.at = append(s.at, len(s.arena))
	s.arena = pack(s.arena, op)
	s.n++
	return nil
}

// small says that nothing was written to a file, and how many ops there are.
func (s *sorter) small() (n int, small bool) { return s.n, s.file == nil }

func (s *sorter) sort() {
	slices.SortFunc(s.at, func(a, b int) int {
		return bytes.Compare(keyOf(s.arena[a:]), keyOf(s.arena[b:]))
	})
}

// spill sorts what is in memory and writes it to the file.
func (s *sorter) spill() error {
	if s.file == nil {
		f, err := createTemp(s.path)
		if err != nil {
			return err
		}
		s.file = f
		// Where a file may go while it is open, nothing is left of it when
		// the process is killed: it has keys in it.
		_ = os.Remove(s.path)
	}
	s.sort()
	w := bufio.NewWriterSize(s.file, 1<<20)
	begin := s.end
	for _, at := range s.at {
		key, value := lengths(s.arena[at:])
		n, err := w.Write(s.arena[at : at+packedHead+key+value])
		s.end += int64(n)
		if err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	s.runs = append(s.runs, &runSource{r: bufio.NewReaderSize(io.NewSectionReader(s.file, begin, s.end-begin), sortRead)})
	clear(s.arena)
	s.arena, s.at = s.arena[:0], s.at[:0]
	return nil
}

// close gives back memory and file.
func (s *sorter) close() {
	clear(s.arena[:cap(s.arena)])
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.path)
	}
}

// sorted returns all ops by their keys. No key comes twice: that is an error
// of the one who gave them. Values are good until the next op.
func (s *sorter) sorted() iter.Seq2[store.Op, error] {
	return func(yield func(store.Op, error) bool) {
		s.sort()
		var m merge
		for _, src := range append(slices.Clone(s.runs), &arenaSource{s.arena, s.at}) {
			if err := m.add(src); err != nil {
				yield(store.Op{}, err)
				return
			}
		}
		heap.Init(&m)
		last := ""
		for len(m) > 0 {
			op := unpack(m[0].packed)
			if op.Key == last {
				yield(store.Op{}, fmt.Errorf("%w: %q comes twice", store.ErrInvalid, op.Key))
				return
			}
			if last = op.Key; !yield(op, nil) {
				return
			}
			if err := m.advance(); err != nil {
				yield(store.Op{}, err)
				return
			}
		}
	}
}

// A source gives packed ops in order, io.EOF after the last.
type source interface{ next() ([]byte, error) }

type arenaSource struct {
	arena []byte
	at    []int
}

func (s *arenaSource) next() ([]byte, error) {
	if len(s.at) == 0 {
		return nil, io.EOF
	}
	b := s.arena[s.at[0]:]
	s.at = s.at[1:]
	return b, nil
}

// runSource reads a run from the file.
type runSource struct {
	r   *bufio.Reader
	buf []byte
}

func (s *runSource) next() ([]byte, error) {
	head, err := s.r.Peek(packedHead)
	if err != nil {
		if len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	key, value := lengths(head)
	s.buf = slices.Grow(s.buf[:0], packedHead+key+value)[:packedHead+key+value]
	_, err = io.ReadFull(s.r, s.buf)
	return s.buf, err
}

// merge has the next op of each source, the least key first.
type merge []head

type head struct {
	packed []byte
	source source
}

func (m *merge) add(src source) error {
	packed, err := src.next()
	if err == io.EOF {
		return nil
	}
	*m = append(*m, head{packed, src})
	return err
}

// advance takes the next op of the first source.
func (m *merge) advance() error {
	packed, err := (*m)[0].source.next()
	switch err {
	case nil:
		(*m)[0].packed = packed
		heap.Fix(m, 0)
		return nil
	case io.EOF:
		heap.Pop(m)
		return nil
	}
	return err
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return bytes.Compare(keyOf(m[i].packed), keyOf(m[j].packed)) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(head)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
