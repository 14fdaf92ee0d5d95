// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/internal/foreign"
	"github.com/coaps-go/coaps/security/registry"
)

// deviceExport is one run of device export.
type deviceExport struct {
	*app
	target   ownerTarget
	filter   registry.Filter
	as       string
	hint     string
	output   string
	reveal   bool
	progress string

	left  int // credentials, devices and groups that could not be written
	notes int // what was written and needs care
	bar   *transferProgress
	count int

	groups int // that were written
}

func (a *app) deviceExportCommand() *cobra.Command {
	d := &deviceExport{app: a}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "write devices with their keys to a file",
		Long: `Write the devices, with their keys, as other software reads them. The file is
created for its owner alone (0600) and nothing is overwritten; keys do not go to
a terminal unless --reveal says so. What a format has no words for is left out,
and told: a device that is disabled is not written where it would be good again.
Groups that have keys of their own are written behind the devices, but for --prefix.
Access rules are not in the file: coaps acl export writes those.

` + formatHelp((*foreign.Format).CanWrite),
		Example: `  coaps device export -o backup.json
  coaps device export --as psktool --group sensors -o sensors.psk
  coaps device export --as libcoap -o hints.txt --hint CoAP`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	d.target.register(cmd)
	set, done := beginGroup(cmd.Flags(), groupDevice)
	set.StringVar(&d.filter.Group, "group", "", "members of this `GROUP` alone")
	set.StringVar(&d.filter.NamePrefix, "prefix", "", "those whose name begins with `TEXT` alone")
	done()
	set, done = beginGroup(cmd.Flags(), groupOutput)
	set.StringVar(&d.as, "as", "json", "the `FORMAT`: "+strings.Join(formatNames((*foreign.Format).CanWrite), ", "))
	set.StringVarP(&d.output, "output", "o", "", "write to `FILE`, mode 0600, instead of stdout (-)")
	set.BoolVar(&d.reveal, "reveal", false, "show keys on a terminal too")
	set.StringVar(&d.hint, "hint", "", "the identity hint of libcoap's lines (default CoAP)")
	set.StringVar(&d.progress, "progress", "auto", "show how far it is, `WHEN`: auto (on a terminal), plain or off")
	done()
	completeValues(cmd, "as", formatNames((*foreign.Format).CanWrite))
	completeValues(cmd, "progress", progressModes)
	return cmd
}

func (d *deviceExport) run(cmd *cobra.Command) error {
	format := foreign.Find(d.as)
	if format == nil || !format.CanWrite() {
		return usage(cmd, "--as %q: one of %s is allowed", d.as, strings.Join(formatNames((*foreign.Format).CanWrite), ", "))
	}
	if err := oneOf("progress", d.progress, progressModes...); err != nil {
		return usage(cmd, "%v", err)
	}
	if d.output == "-" { // stdout, as elsewhere
		d.output = ""
	}
	if d.output == "" && isTerminal(d.app.out) && !d.reveal {
		return fail("secret_to_terminal", "cannot export to this terminal", "")
	}
	d.filter.Tenant = d.target.tenant
	d.filter.NoTenant = cmd.Flags().Changed("tenant") && d.target.tenant == ""
	reg, done, err := d.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	d.bar = d.newTransferProgress(d.progress, "export", 0)
	defer d.bar.end()
	n, err := d.write(format, d.counted(reg.Devices(cmd.Context(), d.filter)), d.wanted(reg.Groups(cmd.Context())))
	d.bar.end()
	if err != nil {
		return err
	}
	return d.report(format, n)
}

// wanted are the groups that fit the filter.
func (d *deviceExport) wanted(groups iter.Seq2[registry.Group, error]) iter.Seq2[registry.Group, error] {
	return func(yield func(registry.Group, error) bool) {
		if d.filter.NamePrefix != "" {
			return
		}
		for g, err := range groups {
			f := &d.filter
			if err == nil && (f.Group != "" && f.Group != g.Name || f.Tenant != "" && f.Tenant != g.Tenant || f.NoTenant && g.Tenant != "") {
				continue
			}
			d.groups++
			if !yield(g, err) {
				return
			}
		}
	}
}

