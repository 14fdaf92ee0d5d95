// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package foreign reads and writes the credential files of other CoAP
// software as devices of package security/registry. Each format is one row of
// a table and one file.
//
// Reading is streaming: a file of a million devices passes through without
// being held. A line that cannot be used is reported with its number, and
// where it is known its column, and reading goes on behind it, so that a
// person sees several mistakes at once; what a line holds is never repeated,
// because it may be a key. Nothing here decides what is imported: who gets an
// error imports nothing.
//
// Writing says what it had to leave out: a format without a word for
// "disabled" gets no disabled device, rather than one that works again.
package foreign

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/coaps-go/coaps/security/registry"
)

// An Entry is one device of a file, or a group.
type Entry struct {
	Device registry.Device
	Line   int             // where it begins, from 1
	Group  *registry.Group // if it is one; Device is empty then
}

// Owner is the device or the group.
func (e *Entry) Owner() registry.Owner {
	if e.Group != nil {
		return e.Group
	}
	return &e.Device
}

// Credentials are the owner's.
func (e *Entry) Credentials() []registry.Credential {
	if e.Group != nil {
		return e.Group.Credentials
	}
	return e.Device.Credentials
}

// A LineError tells what is wrong with a line of a file. It does not quote the
// line, which may hold a secret.
type LineError struct {
	Line   int // from 1
	Column int // in octets from 1; 0: not known
	Err    error
}

func (e *LineError) Error() string {
	if e.Column > 0 {
		return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
	}
	return fmt.Sprintf("line %d: %v", e.Line, e.Err)
}

// Unwrap returns what is wrong with the line.
func (e *LineError) Unwrap() error { return e.Err }

// Options shape what is read.
type Options struct {
	Tenant string // of every device that names none
	Group  string // every device becomes a member
	Host   string // the virtual host of every credential that names none
	Split  string // "@": a name or identity "id@tenant" names a tenant, "": none does
	// Identity is what the clients send, for files of keys without one.
	Identity []byte
	// Note is told what was skipped and why, such as a CA among the devices;
	// nil: nobody wants to know.
	Note func(line int, text string)
}

func (o *Options) note(line int, format string, args ...any) {
	if o.Note != nil {
		o.Note(line, fmt.Sprintf(format, args...))
	}
}

// WriteOptions shape what is written.
type WriteOptions struct {
	Hint string // identity hint of libcoap's lines; "": "CoAP", its own default
	// Left is told what could not be written and why; nil: nobody wants to
	// know.
	Left func(d *registry.Device, why string)
	// Note is told what was written and needs care; nil: nobody wants to know.
	Note func(d *registry.Device, text string)
	// Groups are written behind the devices, where the format has words for them;
	// nil: none. LeftGroup is Left for them.
	Groups    iter.Seq2[registry.Group, error]
	LeftGroup func(g *registry.Group, why string)
}

func (o *WriteOptions) left(d *registry.Device, format string, args ...any) {
	if o.Left != nil {
		o.Left(d, fmt.Sprintf(format, args...))
	}
}

// A Format is one kind of file.
type Format struct {
	Name   string // as --format and --as take it
	Title  string // whose it is
	Lacks  string // what it has no words for
	Secret bool   // it holds keys
	// NeedsIdentity says that its keys have none: Options.Identity is for all.
	NeedsIdentity bool
	Named         []string
	// looks tells from the beginning of a file whether it is of this format.
	looks func(head []byte) bool
	read  func(r io.Reader, o *Options) iter.Seq2[Entry, error] // nil: cannot be read
	write func(w io.Writer, o *WriteOptions) writer             // nil: cannot be written
}

// A writer is called once for each device, and once at the end.
type writer interface {
	device(d *registry.Device) (written bool, err error)
	end() error
}

// A groupWriter is a writer of a format that has words for groups.
type groupWriter interface {
	group(g *registry.Group) error
}

