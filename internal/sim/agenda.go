// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import "github.com/coaps-go/coaps/tick"

// agenda is what a node has to do later, in the order in which it was added.
type agenda []todo

// todo is something that takes until then, such as an answer to a session.
type todo struct {
	then tick.Time
	do   func(now tick.Time)
}

func (a *agenda) add(then tick.Time, do func(now tick.Time)) { *a = append(*a, todo{then, do}) }

// deadline is when the first of it is due, tick.Never if there is nothing.
func (a agenda) deadline() tick.Time {
	first := tick.Never
	for _, t := range a {
		first = tick.First(first, t.then)
	}
	return first
}

// takeDue takes what is due off the agenda. What it does may add to it.
func (a *agenda) takeDue(now tick.Time) (due []todo) {
	later := (*a)[:0]
	for _, t := range *a {
		if t.then <= now {
			due = append(due, t)
		} else {
			later = append(later, t)
		}
	}
	*a = later
	return due
}
