// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/internal/foreign"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// formatHelp lists the formats that can be read, or written.
func formatHelp(can func(*foreign.Format) bool) string {
	var b strings.Builder
	for _, f := range foreign.Formats() {
		if can(f) {
			fmt.Fprintf(&b, "  %-16s %s\n", f.Name, f.Title)
		}
	}
	return b.String()
}

func formatNames(can func(*foreign.Format) bool) []string {
	var names []string
	for _, f := range foreign.Formats() {
		if can(f) {
			names = append(names, f.Name)
		}
	}
	return names
}

// deviceImport is one run of device import.
type deviceImport struct {
	*app
	target   ownerTarget
	format   string
	options  foreign.Options
	identity string
	dryRun   bool
	replace  bool
	skip     bool
	progress string
	json     bool

	path   string
	notes  int
	weak   int
	bar    *transferProgress
	reader *countedReader
}

func (a *app) deviceImportCommand() *cobra.Command {
	d := &deviceImport{app: a}
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "add many devices from a file, or none of them",
		Long: `Add the devices of a file; - reads stdin. Either all of them are added or none:
lines that cannot be used are named by their numbers, and what they hold is not
repeated, as it may be a key. A device or identity that is in the store already
is an error too, unless --replace or --skip-existing says what to do.

Formats, told apart by the beginning of the file unless --format says it:

` + formatHelp((*foreign.Format).CanRead) + `
A device of a file that names none is called as its identity.`,
		Example: `  coaps device import fleet.csv --dry-run
  coaps device import devices.psk --group sensors
  coaps device import clients.json --format leshan --tenant acme --replace
  coaps device import hono.psk --format californium-psk --split @`,
		Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return d.run(cmd, args[0]) },
	}
	d.register(cmd)
	return cmd
}

func (d *deviceImport) register(cmd *cobra.Command) {
	d.target.register(cmd)
	set, done := beginGroup(cmd.Flags(), groupDevice)
	set.StringVar(&d.format, "format", "auto", "the `FORMAT` of the file: auto or one of the names above")
	set.BoolVar(&d.dryRun, "dry-run", false, "read and check the file, and change nothing")
	set.BoolVar(&d.replace, "replace", false, "devices of the file take the place of those of the same name")
	set.BoolVar(&d.skip, "skip-existing", false, "devices that are there already stay as they are")
	set.StringVar(&d.options.Group, "group", "", "all become members of this `GROUP`")
	set.StringVar(&d.options.Split, "split", "", "what follows this `TEXT` in a name is the tenant: @ for id@tenant")
	set.StringVar(&d.options.Host, "host", "", "the credentials are for the virtual host `NAME`")
	set.StringVarP(&d.identity, "identity", "u", "", "the `ID` that the clients send, for files without (libcoap-sni)")
	done()
	set, done = beginGroup(cmd.Flags(), groupOutput)
	set.StringVar(&d.progress, "progress", "auto", "show how far it is, `WHEN`: auto (on a terminal), plain or off")
	set.BoolVar(&d.json, "json", false, "print the result as a JSON object")
	done()
	completeValues(cmd, "format", append([]string{"auto"}, formatNames((*foreign.Format).CanRead)...))
	completeValues(cmd, "progress", progressModes)
}

func (d *deviceImport) check(cmd *cobra.Command) error {
	if d.replace && d.skip {
		return usage(cmd, "--replace and --skip-existing exclude each other")
	}
	if err := oneOf("progress", d.progress, progressModes...); err != nil {
		return usage(cmd, "%v", err)
	}
	if f := foreign.Find(d.format); d.format != "auto" && (f == nil || !f.CanRead()) {
		return usage(cmd, "--format %q: one of auto, %s is allowed", d.format, strings.Join(formatNames((*foreign.Format).CanRead), ", "))
	}
	for flag, name := range map[string]string{"group": d.options.Group, "tenant": d.target.tenant} {
		if name != "" && registry.CheckName(name) != nil {
			return usage(cmd, "--%s: %v", flag, registry.CheckName(name))
		}
	}
	d.options.Tenant = d.target.tenant
	var err error
	if d.options.Identity, err = keys.ParseIdentity(d.identity); err != nil {
		return usage(cmd, "--identity: %v", err)
	}
	return nil
}

func (d *deviceImport) run(cmd *cobra.Command, path string) error {
	if err := d.check(cmd); err != nil {
		return err
	}
	d.path = path
	in, size, err := interruptible(cmd.Context(), func() (io.ReadCloser, int64, error) { return d.open(path) })
	if err != nil {
		return storeFailure("cannot import "+path, err)
	}
	defer in.Close()
	d.reader = &countedReader{r: in}
	buffered := bufio.NewReaderSize(d.reader, foreign.HeadSize)
	format, err := d.recognise(buffered)
	if err != nil {
		return err
	}
	d.tracef(1, "%s is in the format %s", path, format.Name)
	if format.NeedsIdentity && d.identity == "" {
		return usage(cmd, "the keys of a %s file have no identity", format.Name).try("--identity ID, what the clients send")
	}
	d.bar = d.newTransferProgress(d.progress, "import", size)
	defer d.bar.end()
	result, err := d.transfer(cmd, format, buffered)
	d.bar.end()
	if err != nil {
		return err
	}
	return d.report(format, result)
}

