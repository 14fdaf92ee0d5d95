// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"path/filepath"
	"strings"
)

// served refuses directories of files that would show the world what the server
// keeps to itself: its configuration, its keys, its store, its logs.
func (c *Config) served(m *material) (problems []Problem) {
	own := []string{c.path, c.Resolve(c.Store.Key), c.Resolve(c.Log.Audit), c.Resolve(c.Log.Ban)}
	if kind, path, err := splitStoreURL(c.StoreURL()); err == nil && (kind == kindBolt || kind == kindFile) {
		own = append(own, path)
	}
	for path := range m.files {
		own = append(own, path)
	}
	for i, f := range c.Resources.Files {
		root := c.Resolve(f.Dir)
		for _, path := range own {
			if path != "" && visible(root, path) {
				key := indexKey("resources.files", i) + ".dir"
				problems = append(problems, c.source.problem(c.source.find(key), key, "%s is in this directory and would be served", path))
				break
			}
		}
	}
	return problems
}

// visible reports whether a file is below a directory and not behind a name that
// begins with a dot.
func visible(root, path string) bool {
	below, err := filepath.Rel(realPath(root), realPath(path))
	return err == nil && below != ".." && !strings.HasPrefix(below, ".")
}

// realPath is a path without links, as far as it is there.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(realPath(dir), filepath.Base(path))
}
