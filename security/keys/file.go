// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// maxKeyFile bounds what is read from one file, in bytes: room for a PSK file
// of some hundred thousand devices, too little to fill a machine's memory.
const maxKeyFile = 32 << 20

// PermissionError reports a file that holds a secret and can be read or
// written by others than its owner.
type PermissionError struct {
	Path string
	Mode fs.FileMode // as found
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("%s holds a secret and has mode %04o, so that others than its owner can get at it; chmod 600 it", e.Path, e.Mode.Perm())
}

// ReadSecretFile reads a file that holds a secret. It returns a
// *PermissionError if the group or others may read or write it, unless it is a
// terminal or the like, which keeps nothing; a directory is no file. The check is
// made on the open file, so that the file cannot be exchanged in between.
func ReadSecretFile(path string) ([]byte, error) {
	return readFile(path, func(info fs.FileInfo) error {
		if info.IsDir() || info.Mode()&fs.ModeCharDevice != 0 {
			return nil
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o066 != 0 {
			return &PermissionError{Path: path, Mode: info.Mode()}
		}
		return nil
	})
}

// ReadFile reads a file that holds nothing secret, such as a certificate.
func ReadFile(path string) ([]byte, error) {
	return readFile(path, func(fs.FileInfo) error { return nil })
}

// load returns what parse makes of a file that read reads. An error of parse
// gets the path before it.
func load[T any](path string, read func(string) ([]byte, error), parse func([]byte) (T, error)) (T, error) {
	var none T
	data, err := read(path)
	if err != nil {
		return none, err
	}
	v, err := parse(data)
	if err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// loadSecret is load for a file that its owner alone can read. What was read is
// wiped, so what parse returns must not share its memory.
func loadSecret[T any](path string, parse func([]byte) (T, error)) (T, error) {
	return load(path, ReadSecretFile, func(data []byte) (T, error) {
		defer clear(data)
		return parse(data)
	})
}

func readFile(path string, check func(fs.FileInfo) error) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := check(info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxKeyFile)
	}
	return data, nil
}

// WriteSecretFile writes data to a new file that its owner alone can read and
// write, mode 0600. It does not touch a file that exists: the error is then
// fs.ErrExist.
func WriteSecretFile(path string, data []byte) error { return writeNewFile(path, data, 0o600) }

// WriteFile writes data that is nothing secret to a new file, mode 0644. It
// does not touch a file that exists.
func WriteFile(path string, data []byte) error { return writeNewFile(path, data, 0o644) }

func writeNewFile(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path) // half a key is worse than none
	}
	return err
}
