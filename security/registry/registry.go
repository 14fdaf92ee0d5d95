// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/coaps-go/coaps/store"
)

// Errors of a Registry. They are wrapped with what they are about. Errors of
// the store come through as they are.
var (
	ErrNoDevice = errors.New("no such device")
	ErrNoGroup  = errors.New("no such group")
	ErrNoRule   = errors.New("no such access rule")
)

// ConflictError says that somebody else has what a device or group should get:
// the name of a device, an identity, a key, a name in a certificate, a token.
type ConflictError struct {
	What  string // such as "device sensor-7" or "PSK identity sensor-7"
	Whose string // such as "device sensor-8 of tenant acme"; "" for a name that is taken
}

func (e *ConflictError) Error() string {
	if e.Whose == "" {
		return e.What + " is there already"
	}
	return e.What + " is that of " + e.Whose
}

// Registry is the devices, groups and access rules in a store. Its methods may
// be called by many goroutines and many processes at once: what two of them
// change at the same time is changed by one after the other.
type Registry struct{ store store.Store }

// New returns the registry in s. Whoever opened s closes it.
func New(s store.Store) *Registry { return &Registry{s} }

// Store returns the store, for its Status.
func (r *Registry) Store() store.Store { return r.store }

// Device returns a device, or ErrNoDevice.
func (r *Registry) Device(ctx context.Context, tenant, name string) (Device, error) {
	record, err := r.store.Get(ctx, deviceKey(tenant, name))
	if err != nil {
		return Device{}, missing(err, ErrNoDevice, tenant, name)
	}
	return deviceOf(record)
}

// Group returns a group that has a record, or ErrNoGroup.
func (r *Registry) Group(ctx context.Context, tenant, name string) (Group, error) {
	record, err := r.store.Get(ctx, groupKey(tenant, name))
	if err != nil {
		return Group{}, missing(err, ErrNoGroup, tenant, name)
	}
	return groupOf(record)
}

// missing puts a word of ours in place of store.ErrNotFound.
func missing(err, ours error, tenant, name string) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if tenant != "" {
		name += " of tenant " + tenant
	}
	return fmt.Errorf("%w: %s", ours, name)
}

// Devices returns the devices that f wants, ordered by tenant and name. An error
// ends the sequence and comes last.
func (r *Registry) Devices(ctx context.Context, f Filter) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		for record, err := range r.store.Scan(ctx, f.prefix(), "") {
			if err != nil {
				yield(Device{}, err)
				return
			}
			device, err := deviceOf(record)
			if err == nil && !f.wants(&device) {
				continue
			}
			if !yield(device, err) || err != nil {
				return
			}
		}
	}
}

// Groups returns the groups that have records.
func (r *Registry) Groups(ctx context.Context) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		for record, err := range r.store.Scan(ctx, groupPrefix, "") {
			if err != nil {
				yield(Group{}, err)
				return
			}
			group, err := groupOf(record)
			if !yield(group, err) || err != nil {
				return
			}
		}
	}
}

// AddDevice adds a device. It fails with *ConflictError if the name, or
// something by which a credential is found, is somebody else's. It returns the
// device as it is stored, with the IDs of its credentials.
func (r *Registry) AddDevice(ctx context.Context, d Device) (Device, error) {
	d = d.Clone()
	err := r.change(ctx, nil, &d)
	return d, err
}

// UpdateDevice lets edit change a device, and stores what it has become. If
// somebody else changes it meanwhile, edit is called again with that: so no
// change is lost. It must not change Name or Tenant; see MoveDevice. If edit
// returns an error, that is returned and nothing is changed.
func (r *Registry) UpdateDevice(ctx context.Context, tenant, name string, edit func(*Device) error) (Device, error) {
	return update(ctx, r, tenant, name, r.Device, func(d *Device) error {
		if err := edit(d); err != nil {
			return err
		}
		if d.Tenant != tenant || d.Name != name {
			return errors.New("registry: a device is renamed by MoveDevice")
		}
		return nil
	})
}

// MoveDevice gives a device another name, or another tenant, and keeps all else.
func (r *Registry) MoveDevice(ctx context.Context, tenant, name, newTenant, newName string) (Device, error) {
	return update(ctx, r, tenant, name, r.Device, func(d *Device) error {
		d.Tenant, d.Name = newTenant, newName
		return nil
	})
}

// RemoveDevice removes a device with all its credentials.
func (r *Registry) RemoveDevice(ctx context.Context, tenant, name string) error {
	return remove(ctx, r, tenant, name, r.Device)
}

// AddGroup adds a group's record; see AddDevice.
func (r *Registry) AddGroup(ctx context.Context, g Group) (Group, error) {
	g = g.Clone()
	err := r.change(ctx, nil, &g)
	return g, err
}

// UpdateGroup changes a group's record; see UpdateDevice.
func (r *Registry) UpdateGroup(ctx context.Context, tenant, name string, edit func(*Group) error) (Group, error) {
	return update(ctx, r, tenant, name, r.Group, func(g *Group) error {
		if err := edit(g); err != nil {
			return err
		}
		if g.Tenant != tenant || g.Name != name {
			return errors.New("registry: a group cannot be renamed")
		}
		return nil
	})
}

// RemoveGroup removes a group's record with its credentials. Devices stay in the
// group.
func (r *Registry) RemoveGroup(ctx context.Context, tenant, name string) error {
	return remove(ctx, r, tenant, name, r.Group)
}