// counted moves the bar.
func (d *deviceExport) counted(devices iter.Seq2[registry.Device, error]) iter.Seq2[registry.Device, error] {
	return func(yield func(registry.Device, error) bool) {
		for device, err := range devices {
			d.count++
			d.bar.update(d.count, 0)
			if !yield(device, err) {
				return
			}
		}
	}
}

// write writes to stdout, or to a file that appears under its name when it is
// complete.
func (d *deviceExport) write(format *foreign.Format, devices iter.Seq2[registry.Device, error], groups iter.Seq2[registry.Group, error]) (int, error) {
	if d.output == "" {
		return d.writeTo(d.app.out, format, devices, groups)
	}
	what := "cannot write " + d.output
	if _, err := os.Lstat(d.output); err == nil {
		return 0, fail("file_exists", what, "it is there already, and may hold keys").try("another name, or remove the file first")
	}
	file, err := os.CreateTemp(filepath.Dir(d.output), "."+filepath.Base(d.output)+".*") // mode 0600
	if err != nil {
		return 0, fail("file_unwritable", what, "%v", rootCause(err)).because(err)
	}
	defer os.Remove(file.Name())
	n, err := d.writeTo(file, format, devices, groups)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Link(file.Name(), d.output) // fails if somebody else was faster
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return 0, fail("file_exists", what, "it is there already, and may hold keys").because(err)
	case err != nil:
		if f, ok := errors.AsType[*failure](err); ok {
			return 0, f
		}
		return 0, fail("file_unwritable", what, "%v", rootCause(err)).because(err)
	}
	return n, nil
}

func (d *deviceExport) writeTo(w io.Writer, format *foreign.Format, devices iter.Seq2[registry.Device, error], groups iter.Seq2[registry.Group, error]) (int, error) {
	var reading error
	out := bufio.NewWriterSize(w, 64<<10)
	n, err := format.Write(out, watched(devices, &reading), foreign.WriteOptions{
		Hint: d.hint, Left: d.tellLeft, Note: d.tellNote, Groups: watched(groups, &reading), LeftGroup: d.tellLeftGroup,
	})
	if reading != nil {
		return n, storeFailure("cannot read the devices", reading)
	}
	return n, errors.Join(err, out.Flush())
}

// watched notes the error of a sequence, to tell it from one of writing.
func watched[T any](all iter.Seq2[T, error], noted *error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for one, err := range all {
			*noted = err
			if !yield(one, err) {
				return
			}
		}
	}
}

// tellLeftGroup is tellLeft for a group.
func (d *deviceExport) tellLeftGroup(g *registry.Group, why string) {
	d.groups--
	d.leave(ownerName{tenant: g.Tenant, name: g.Name, group: true}, why)
}

// tellLeft tells what is left out, the first few times.
func (d *deviceExport) tellLeft(device *registry.Device, why string) {
	d.leave(ownerName{tenant: device.Tenant, name: device.Name}, why)
}

func (d *deviceExport) leave(name ownerName, why string) {
	d.left++
	if d.left <= maxBadLines {
		d.bar.clear()
		d.warnf("left out: %s: %s", name, why)
	}
}

// tellNote tells what needs care, the first few times.
func (d *deviceExport) tellNote(device *registry.Device, text string) {
	d.notes++
	if d.notes <= maxBadLines {
		d.bar.clear()
		d.warnf("%s: %s", nameOfDevice(device), text)
	}
}

func (d *deviceExport) report(format *foreign.Format, n int) error {
	if d.left > maxBadLines {
		d.warnf("left out: %d more", d.left-maxBadLines)
	}
	if n+d.groups == 0 && d.left > 0 {
		return fail("not_expressible", "nothing was exported", "%s has no words for any of it; it lacks %s", format.Name, format.Lacks)
	}
	to := ""
	if d.output != "" {
		to = fmt.Sprintf(" to %s", d.output)
	}
	d.notef("exported %s%s (%s)", devicesAndGroups(n, d.groups), to, format.Name)
	return nil
}
