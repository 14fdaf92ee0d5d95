// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bolt

import (
	"fmt"
	"os"
	"syscall"
)

// likeOwner gives a new file owner, group and mode of the old: when the
// administrator loads devices, the server must still be able to open them.
func likeOwner(file, old *os.File) error {
	was, err := old.Stat()
	if err != nil {
		return err
	}
	is, err := file.Stat()
	if err != nil {
		return err
	}
	o, n := was.Sys().(*syscall.Stat_t), is.Sys().(*syscall.Stat_t)
	if o.Uid != n.Uid || o.Gid != n.Gid {
		if err := file.Chown(int(o.Uid), int(o.Gid)); err != nil {
			return err
		}
	}
	if was.Mode() == is.Mode() {
		return nil
	}
	return file.Chmod(was.Mode())
}

// closeToOthers takes a file that holds secrets from those who are neither its
// owner nor of its group, as it may have come from a copy or a backup. Who wants
// an administrators' group to have it can say so by its mode.
func closeToOthers(file *os.File) error {
	info, err := file.Stat()
	if err != nil || info.Mode().Perm()&0o007 == 0 {
		return err
	}
	if err := file.Chmod(info.Mode().Perm() &^ 0o007); err != nil {
		return fmt.Errorf("anybody can get at the file, which holds secrets: %w", err)
	}
	return nil
}

// abandon closes a file that is still mapped and cannot be unmapped. The map
// would keep the lock until the process ends.
func abandon(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}
