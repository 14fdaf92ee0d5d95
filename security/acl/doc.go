// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package acl decides who may do what on which path.
//
// A rule gives a right or takes one away:
//
//	allow group:sensors POST,OBSERVE /telemetry/{device}
//	allow tenant:acme,mode:certificate * /acme/**
//	allow anybody GET /.well-known/core
//	deny  device:sensor-7 DELETE /**
//
// What no rule allows is denied, and a rule that denies beats all that allow.
// The order of rules means nothing. A request may need more than one right, as
// GET with Observe does: different rules may give them, and one that denies any
// of them denies the request.
//
// # Who
//
// A rule is for a device, for the members of a group, for the peers of a
// tenant, for all authenticated peers, for anonymous ones (NoSec, or DTLS where
// the client showed no key) or for anybody; and any of these may be narrowed to
// a mode and a virtual host. "mode:psk" alone is every peer that has proved a
// pre-shared key, "mode:nosec" everybody without DTLS, and "mode:token" whoever
// the application has identified by means of its own. A DTLS peer that proved
// nothing meets "mode:certificate,anonymous" and never "mode:certificate".
//
// A pre-shared key that several devices have proves that a peer is one of the
// group. Rules for the group apply to it; those for a device and {device} do
// not, as it has no name.
//
// # Tenants
//
// Names of devices and groups are unique within a tenant, so acme's sensor-7
// and globex's sensor-7 are two devices, and a sensor-7 of no tenant is a
// third. A rule means the last unless it says more:
//
//	device:sensor-7                  the one that belongs to no tenant
//	device:sensor-7,tenant:acme      acme's
//	device:sensor-7,tenant:*         that of each tenant
//	tenant:acme                      every authenticated peer of acme
//	tenant:*                         every authenticated peer of some tenant
//	authenticated                    every authenticated peer, with tenant or without
//
// The same holds for {device} in a path: without {tenant} beside it and without
// a tenant in the rule, it is filled for peers of no tenant only. Otherwise two
// devices of the same name would share one path.
//
// # Paths
//
// A pattern is a path whose segments may be
//
//	{device}   the name of the device that asks
//	{tenant}   its tenant
//	*          one segment, whichever, but not the empty one
//	**         any number of further segments, none included; at the end only:
//	           /a/** is /a, /a/ and all below
//
// All else is compared octet by octet, with upper and lower case apart, after
// the percent-encoding is undone: /a%2fb and /a%2Fb are the same pattern, of one
// segment that contains a slash. A star or brace that is meant literally is
// written %2A, %7B, %7D. /a and /a/ are two paths.
//
// Names are compared, never expanded: a device that is called "*", ".." or "a/b"
// gets its own segment "*" or "a%2Fb" and nothing more. A peer without a device
// name fills no {device}. The paths of requests come in one canonical form (RFC
// 7252 section 6.5), and a path in any other is denied, so a rule that denies
// cannot be evaded by writing the path differently.
//
// # Use
//
// Compile makes a List of rules, which is immutable. Its Decide allocates
// nothing. Explain says why, for people, and Permissions lists what one subject
// may do in the form of RFC 9237.
//
// The package is pure: no clock, no lock, no input or output.
package acl
