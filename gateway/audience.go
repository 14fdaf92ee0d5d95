// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

// audience is who observes resources, at any listener.
type audience struct{ *server }

// Notify tells the observers at every listener.
func (a audience) Notify(path string) {
	for _, l := range a.open() {
		l.server.Notify(path)
	}
}

// Refresh tells those observers at every listener who would see something else.
func (a audience) Refresh(path string) {
	for _, l := range a.open() {
		l.server.Refresh(path)
	}
}

// ObservedPaths are those of all listeners; one may be there more than once.
func (a audience) ObservedPaths(prefix string) (paths []string) {
	for _, l := range a.open() {
		paths = append(paths, l.server.ObservedPaths(prefix)...)
	}
	return paths
}

// tellPlaces has observers see what has become of the resources at and below
// these paths: another representation, or that there is none any more.
func (s *server) tellPlaces(paths []string) {
	for _, l := range s.open() {
		for _, path := range paths {
			l.server.NotifyTree(path)
		}
	}
}
