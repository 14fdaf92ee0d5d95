// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package gateway

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
)

// tree is a served directory with a secret beside it.
func tree(t *testing.T) (*fileTree, string) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "fw")
	for name, content := range map[string]string{
		"secret.txt": "secret", "fw/a.txt": "hello", "fw/b.json": "{}", "fw/.hidden": "secret", "fw/sub/c.bin": "\x00\x01",
		"fw/large.bin": strings.Repeat("x", 1025), "fw/full.bin": strings.Repeat("x", 1024), "fw/ü 1.txt": "umlaut", "fw/.git/config": "secret",
	} {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"out.txt": "../secret.txt", "abs.txt": filepath.Join(top, "secret.txt"), "up": "..", "in.txt": "sub/c.bin", "etc": "/etc"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := newFileTree(Files{Path: "/fw/"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.root.Close() })
	return files, dir
}

func (t *fileTree) ask(method coap.Code, path string, options ...coap.Option) *answer {
	a := new(answer)
	t.ServeCOAP(a, &coaps.Request{Method: method, Path: path, Options: options})
	return a
}

func TestFilesAreServed(t *testing.T) {
	files, _ := tree(t)
	for _, test := range []struct {
		path, payload string
		format        coap.ContentFormat
	}{
		{"/fw/a.txt", "hello", coap.TextPlain},
		{"/fw/b.json", "{}", coap.JSON},
		{"/fw/sub/c.bin", "\x00\x01", coap.OctetStream},
		{"/fw/in.txt", "\x00\x01", coap.TextPlain}, // a link that stays within
		{"/fw/full.bin", strings.Repeat("x", 1024), coap.OctetStream},
		{"/fw/%C3%BC%201.txt", "umlaut", coap.TextPlain},
	} {
		a := files.ask(coap.GET, test.path)
		format, _ := a.options.GetUint(coap.ContentFormatOption)
		if a.code != 0 || string(a.payload) != test.payload || format != uint32(test.format) {
			t.Errorf("%s: %v %q, format %d", test.path, a.code, a.payload, format)
		}
		if tag, ok := a.options.Get(coap.ETag); !ok || len(tag) != 8 {
			t.Errorf("%s: ETag %x", test.path, tag)
		}
	}
	if a := files.ask(coap.GET, "/fw/a.txt", coap.Option{Number: coap.Accept, Value: []byte{50}}); a.code != coap.NotAcceptable {
		t.Errorf("Accept: %v", a.code)
	}
	for _, method := range []coap.Code{coap.POST, coap.PUT, coap.DELETE, coap.FETCH} {
		if a := files.ask(method, "/fw/a.txt"); a.code != coap.MethodNotAllowed {
			t.Errorf("%v: %v", method, a.code)
		}
	}
}

// Neither a path nor a link leads out of the directory, to what begins with a
// dot, or to what is no file; and all of it looks as if it were not there.
func TestNoWayOut(t *testing.T) {
	files, _ := tree(t)
	for _, path := range []string{
		"/fw/../secret.txt", "/fw/%2E%2E/secret.txt", "/fw/%2e%2e/secret.txt", "/fw/..%2Fsecret.txt", "/fw/sub/../../secret.txt", "/fw/sub/%2E%2E/%2E%2E/secret.txt",
		"/fw/%2Fetc%2Fpasswd", "/fw//etc/passwd", "/fw/etc/passwd", "/fw/out.txt", "/fw/abs.txt", "/fw/up/secret.txt", "/fw/up/fw/a.txt",
		"/fw/.hidden", "/fw/%2Ehidden", "/fw/.git/config", "/fw/.", "/fw/..", "/fw/a.txt%00", "/fw/a.txt%00.json", "/fw/..%5Csecret.txt", "/fw/%zz",
		"/fw/none", "/fw/sub", "/fw/a.txt/", "/fw/a.txt/b", "/fw/pipe", "/fw/sub//c.bin", "/fw/" + strings.Repeat("a", 300), "/fw/" + strings.Repeat("a/", 3000) + "a",
	} {
		a := files.ask(coap.GET, path)
		if a.code != coap.NotFound || string(a.payload) != "no such file" {
			t.Errorf("%s: %v %q", clip(path), a.code, a.payload)
		}
	}
}

