// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
	"github.com/coaps-go/coaps/internal/resource"
	"github.com/coaps-go/coaps/security/acl"
)

// mostPayload is what fits into a datagram whatever the path: RFC 7252 section
// 4.6 has 1024 bytes of payload where nothing is known.
const mostPayload = 1024

// fileTree serves the files below a directory. It reads them through an os.Root,
// so that neither a path nor a symbolic link leads out of the directory, also
// while somebody changes it.
type fileTree struct {
	path  string // of the resource, ends with a slash
	dir   string // where the directory is
	which digest // and which one that was
	root  *os.Root
	age   time.Duration // Max-Age
	watch *fileWatch    // nil: nobody observes
}

// newFileTree opens a directory.
func newFileTree(f Files, dir string) (*fileTree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &fileTree{path: f.Path, dir: dir, root: root, age: resource.DefaultAge}
	if info, err := root.Stat("."); err == nil {
		t.which = identityOf(info)
	}
	return t, nil
}

// share uses the directory on that one of the trees has open, if it is the same one.
// Requests under way read from it, so nobody can close it but the collector; with each
// reload another one would stay open until then.
func (t *fileTree) share(trees []*fileTree) {
	for _, other := range trees {
		if other.dir == t.dir && other.which == t.which && t.which != (digest{}) {
			_ = t.root.Close()
			t.root = other.root
			return
		}
	}
}

// ServeCOAP answers GET.
func (t *fileTree) ServeCOAP(w coaps.ResponseWriter, r *coaps.Request) {
	if r.Method != coap.GET {
		coaps.WriteError(w, coap.MethodNotAllowed, "files can only be read")
		return
	}
	name, ok := fileName(strings.TrimPrefix(r.Path, t.path))
	if !ok {
		notThere(w)
		return
	}
	if t.watch != nil && resource.Registers(r) {
		t.watch.wake(r.Path, func() fileState { return t.state(r.Path) })
	}
	if strings.HasSuffix(r.Path, "/") {
		t.list(w, r, name)
		return
	}
	t.file(w, r, name)
}

func notThere(w coaps.ResponseWriter) { coaps.WriteError(w, coap.NotFound, "no such file") }

// fileName is the name within the directory that a path means; false for one
// that can mean none: segments that hold a separator or a NUL, "." and "..",
// names that begin with a dot.
func fileName(encoded string) (string, bool) {
	if encoded == "" {
		return ".", true
	}
	var segments []string
	for part := range strings.SplitSeq(strings.TrimSuffix(encoded, "/"), "/") {
		segment, err := url.PathUnescape(part)
		if err != nil || segment == "" || strings.HasPrefix(segment, ".") || strings.ContainsAny(segment, "/\\\x00") {
			return "", false
		}
		segments = append(segments, segment)
	}
	name := path.Join(segments...)
	return name, fs.ValidPath(name)
}

// content is a file that was read.
type content struct {
	data []byte
	size int64
	etag []byte
}

// read opens a regular file. A larger one than fits is measured only.
func (t *fileTree) read(name string) (*content, error) {
	// A named pipe would let Open wait for a writer.
	f, err := t.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	c := &content{size: info.Size()}
	if c.size > mostPayload {
		return c, nil
	}
	if c.data, err = io.ReadAll(io.LimitReader(f, mostPayload+1)); err != nil {
		return nil, err
	}
	c.size = int64(len(c.data)) // it may have grown
	c.etag = etagOf(formatOf(name), c.data)
	return c, nil
}

// etagOf is 8 bytes over format and content: the same representation has the same
// tag, on every server (RFC 7252 section 5.10.6).
func etagOf(format coap.ContentFormat, data []byte) []byte {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint16(nil, uint16(format)))
	h.Write(data)
	return h.Sum(nil)[:8]
}

// file answers with a file, or with 2.03 Valid if the caller has it already
// (RFC 7252 section 5.10.6.2).
func (t *fileTree) file(w coaps.ResponseWriter, r *coaps.Request, name string) {
	c, err := t.read(name)
	if err != nil {
		if r.ConditionsHold(false, nil) {
			notThere(w)
		} else {
			coaps.WriteError(w, coap.PreconditionFailed, "the condition does not hold")
		}
		return
	}
	if c.size > mostPayload {
		w.SetUint(coap.Size2, uint32(min(c.size, 1<<32-1)))
		coaps.WriteError(w, coap.NotImplemented, fmt.Sprintf("the file has %d bytes, at most %d fit into one datagram, and block-wise transfer is not implemented", c.size, mostPayload))
		return
	}
	format := formatOf(name)
	if wanted, ok := r.Options.GetUint(coap.Accept); ok && wanted != uint32(format) {
		coaps.WriteError(w, coap.NotAcceptable, "this file is "+format.MediaType())
		return
	}
	if !r.ConditionsHold(true, c.etag) {
		coaps.WriteError(w, coap.PreconditionFailed, "the condition does not hold")
		return
	}
	w.SetOption(coap.ETag, c.etag)
	resource.SetAge(w, r, t.age)
	if slices.ContainsFunc(r.Options, func(o coap.Option) bool { return o.Number == coap.ETag && bytes.Equal(o.Value, c.etag) }) {
		w.SetCode(coap.Valid)
		return
	}
	w.SetContentFormat(format)
	_, _ = w.Write(c.data)
}

