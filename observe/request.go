// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import "github.com/coaps-go/coaps/internal/slab"

// A Request is what an observer has asked for, to be asked again for each
// notification. Nothing of it is looked at but its length.
type Request struct {
	Path    string
	Method  byte
	Options []byte
	Payload []byte
}

// requests keeps equal requests once, apart from their paths: most have nothing
// else in them.
type requests struct {
	all     slab.Pool[kept]
	numbers map[string]uint32
	bytes   int
	scratch []byte
}

// kept is a request without its path: the method, the length of the options in two
// bytes, the options and the payload.
type kept struct {
	octets string
	users  uint32
}

const keptHeader = 3

func newRequests(n int) requests {
	return requests{all: slab.New[kept](n), numbers: make(map[string]uint32)}
}

// hold keeps a request for one user more, if that takes no more bytes than there
// may be.
func (q *requests) hold(r *Request, limit int) (i uint32, ok bool) {
	n := len(r.Options)
	q.scratch = append(q.scratch[:0], r.Method, byte(n>>8), byte(n))
	q.scratch = append(append(q.scratch, r.Options...), r.Payload...)
	i, ok = q.numbers[string(q.scratch)]
	if !ok {
		if n >= 1<<16 || q.bytes+len(q.scratch) > limit {
			return 0, false
		}
		if i, ok = q.all.Alloc(); !ok {
			return 0, false
		}
		octets := string(q.scratch)
		q.all.At(i).octets, q.numbers[octets] = octets, i
		q.bytes += len(octets)
	}
	q.all.At(i).users++
	return i, true
}

// release is for one user less.
func (q *requests) release(i uint32) {
	k := q.all.At(i)
	if k.users--; k.users > 0 {
		return
	}
	delete(q.numbers, k.octets)
	q.bytes -= len(k.octets)
	q.all.Free(i)
}

// Asked is what an observer who does not leave has asked for. The strings stay as
// they are.
func (l *List) Asked(i uint32) (method byte, path, options, payload string) {
	o := l.At(i)
	octets := l.requests.all.At(o.request).octets
	n := keptHeader + int(octets[1])<<8 + int(octets[2])
	return octets[0], l.resources.At(o.resource).path, octets[keptHeader:n], octets[n:]
}

// Path is the path of an observer's resource, "" if it leaves.
func (l *List) Path(i uint32) string {
	if o := l.At(i); !o.Leaving() {
		return l.resources.At(o.resource).path
	}
	return ""
}
