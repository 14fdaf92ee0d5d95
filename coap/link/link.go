// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package link is the CoRE Link Format.
package link

// STUB: for minutes only.

// A Link is one entry: <target>;attr;attr=value.
type Link struct {
	Target string
	Attrs  []Attr
}

// An Attr is one target attribute. NoValue distinguishes ";obs" from `;x=""`.
type Attr struct {
	Name    string
	Value   string
	NoValue bool
}

func (l *Link) Get(name string) (string, bool)    { panic("todo") }
func (l *Link) Add(name, value string)            { panic("todo") }
func (l *Link) AddFlag(name string)               { panic("todo") }

func Append(dst []byte, links []Link) []byte      { panic("todo") }
func Parse(s string) ([]Link, error)              { panic("todo") }
func (l *Link) Matches(query string) bool         { panic("todo") } // "rt=temp*", decoded Uri-Query value
func Filter(links []Link, queries []string) []Link { panic("todo") }
