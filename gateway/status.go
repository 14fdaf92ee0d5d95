// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"time"

	"github.com/coaps-go/coaps/store"
)

// Status is how a running server does.
type Status struct {
	V         int               `json:"v"`
	Name      string            `json:"name,omitempty"`
	PID       int               `json:"pid"`
	Started   time.Time         `json:"started"`
	Config    string            `json:"config"` // path of the file
	Hash      string            `json:"hash"`   // of the configuration in force, SHA-256
	Listeners []ListenerStatus  `json:"listeners"`
	Stores    []StoreStatus     `json:"stores"`
	Lookups   *LookupStatus     `json:"lookups,omitempty"`
	Reload    ReloadStatus      `json:"reload"`
	Refused   map[string]uint64 `json:"refused"` // handshakes, by reason; not_logged: of those beyond ten a second it is not known
	Denied    uint64            `json:"denied"`  // requests that no rule allowed
	Revoked   uint64            `json:"revoked"` // sessions whose credential was not good any more
	Observers ObserverStatus    `json:"observers"`
	Keys      []KeyStatus       `json:"certificates"`
	Problems  []string          `json:"problems,omitempty"` // what an operator should look at now
}

// ListenerStatus is one port.
type ListenerStatus struct {
	Addr             string `json:"addr"`
	Security         string `json:"security"`
	Sessions         int    `json:"sessions"`
	Handshakes       uint64 `json:"handshakes"`
	HandshakesFailed uint64 `json:"handshakes_failed"`
	Requests         uint64 `json:"requests"`
	Observers        int    `json:"observers"`
	Overflows        uint64 `json:"receive_overflows,omitempty"`
	// Ignored is what came of strangers and began nothing, by dtls.Drop and
	// endpoint.Drop. The log has no line for it.
	Ignored map[string]uint64 `json:"ignored,omitempty"`
}

// ObserverStatus is about observations (RFC 7641) at all listeners.
type ObserverStatus struct {
	Now           int               `json:"now"`
	Begun         uint64            `json:"begun"`
	Refused       uint64            `json:"refused"`         // answered as plain requests, because of a limit or a rule
	Ended         map[string]uint64 `json:"ended,omitempty"` // canceled, timeout, disconnected, denied or failed
	Notifications uint64            `json:"notifications"`
	Acknowledged  uint64            `json:"acknowledged"`
	Replaced      uint64            `json:"replaced"` // by newer ones, before they were acknowledged
}

// StoreStatus is a store, or a file that the configuration names.
type StoreStatus struct {
	Kind     string    `json:"kind"`
	Where    string    `json:"where,omitempty"`
	OK       bool      `json:"ok"`
	Since    time.Time `json:"since"`
	Error    string    `json:"error,omitempty"`
	ReadOnly bool      `json:"read_only,omitempty"`
	Records  int       `json:"records"` // -1: not known
}

// LookupStatus is how look-ups in the store do.
type LookupStatus struct {
	OK       bool   `json:"ok"`
	Watching bool   `json:"watching"` // changes are told
	Breaker  bool   `json:"breaker"`  // look-ups fail at once, because those before did
	Cached   int    `json:"cached"`   // credentials in memory
	Hits     uint64 `json:"hits"`
	Misses   uint64 `json:"misses"`
	Negative uint64 `json:"negative"`
	Timeouts uint64 `json:"timeouts"`
	Stale    uint64 `json:"stale"`
}

// ReloadStatus is the last reload, or the start.
type ReloadStatus struct {
	When   time.Time `json:"when"`
	Why    string    `json:"why"`
	OK     bool      `json:"ok"`
	Error  string    `json:"error,omitempty"` // of the last one that failed, until one succeeds
	Failed time.Time `json:"failed,omitzero"`
	Count  int       `json:"count"` // successful ones since the start
}

