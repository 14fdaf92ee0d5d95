// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// thing has one value of each kind.
type thing struct {
	a     uint8
	b     uint16
	c     uint64
	d     int64
	yes   bool
	key   [5]byte
	s, v  []byte
	name  string
	after int
}

func (t *thing) pack(c *Coder) {
	Uint(c, &t.a)
	Uint(c, &t.b)
	Uint(c, &t.c)
	Uint(c, &t.d)
	c.Bool(&t.yes)
	c.Fixed(t.key[:])
	c.Slice(&t.s)
	c.View(&t.v)
	c.String(&t.name)
	Uint(c, &t.after)
}

func (t *thing) equal(u *thing) bool {
	return t.a == u.a && t.b == u.b && t.c == u.c && t.d == u.d && t.yes == u.yes && t.key == u.key && t.after == u.after && t.name == u.name &&
		bytes.Equal(t.s, u.s) && bytes.Equal(t.v, u.v) && (t.s == nil) == (u.s == nil) && (t.v == nil) == (u.v == nil)
}

// What is packed comes back, and not a byte more is read.
func TestPackedComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slice := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte()))
		in := thing{
			a: rapid.Uint8().Draw(t, "a"), b: rapid.Uint16().Draw(t, "b"), c: rapid.Uint64().Draw(t, "c"),
			d: rapid.Int64Range(0, math.MaxInt64).Draw(t, "d"), yes: rapid.Bool().Draw(t, "yes"), key: [5]byte{1, 2, 3, 4, 5},
			s: slice.Draw(t, "s"), v: slice.Draw(t, "v"), name: rapid.String().Draw(t, "name"), after: rapid.IntRange(0, math.MaxInt).Draw(t, "after"),
		}
		was := in
		before := []byte("before")
		w := Into(bytes.Clone(before))
		in.pack(&w)
		if !in.equal(&was) || !bytes.HasPrefix(w.Bytes(), before) {
			t.Fatal("packing changes what is packed")
		}
		packed := append(w.Bytes()[len(before):], "after"...)
		r := From(packed)
		var out thing
		out.pack(&r)
		if !in.equal(&out) || string(r.Bytes()) != "after" {
			t.Fatalf("%+v came back as %+v, %q is left", in, out, r.Bytes())
		}
		clear(packed)
		if !bytes.Equal(out.s, in.s) {
			t.Fatal("a slice lies in the packed bytes")
		}
	})
}

// Bytes that end too early are a fault of the program, and do not become
// values.
func TestPackedEndsTooEarly(t *testing.T) {
	w := Into(nil)
	(&thing{c: 1 << 40, s: []byte("abc")}).pack(&w)
	for n := range w.Bytes() {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d bytes of %d are enough", n, len(w.Bytes()))
				}
			}()
			r := From(w.Bytes()[:n])
			new(thing).pack(&r)
		}()
	}
}