// formats are the Content-Formats by the ending of the name.
var formats = map[string]coap.ContentFormat{
	".txt": coap.TextPlain, ".md": coap.TextPlain, ".csv": coap.TextPlain,
	".json": coap.JSON, ".cbor": coap.CBOR, ".xml": coap.XML, ".wlnk": coap.LinkFormat,
}

func formatOf(name string) coap.ContentFormat {
	if format, ok := formats[strings.ToLower(path.Ext(name))]; ok {
		return format
	}
	return coap.OctetStream
}

// mostListed bounds how many entries of a directory are looked at.
const mostListed = 1000

// list answers with links to what is in a directory (RFC 6690), as many as fit.
func (t *fileTree) list(w coaps.ResponseWriter, r *coaps.Request, name string) {
	if wanted, ok := r.Options.GetUint(coap.Accept); ok && wanted != uint32(coap.LinkFormat) {
		coaps.WriteError(w, coap.NotAcceptable, "the list is application/link-format")
		return
	}
	entries, err := t.entries(name)
	if err != nil {
		notThere(w)
		return
	}
	var links []link.Link
	for _, entry := range entries {
		if l, ok := t.readable(r, target(r.Path, entry), name, entry); ok {
			links = append(links, l)
		}
	}
	resource.SetAge(w, r, t.age)
	w.SetContentFormat(coap.LinkFormat)
	_, _ = w.Write(link.AppendFitting(nil, links, mostPayload))
}

// entries are what is in a directory, by name; of a large one some.
func (t *fileTree) entries(name string) ([]fs.DirEntry, error) {
	f, err := t.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(mostListed)
	if err != nil && err != io.EOF {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// stat follows links, but not out of the directory.
func (t *fileTree) stat(dir string, entry fs.DirEntry) (fs.FileInfo, error) {
	return t.root.Stat(path.Join(dir, entry.Name()))
}

// target is the path of an entry of a directory that is served at base, "" if it is
// not served.
func target(base string, entry fs.DirEntry) string {
	encoded, err := acl.CanonicalPath("/" + url.PathEscape(entry.Name()))
	if err != nil || strings.HasPrefix(entry.Name(), ".") {
		return ""
	}
	return base + encoded[1:]
}

// readable describes an entry of a directory, if it is served and the caller may read
// it. Most may be for others, and costs no system call.
func (t *fileTree) readable(r *coaps.Request, to, dir string, entry fs.DirEntry) (link.Link, bool) {
	if to == "" || !r.Allowed(coap.GET, to) && !r.Allowed(coap.GET, to+"/") {
		return link.Link{}, false
	}
	info, err := t.stat(dir, entry)
	if err != nil {
		return link.Link{}, false
	}
	l := link.Link{Target: to}
	switch {
	case info.IsDir():
		l.Target += "/"
		l.Add("ct", strconv.Itoa(int(coap.LinkFormat)))
	case info.Mode().IsRegular():
		l.Add("sz", strconv.FormatInt(info.Size(), 10))
		l.Add("ct", strconv.Itoa(int(formatOf(entry.Name()))))
	default:
		return link.Link{}, false
	}
	return l, r.Allowed(coap.GET, l.Target)
}

// mostWalked bounds how many directories are looked into for what the caller may read.
const mostWalked = 64

// Links is what the caller may read of a tree whose list he may not read, some
// entries of a large one: files, and directories, which list the rest. fileTree is a
// coaps.Lister.
func (t *fileTree) Links(r *coaps.Request, base string) (links []link.Link) {
	type place struct{ base, dir string }
	places, left := []place{{base, "."}}, mostListed
	for at := 0; at < min(len(places), mostWalked) && left > 0; at++ {
		here := places[at]
		entries, err := t.entries(here.dir)
		if err != nil {
			continue // it is gone
		}
		entries = entries[:min(len(entries), left)]
		left -= len(entries)
		for _, entry := range entries {
			to := target(here.base, entry)
			if l, ok := t.readable(r, to, here.dir, entry); ok {
				links = append(links, l)
			} else if to != "" && entry.IsDir() {
				places = append(places, place{to + "/", path.Join(here.dir, entry.Name())})
			}
		}
	}
	return links
}
