// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// CArray is a named array of bytes in C source, which is how firmware holds
// keys and certificates.
type CArray struct {
	Name    string // see CName
	Comment string // one line before the array; may be empty
	Data    []byte
}

// AppendTo appends the array as C source.
func (a CArray) AppendTo(b []byte) []byte {
	if a.Comment != "" {
		b = fmt.Appendf(b, "/* %s */\n", strings.ReplaceAll(a.Comment, "*/", "* /"))
	}
	b = fmt.Appendf(b, "static const unsigned char %s[%d] = {", CName(a.Name), len(a.Data))
	for i, octet := range a.Data {
		if i%12 == 0 {
			b = append(b, "\n\t"...)
		} else {
			b = append(b, ' ')
		}
		b = fmt.Appendf(b, "0x%02x,", octet)
	}
	return append(b, "\n};\n"...)
}

// CName returns an identifier of C for any text: what C does not allow becomes
// "_".
func CName(s string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, s)
	if name == "" || '0' <= name[0] && name[0] <= '9' {
		return "_" + name
	}
	return name
}

// maxCSource and maxCArrays bound what ParseCArrays takes.
const (
	maxCSource = 1 << 20 // bytes
	maxCArrays = 64
)

// ParseCArrays reads the arrays of bytes in C source: each list in braces whose
// items are numbers, decimal or hexadecimal, from 0 to 255. Comments are passed
// over, and so is what stands around the lists but for the name before the
// brackets. It fails if there is no such list or if one holds anything else.
func ParseCArrays(source []byte) ([]CArray, error) {
	if len(source) > maxCSource {
		return nil, fmt.Errorf("source of %d bytes, at most %d are taken", len(source), maxCSource)
	}
	text, err := withoutComments(string(source))
	if err != nil {
		return nil, err
	}
	var arrays []CArray
	for {
		before, rest, found := strings.Cut(text, "{")
		if !found {
			break
		}
		list, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, errors.New("a list in braces does not end")
		}
		if len(arrays) == maxCArrays {
			return nil, fmt.Errorf("more than %d arrays", maxCArrays)
		}
		data, err := cNumbers(list)
		if err != nil {
			return nil, fmt.Errorf("array %d: %w", len(arrays)+1, err)
		}
		arrays = append(arrays, CArray{Name: nameBefore(before), Data: data})
		text = after
	}
	if arrays == nil {
		return nil, errors.New("no array of bytes")
	}
	return arrays, nil
}

// withoutComments puts a blank in the place of each comment.
func withoutComments(text string) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(text, "/")
		if i < 0 || i+1 == len(text) {
			b.WriteString(text)
			return b.String(), nil
		}
		b.WriteString(text[:i])
		end, found := "\n", true
		switch text[i+1] {
		case '*':
			_, text, found = strings.Cut(text[i+2:], "*/")
		case '/':
			_, text, _ = strings.Cut(text[i+2:], end)
		default:
			end, text = text[i:i+1], text[i+1:]
		}
		if !found {
			return "", errors.New("a comment does not end")
		}
		b.WriteString(strings.ReplaceAll(end, "\n", " "))
	}
}

// nameBefore returns the last identifier in text that is followed by a bracket,
// "" if there is none.
func nameBefore(text string) string {
	text, _, found := cutLast(text, "[")
	if !found {
		return ""
	}
	text = strings.TrimSpace(text)
	start := strings.LastIndexFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	return text[start+1:]
}

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// cNumbers reads the items of a list; a comma may stand behind the last.
func cNumbers(list string) ([]byte, error) {
	var data []byte
	list = strings.TrimSuffix(strings.TrimSpace(list), ",")
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if strings.ContainsAny(item, "_bBoO") && !strings.HasPrefix(strings.ToLower(item), "0x") {
			return nil, fmt.Errorf("%q is not a byte", item) // forms of Go that C has not
		}
		n, err := strconv.ParseUint(item, 0, 8)
		if err != nil || strings.Contains(item, "_") {
			return nil, fmt.Errorf("%q is not a byte", item)
		}
		data = append(data, byte(n))
	}
	return data, nil
}