// KeyStatus is a certificate that the server shows or trusts, or a revocation list.
type KeyStatus struct {
	What    string    `json:"what"` // identity, ca or crl
	Host    string    `json:"host,omitempty"`
	Name    string    `json:"name"`
	Expires time.Time `json:"expires"`
	Expired bool      `json:"expired,omitempty"`
}

func storeStatusOf(s store.Status) StoreStatus {
	out := StoreStatus{Kind: s.Kind, Where: s.Where, OK: s.OK, Since: s.Since, ReadOnly: s.ReadOnly, Records: s.Records}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}

// toStatus is the opposite of storeStatusOf.
func (s StoreStatus) toStatus() store.Status {
	out := store.Status{Kind: s.Kind, Where: s.Where, OK: s.OK, Since: s.Since, ReadOnly: s.ReadOnly, Records: s.Records}
	if s.Error != "" {
		out.Err = &RemoteError{Message: s.Error}
	}
	return out
}

// Session is one peer that is connected.
type Session struct {
	V          int       `json:"v"`
	ID         string    `json:"id"`
	Listener   string    `json:"listener"`
	Peer       string    `json:"peer"`
	Mode       string    `json:"mode"` // nosec, psk, rpk or certificate
	Identity   string    `json:"identity,omitempty"`
	Device     string    `json:"device,omitempty"`
	Group      string    `json:"group,omitempty"` // member of it only
	Tenant     string    `json:"tenant,omitempty"`
	Groups     []string  `json:"groups,omitempty"`
	Credential string    `json:"credential,omitempty"`
	Host       string    `json:"host,omitempty"` // virtual host
	Cipher     string    `json:"cipher,omitempty"`
	Since      time.Time `json:"since"`
	LastSeen   time.Time `json:"last_seen"`
	Asleep     bool      `json:"asleep,omitempty"`
	Forbidden  bool      `json:"forbidden,omitempty"`  // its credential is not good any more (on-revoke: forbid)
	Authorized bool      `json:"authorized,omitempty"` // by a token
	NotAfter   time.Time `json:"not_after,omitzero"`   // when its credential ends
	Observes   int       `json:"observes,omitempty"`   // how many resources
}

// SessionFilter says which sessions are meant: those that fit all that is not
// empty. A Device is that of the Tenant: without one, of no tenant; so is a Group,
// which are the sessions by a key that the group shares.
type SessionFilter struct {
	ID     string `json:"id,omitempty"`
	Device string `json:"device,omitempty"`
	Group  string `json:"group,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	Mode   string `json:"mode,omitempty"`
}

// Empty reports whether every session is meant.
func (f SessionFilter) Empty() bool { return f == SessionFilter{} }

// String is the filter for a log.
func (f SessionFilter) String() string {
	var parts []string
	for _, one := range []struct{ name, value string }{{"id", f.ID}, {"device", f.Device}, {"group", f.Group}, {"tenant", f.Tenant}, {"mode", f.Mode}} {
		if one.value != "" {
			parts = append(parts, one.name+"="+clip(one.value))
		}
	}
	return strings.Join(parts, " ")
}

// The modes beside the security modes that a filter can ask for.
const (
	ModeAnonymous = "anonymous" // sessions whose peer has proved nothing
	ModeToken     = "token"     // sessions that a token has authorized
)

// fits reports whether a session is meant.
func (f SessionFilter) fits(s *Session) bool {
	for _, one := range [][2]string{{f.ID, s.ID}, {f.Device, s.Device}, {f.Group, s.Group}, {f.Tenant, s.Tenant}} {
		if one[0] != "" && one[0] != one[1] {
			return false
		}
	}
	return f.fitsMode(s) && (f.Device+f.Group == "" || f.Tenant == s.Tenant)
}

func (f SessionFilter) fitsMode(s *Session) bool {
	switch f.Mode {
	case "", s.Mode:
		return true
	case ModeAnonymous:
		return s.Identity == "" && s.Device == "" && s.Group == ""
	case ModeToken:
		return s.Authorized
	}
	return false
}
