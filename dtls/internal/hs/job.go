// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

// Job is a public-key operation of a handshake, cut out so that it can run
// away from the goroutine that receives. It holds copies of all it needs and
// touches nothing of the session.
type Job struct {
	run  func(*Job)
	done bool
}

// Run does the work. It must be called once, and may be called on any
// goroutine.
func (j *Job) Run() {
	if !j.done {
		j.run(j)
		j.done = true
	}
}