// open opens the file, which may hold keys and must be the owner's alone.
func (d *deviceImport) open(path string) (io.ReadCloser, int64, error) {
	if path == "-" {
		return io.NopCloser(d.in), 0, nil
	}
	what := "cannot import"
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, fileFailure(what, path, err)
	}
	info, err := file.Stat()
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o066 != 0 && info.Mode().IsRegular() {
		err = &keys.PermissionError{Path: path, Mode: info.Mode()}
	}
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("is a directory")}
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, fileFailure(what, path, err)
	}
	return file, info.Size(), nil
}

// interruptible opens and reads a file that may be a pipe, at both of which the
// system waits as long as nobody writes: a signal ends the wait.
func interruptible(ctx context.Context, open func() (io.ReadCloser, int64, error)) (io.ReadCloser, int64, error) {
	type opened struct {
		in   io.ReadCloser
		size int64
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		in, size, err := open()
		done <- opened{in, size, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, 0, o.err
		}
		return interruptibleReader(ctx, o.in), o.size, nil
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

// interruptibleReader reads by way of a pipe, which the end of ctx closes.
func interruptibleReader(ctx context.Context, in io.ReadCloser) io.ReadCloser {
	out, pipe := io.Pipe()
	stop := context.AfterFunc(ctx, func() { pipe.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.CopyBuffer(pipe, in, make([]byte, 64<<10))
		stop()
		pipe.CloseWithError(err)
		_ = in.Close()
	}()
	return out
}

func (d *deviceImport) recognise(in *bufio.Reader) (*foreign.Format, error) {
	if d.format != "auto" {
		return foreign.Find(d.format), nil
	}
	head, err := in.Peek(foreign.HeadSize)
	if errors.Is(err, context.Canceled) {
		return nil, storeFailure("cannot import "+d.path, err)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fileFailure("cannot import", d.path, err)
	}
	if format := foreign.Recognise(head); format != nil {
		return format, nil
	}
	if len(head) == 0 {
		return nil, fail("bad_credential_file", "cannot import "+d.path, "it is empty").try("coaps device import --help lists the formats")
	}
	return nil, fail("bad_credential_file", "cannot import "+d.path, "it looks like none of the formats that are known").
		try("--format says which it is; coaps device import --help lists them")
}

// maxBadLines is how many wrong lines are told at once.
const maxBadLines = 20

// importer passes on the devices of a file and collects what is wrong with it.
type importer struct {
	d     *deviceImport
	ctx   context.Context
	lines []int32 // of the devices that were passed on
	bad   []string
	more  int // wrong lines beyond those in bad
}

// countWeak counts keys that a server refuses unless it is told otherwise.
func (d *deviceImport) countWeak(list []registry.Credential) {
	for i := range list {
		if psk := list[i].PSK; psk != nil && psk.Key.Len() < keys.MinPSKLen {
			d.weak++
		}
	}
}

// errBadLines ends an import whose file is wrong; what is wrong is in bad.
var errBadLines = errors.New("the file has lines that cannot be used")

// owners passes on the devices and groups up to the first wrong line; behind it the
// rest is read for more of them.
func (i *importer) owners(entries iter.Seq2[foreign.Entry, error]) iter.Seq2[registry.Owner, error] {
	return func(yield func(registry.Owner, error) bool) {
		for e, err := range entries {
			if i.ctx.Err() != nil {
				yield(nil, i.ctx.Err())
				return
			}
			i.d.bar.update(len(i.lines), i.d.reader.n)
			if err != nil {
				if !i.wrong(err) {
					yield(nil, err)
					return
				}
				continue
			}
			if len(i.bad) > 0 {
				continue
			}
			i.d.countWeak(e.Credentials())
			i.lines = append(i.lines, int32(min(e.Line, 1<<31-1)))
			if !yield(e.Owner(), nil) {
				return
			}
		}
		if len(i.bad) > 0 {
			yield(nil, errBadLines)
		}
	}
}

// wrong notes a wrong line; false for an error that is not the file's.
func (i *importer) wrong(err error) bool {
	line, isLine := errors.AsType[*foreign.LineError](err)
	if !isLine {
		line = foreign.Broken(err)
	}
	switch {
	case line == nil:
		return false
	case len(i.bad) >= maxBadLines:
		i.more++
	default:
		i.bad = append(i.bad, line.Error())
	}
	return true
}

// line is where the n-th device that was passed on begins.
func (i *importer) line(n int) int {
	if n < 0 || n >= len(i.lines) {
		return 0
	}
	return int(i.lines[n])
}

// transfer reads the file into the store, or with --dry-run into one that is
// forgotten.
func (d *deviceImport) transfer(cmd *cobra.Command, format *foreign.Format, in io.Reader) (registry.ImportResult, error) {
	var none registry.ImportResult
	i := &importer{d: d, ctx: cmd.Context()}
	d.options.Note = d.noteSkipped
	owners := i.owners(format.Read(in, d.options))
	reg, done, err := d.openRegistry(cmd)
	if err != nil {
		return none, err
	}
	defer done()
	result, err := reg.ImportOwners(cmd.Context(), owners, registry.ImportOptions{Replace: d.replace, Skip: d.skip, DryRun: d.dryRun})
	if err != nil {
		d.bar.end()
		return none, d.failure(i, err)
	}
	return result, nil
}

// noteSkipped tells what is no device, the first few times.
func (d *deviceImport) noteSkipped(line int, text string) {
	d.notes++
	if d.notes <= maxBadLines {
		d.bar.clear()
		d.warnf("%s, line %d: %s", d.path, line, text)
	}
}

// failure puts the lines before the three lines.
func (d *deviceImport) failure(i *importer, err error) error {
	what := "cannot import " + d.path
	if errors.Is(err, errBadLines) {
		p := d.errPalette()
		for _, bad := range i.bad {
			fmt.Fprintf(d.err, "%s %s\n", p.warn("bad line:"), oneLine(d.path+", "+bad))
		}
		total := len(i.bad) + i.more
		return fail("bad_lines", what, "%s of it cannot be used; nothing was imported", plural(total, "line")).because(err)
	}
	if wrong := importErrors(err); len(wrong) > 0 {
		return d.refused(what, i, wrong, err)
	}
	return storeFailure(what, err)
}

// importErrors are the devices that the registry does not take.
func importErrors(err error) []*registry.ImportError {
	if one, ok := err.(*registry.ImportError); ok {
		return []*registry.ImportError{one}
	}
	var all []*registry.ImportError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, part := range joined.Unwrap() {
			all = append(all, importErrors(part)...)
		}
	}
	return all
}

// refused is for devices that stand in the way of each other or of what is there.
func (d *deviceImport) refused(what string, i *importer, wrong []*registry.ImportError, err error) error {
	p := d.errPalette()
	for _, one := range wrong {
		fmt.Fprintf(d.err, "%s %s\n", p.warn("bad line:"), oneLine(fmt.Sprintf("%s, line %d: %v", d.path, i.line(one.Index), one.Err)))
	}
	word, hint := refusal(wrong)
	many := plural(len(wrong), "device")
	if len(wrong) == maxBadLines { // the registry looks for no more
		many = "at least " + many
	}
	return fail(word, what, "%s cannot be added; nothing was imported", many).because(err).try("%s", hint)
}

// refusal is the reason and the advice for devices that are not taken: another
// one may have the name, or what they show.
func refusal(wrong []*registry.ImportError) (word, hint string) {
	names, shown := 0, 0
	for _, one := range wrong {
		if taken, ok := errors.AsType[*registry.ConflictError](one); ok && taken.Whose == "" {
			names++
		} else if ok {
			shown++
		}
	}
	switch {
	case names > 0:
		return "conflict", "--replace or --skip-existing says what to do with names that are there; coaps device list shows them"
	case shown > 0:
		return "conflict", "two devices cannot show the same: give one of them another, or make a shared key that of a group (coaps psk add group:NAME)"
	}
	return "bad_lines", "mend the lines named; --dry-run reads without changing anything"
}

// importJSON is what device import --json prints.
type importJSON struct {
	V        int    `json:"v"`
	File     string `json:"file"`
	Format   string `json:"format"`
	DryRun   bool   `json:"dry_run,omitempty"`
	Added    int    `json:"added"`
	Replaced int    `json:"replaced"`
	Skipped  int    `json:"skipped"`
	Groups   int    `json:"groups,omitempty"` // of those added and replaced
	Notes    int    `json:"notes,omitempty"`
}

// devicesAndGroups counts both, and does not speak of groups if there are none.
func devicesAndGroups(devices, groups int) string {
	if groups == 0 {
		return plural(devices, "device")
	}
	return plural(devices, "device") + " and " + plural(groups, "group")
}

func (d *deviceImport) report(format *foreign.Format, r registry.ImportResult) error {
	if d.notes > maxBadLines {
		d.warnf("%s: %d more lines were skipped", d.path, d.notes-maxBadLines)
	}
	if d.weak > 0 {
		d.warnf("%s: %s shorter than %d bytes: a server refuses them unless its configuration says otherwise; coaps device list --check names them",
			d.path, plural(d.weak, "key"), keys.MinPSKLen)
	}
	if d.json {
		return outputFailure(writeJSON(d.app.out, importJSON{jsonSchemaVersion, d.path, format.Name, d.dryRun, r.Added, r.Replaced, r.Skipped, r.Groups, d.notes}))
	}
	verb := "imported"
	if d.dryRun {
		verb = "would import"
	}
	text := fmt.Sprintf("%s %s from %s (%s)", verb, devicesAndGroups(r.Added+r.Replaced-r.Groups, r.Groups), d.path, format.Name)
	if r.Replaced > 0 {
		text += fmt.Sprintf(", %d in place of others", r.Replaced)
	}
	if r.Skipped > 0 {
		text += fmt.Sprintf("; %d were there already", r.Skipped)
	}
	d.notef("%s", text)
	return nil
}
