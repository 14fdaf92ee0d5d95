// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/coaps-go/coaps/security/registry"
)

// formatCSV is a table with a header, as a spreadsheet or a database writes it
// (RFC 4180; separated by comma, semicolon or tab). The order of the columns is
// free; a column that is not known is refused, so that a slip of the pen in the
// header loses nothing. A row is a credential; rows of one device stand below
// each other.
var formatCSV = &Format{
	Name: "csv", Title: "CSV with a header: name,group,tenant,identity,key,rpk,...",
	Lacks: "keys of groups", Secret: true,
	looks: looksLikeCSV,
	read:  readCSV,
	write: func(w io.Writer, o *WriteOptions) writer { return &csvWriter{w: csv.NewWriter(w), o: o} },
}

// csvColumns are the columns there are, in the order in which they are written.
var csvColumns = []struct {
	name string
	set  func(r *csvRow, value string) error
	get  func(d *registry.Device, c *registry.Credential) string
}{
	{"name", (*csvRow).name, func(d *registry.Device, _ *registry.Credential) string { return d.Name }},
	{"tenant", (*csvRow).tenant, func(d *registry.Device, _ *registry.Credential) string { return d.Tenant }},
	{"label", (*csvRow).label, func(d *registry.Device, _ *registry.Credential) string { return d.Label }},
	{"group", (*csvRow).groups, func(d *registry.Device, _ *registry.Credential) string { return strings.Join(d.Groups, ";") }},
	{"disabled", (*csvRow).disabled, func(d *registry.Device, _ *registry.Credential) string { return csvBool(d.Disabled) }},
	{"not-before", (*csvRow).notBefore, func(d *registry.Device, _ *registry.Credential) string { return csvTime(d.NotBefore) }},
	{"not-after", (*csvRow).notAfter, func(d *registry.Device, _ *registry.Credential) string { return csvTime(d.NotAfter) }},
	{"identity", (*csvRow).identity, csvIdentity},
	{"key", (*csvRow).key, csvKey},
	{"nodes", (*csvRow).nodes, csvNodes},
	{"rpk", (*csvRow).rpk, csvRPK},
	{"cert-subject", setCertificate("subject"), getCertificate("subject")},
	{"cert-uri", setCertificate("uri"), getCertificate("uri")},
	{"cert-dns", setCertificate("dns"), getCertificate("dns")},
	{"cert-eui64", setCertificate("eui64"), getCertificate("eui64")},
	{"cert-issuer", setCertificate("issuer"), getCertificate("issuer")},
	{"cert-pin", setCertificate("pin"), getCertificate("pin")},
	{"token-sha256", (*csvRow).token, csvToken},
	{"credential", (*csvRow).id, func(_ *registry.Device, c *registry.Credential) string { return c.ID }},
	{"credential-disabled", (*csvRow).credentialDisabled, func(_ *registry.Device, c *registry.Credential) string { return csvBool(c.Disabled) }},
	{"credential-not-before", (*csvRow).credentialNotBefore, func(_ *registry.Device, c *registry.Credential) string { return csvTime(c.NotBefore) }},
	{"credential-not-after", (*csvRow).credentialNotAfter, func(_ *registry.Device, c *registry.Credential) string { return csvTime(c.NotAfter) }},
	{"host", (*csvRow).host, func(_ *registry.Device, c *registry.Credential) string { return c.Host }},
}

// csvAliases are other words for a column.
var csvAliases = map[string]string{
	"device": "name", "endpoint": "name", "groups": "group", "psk-identity": "identity", "psk_identity": "identity",
	"id": "identity", "psk": "key", "hexkey": "key", "public-key": "rpk", "comment": "label", "description": "label",
}

// csvSeparators are tried in this order on the header.
var csvSeparators = []byte{',', ';', '\t'}

// csvHeader splits the first line and finds the columns. The header has no
// quotes of need: names of columns have no separator in them.
func csvHeader(line []byte) (separator byte, columns []int, err error) {
	separator = csvSeparators[0]
	for _, s := range csvSeparators[1:] {
		if bytes.Count(line, []byte{s}) > bytes.Count(line, []byte{separator}) {
			separator = s
		}
	}
	fields := strings.Split(string(line), string(rune(separator)))
	for i, field := range fields {
		at, err := csvColumn(field)
		if err == nil && slices.Contains(columns, at) {
			err = fmt.Errorf("column %d: %s comes twice", i+1, csvColumns[at].name)
		} else if err != nil {
			err = fmt.Errorf("column %d: %w", i+1, err)
		}
		if err != nil {
			return separator, nil, err
		}
		columns = append(columns, at)
	}
	return separator, columns, nil
}