// Proves rfc7252 §5.10.6.2: "A server can issue a 2.03 Valid response (Section
// 5.9.1.3) in place of a 2.05 Content response if one of the ETags given is the
// entity-tag for the current representation, i.e., is valid; the 2.03 Valid response
// then echoes this specific ETag in a response option."
func TestETagOfFiles(t *testing.T) {
	files, dir := tree(t)
	first := files.ask(coap.GET, "/fw/a.txt")
	tag, _ := first.options.Get(coap.ETag)
	same := files.ask(coap.GET, "/fw/a.txt", coap.Option{Number: coap.ETag, Value: []byte("other")}, coap.Option{Number: coap.ETag, Value: tag})
	if got, _ := same.options.Get(coap.ETag); same.code != coap.Valid || len(same.payload) != 0 || !bytes.Equal(got, tag) {
		t.Errorf("%v %q %x", same.code, same.payload, got)
	}
	if a := files.ask(coap.GET, "/fw/a.txt", coap.Option{Number: coap.IfNoneMatch}); a.code != coap.PreconditionFailed {
		t.Errorf("If-None-Match on what is there: %v", a.code)
	}
	if a := files.ask(coap.GET, "/fw/a.txt", coap.Option{Number: coap.IfMatch, Value: []byte("other")}); a.code != coap.PreconditionFailed {
		t.Errorf("If-Match of another: %v", a.code)
	}
	if a := files.ask(coap.GET, "/fw/a.txt", coap.Option{Number: coap.IfMatch, Value: tag}); a.code != 0 {
		t.Errorf("If-Match: %v", a.code)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("HELLO"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := files.ask(coap.GET, "/fw/a.txt", coap.Option{Number: coap.ETag, Value: tag}); a.code != 0 || string(a.payload) != "HELLO" {
		t.Errorf("after a change: %v %q", a.code, a.payload)
	}
}

// A file that is too large says how large it is, and why that is too large.
func TestLargeFile(t *testing.T) {
	files, _ := tree(t)
	a := files.ask(coap.GET, "/fw/large.bin")
	size, _ := a.options.GetUint(coap.Size2)
	if a.code != coap.NotImplemented || size != 1025 || !strings.Contains(string(a.payload), "1025 bytes") || !strings.Contains(string(a.payload), "block-wise") {
		t.Errorf("%v %q, Size2 %d", a.code, a.payload, size)
	}
}

func TestListOfFiles(t *testing.T) {
	files, dir := tree(t)
	a := files.ask(coap.GET, "/fw/")
	want := `</fw/%C3%BC%201.txt>;sz=6;ct=0`
	list := string(a.payload)
	for _, part := range []string{`</fw/a.txt>;sz=5;ct=0`, `</fw/b.json>;sz=2;ct=50`, `</fw/sub/>;ct=40`, `</fw/large.bin>;sz=1025;ct=42`, want} {
		if !strings.Contains(list, part) {
			t.Errorf("%s is not in %s", part, list)
		}
	}
	for _, part := range []string{"hidden", "git", "out.txt", "abs.txt", "etc", "/up", "pipe"} {
		if strings.Contains(list, part) {
			t.Errorf("%s is in %s", part, list)
		}
	}
	for i := range 200 {
		if err := os.WriteFile(filepath.Join(dir, strings.Repeat("n", i+1)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if a := files.ask(coap.GET, "/fw/"); len(a.payload) == 0 || len(a.payload) > mostPayload {
		t.Errorf("a list of %d bytes", len(a.payload))
	}
}