// formats is in the order in which a file is tried: those with an unmistakable
// form come first.
var formats = []*Format{
	formatJSON, formatLeshan, formatAiocoap, formatCSV, formatCalifornium, formatPSKStore, formatPSKTool, formatLibcoap, formatLibcoapSNI,
}

// Formats returns all formats in the order of their names.
func Formats() []*Format {
	return slices.SortedFunc(slices.Values(formats), func(a, b *Format) int { return strings.Compare(a.Name, b.Name) })
}

// Find returns the format of that name, nil if there is none.
func Find(name string) *Format {
	for _, f := range formats {
		if f.Name == name || slices.Contains(f.Named, name) {
			return f
		}
	}
	return nil
}

// HeadSize is how much of a file Recognise wants to see, in octets.
const HeadSize = 64 << 10

// Recognise tells the format from the beginning of a file, nil if none fits.
// What it finds is a guess: who knows better says so.
func Recognise(head []byte) *Format {
	head = withoutMark(head)
	for _, f := range formats {
		if f.looks != nil && f.looks(head) {
			return f
		}
	}
	return nil
}

// CanRead says whether files of this format can be read.
func (f *Format) CanRead() bool { return f.read != nil }

// CanWrite says whether files of this format can be written.
func (f *Format) CanWrite() bool { return f.write != nil }

// Read returns the devices of a file. An error of type *LineError is about one
// line, and the sequence goes on; any other ends it.
func (f *Format) Read(r io.Reader, o Options) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range f.read(r, &o) {
			if err == nil {
				err = e.settle(&o)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// settle gives a device what its file left open.
func (e *Entry) settle(o *Options) error {
	if e.Group != nil {
		return e.settleGroup(o)
	}
	d := &e.Device
	if o.Split != "" && d.Tenant == "" {
		if at := strings.LastIndex(d.Name, o.Split); at > 0 && at+len(o.Split) < len(d.Name) {
			d.Name, d.Tenant = d.Name[:at], d.Name[at+len(o.Split):]
		}
	}
	if d.Tenant == "" {
		d.Tenant = o.Tenant
	}
	if o.Group != "" && !slices.Contains(d.Groups, o.Group) {
		d.Groups = append(d.Groups, o.Group)
	}
	return e.settled(d.Credentials, d.Label, o, d.Check)
}

// settleGroup is settle for a group, which is in no group.
func (e *Entry) settleGroup(o *Options) error {
	g := e.Group
	if g.Tenant == "" {
		g.Tenant = o.Tenant
	}
	return e.settled(g.Credentials, g.Label, o, g.Check)
}

// settled does what devices and groups have in common, and checks the whole.
func (e *Entry) settled(list []registry.Credential, label string, o *Options, check func() error) error {
	for i := range list {
		if list[i].Host == "" {
			list[i].Host = o.Host
		}
	}
	err := check()
	if strings.ContainsFunc(label, unicode.IsControl) {
		err = errors.New("the label has control characters")
	}
	if err != nil {
		return &LineError{Line: e.Line, Err: err}
	}
	return nil
}

// Write writes the devices and returns how many of them. It stops at the first
// error of the sequence or of w.
func (f *Format) Write(w io.Writer, devices iter.Seq2[registry.Device, error], o WriteOptions) (int, error) {
	out := f.write(w, &o)
	n := 0
	for d, err := range devices {
		if err != nil {
			return n, err
		}
		written, err := out.device(&d)
		if err != nil {
			return n, err
		}
		if written {
			n++
		}
	}
	if err := o.writeGroups(f, out); err != nil {
		return n, err
	}
	return n, out.end()
}

// writeGroups writes the groups, or tells that there are no words for them.
func (o *WriteOptions) writeGroups(f *Format, out writer) error {
	if o.Groups == nil {
		return nil
	}
	to, ok := out.(groupWriter)
	for g, err := range o.Groups {
		if err != nil {
			return err
		}
		if ok {
			if err := to.group(&g); err != nil {
				return err
			}
		} else if o.LeftGroup != nil {
			o.LeftGroup(&g, f.Name+" has no words for the keys of a group")
		}
	}
	return nil
}