func csvColumn(field string) (int, error) {
	name := strings.ToLower(strings.TrimSpace(field))
	name = strings.ReplaceAll(strings.Trim(name, `"`), "_", "-")
	if other, found := csvAliases[name]; found {
		name = other
	}
	for i := range csvColumns {
		if csvColumns[i].name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("no column of this table; there are %s", csvColumnNames())
}

func csvColumnNames() string {
	names := make([]string, len(csvColumns))
	for i := range csvColumns {
		names[i] = csvColumns[i].name
	}
	return strings.Join(names, ", ")
}

// looksLikeCSV wants a header with a name or an identity in it. One that is not
// quite right is one too, and said to be wrong: libcoap's hint files have three
// fields of any text, and would take its words for keys.
func looksLikeCSV(head []byte) bool {
	found := firstLines(head, 1, func(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 || line[0] == '#' })
	if len(found) == 0 {
		return false
	}
	_, columns, err := csvHeader(found[0])
	if err != nil {
		return knownColumns(found[0]) > 1
	}
	return len(columns) > 1 || csvColumns[columns[0]].name == "name"
}

// knownColumns counts the words of a header that name a column.
func knownColumns(line []byte) (n int) {
	for field := range bytes.FieldsFuncSeq(line, func(r rune) bool { return r < 0x80 && bytes.IndexByte(csvSeparators, byte(r)) >= 0 }) {
		if _, err := csvColumn(string(field)); err == nil {
			n++
		}
	}
	return n
}

// csvReader reads rows and puts those of one device together.
type csvReader struct {
	rows    *csv.Reader
	in      *budgeted
	columns []int
	from    int // line of the header
	line    int // of the last row
}

// budgeted refuses to read more than one row may have: a quote that is never
// closed would swallow the rest of the file.
type budgeted struct {
	r    io.Reader
	left int
}

func (b *budgeted) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLineTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func readCSV(r io.Reader, _ *Options) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c, err := newCSVReader(r)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		c.read(yield)
	}
}

// newCSVReader reads the header.
func newCSVReader(r io.Reader) (*csvReader, error) {
	l := newLines(r)
	for {
		line, err := l.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("there is no header")
			}
			return nil, &brokenError{l.wrong(0, unwrapLine(err))}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		separator, columns, err := csvHeader(line)
		if err != nil {
			return nil, &brokenError{l.wrong(0, err)}
		}
		in := &budgeted{r: l.r}
		c := &csvReader{rows: csv.NewReader(in), in: in, columns: columns, from: l.n}
		c.rows.Comma, c.rows.FieldsPerRecord, c.rows.ReuseRecord = rune(separator), len(columns), true
		return c, nil
	}
}

func unwrapLine(err error) error {
	if line, ok := asLineError(err); ok {
		return line.Err
	}
	return err
}

func (c *csvReader) read(yield func(Entry, error) bool) {
	var last Entry
	var bad string // a device of which a row was wrong: reported already
	for {
		row, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if row != nil {
				bad = row.of()
			}
			if _, goOn := asLineError(err); !yield(Entry{}, err) || !goOn {
				return
			}
			continue
		}
		if last.Line > 0 && row.of() == deviceKey(&last.Device) {
			if err := row.joinTo(&last.Device); err != nil && !yield(Entry{}, &LineError{Line: row.line, Err: err}) {
				return
			}
			continue
		}
		if last.Line > 0 && deviceKey(&last.Device) != bad && !yield(last, nil) {
			return
		}
		last = Entry{Device: row.device, Line: row.line}
		last.Device.Credentials = row.credentials
	}
	if last.Line > 0 && deviceKey(&last.Device) != bad {
		yield(last, nil)
	}
}

func deviceKey(d *registry.Device) string { return d.Tenant + "\x00" + d.Name }

// next reads a row. What is wrong with it comes as a *LineError, with the row as
// far as it was understood.
func (c *csvReader) next() (*csvRow, error) {
	c.in.left = maxLine
	fields, err := c.rows.Read()
	if err != nil {
		return nil, c.wrong(err)
	}
	line, _ := c.rows.FieldPos(0)
	c.line = line + c.from
	row := &csvRow{line: c.line}
	for i, value := range fields {
		value = strings.TrimSpace(value)
		column := &csvColumns[c.columns[i]]
		if value == "" {
			continue
		}
		if strings.IndexByte(value, 0) >= 0 {
			err = errNUL
		} else {
			err = column.set(row, value)
		}
		if err != nil {
			_, at := c.rows.FieldPos(i)
			return row, &LineError{Line: row.line, Column: at, Err: fmt.Errorf("%s: %w", column.name, err)}
		}
	}
	if err := row.finish(); err != nil {
		return row, &LineError{Line: row.line, Err: err}
	}
	return row, nil
}

// wrong makes an error of csv's; with a wrong number of fields reading goes on,
// with a quote in the wrong place it does not, as what follows may be anything.
func (c *csvReader) wrong(err error) error {
	parse, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errLineTooLong):
		return &brokenError{&LineError{Line: c.line + 1, Err: errors.New("a row of more than a million octets: is a quote open?")}}
	case !ok:
		return err
	case errors.Is(parse.Err, csv.ErrFieldCount):
		return &LineError{Line: parse.StartLine + c.from, Err: fmt.Errorf("the header has %d columns, this row has another number", len(c.columns))}
	case errors.Is(parse.Err, csv.ErrQuote), errors.Is(parse.Err, csv.ErrBareQuote):
		return &brokenError{&LineError{Line: parse.StartLine + c.from, Err: errors.New("a quote in the wrong place, or one that is not closed")}}
	}
	return &brokenError{&LineError{Line: parse.Line + c.from, Err: errors.New("not CSV")}}
}
