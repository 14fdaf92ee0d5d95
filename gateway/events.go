// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import "errors"

// The messages of a gateway's log, beside those of package coaps. They are
// stable: the text is the name of the event and all particulars are attributes.
// Of those with a star, and of the starred ones of package coaps, repetitions are
// counted and told once a minute, and so are those of who is let in, from 60 on.
const (
	LogStarted         = "started"             // Info: config, hash, name
	LogConfiguration   = "configuration"       // Warn: problem, with which it works all the same
	LogReloaded        = "reloaded"            // Info: why, hash
	LogReloadFailed    = "reload failed"       // Error: why, error. The old configuration stays in force
	LogStoreDown       = "store down"          // Error: kind, where, error
	LogStoreAwaited    = "store awaited"       // Warn: where, error, for. The server starts when it is there; once a minute
	LogStoreUp         = "store up"            // Info: kind, where
	LogStoreChanged    = "store changed"       // Info: by, pid, command, records. A change that came by the admin socket
	LogCredentials     = "credentials changed" // Info: device, tenant, group or all: what is known of them was forgotten, sessions were looked at again
	LogRules           = "rules changed"       // Info: count
	LogRulesFailed     = "rules unusable"      // Error: error. The old rules stay in force
	LogSessionsDropped = "sessions dropped"    // Info: count, filter, by, command
	LogAdminRefused    = "admin refused"       // Warn: uid, pid
	LogClockJumped     = "clock jumped"        // Warn: by
	LogFileFailed      = "log file"            // Error: error. Lines of the audit or ban file are lost
	LogTokenRefused    = "token refused"       // Warn*: peer, reason, detail of an internal one
	LogStopped         = "stopped"             // Info
	LogRepeated        = "repeated"            // Warn: event, count and the attributes of the first
)

// ErrNeedsRestart says that a change of the configuration cannot be made while the
// server runs.
var ErrNeedsRestart = errors.New("cannot change without a restart")
