// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// ending is what is left of a session that is over.
type ending struct {
	err      hs.Error
	farewell []byte // a datagram with the alert, until it is sent
	told     bool
}

// Close ends the session with close_notify (RFC 5246 §7.2.1). The caller
// knows, so no event tells it.
func (c *Conn) Close() {
	silence := hs.ReasonNone
	if c.hs != nil {
		silence = c.reasonForSilence()
	}
	c.end(hs.ReasonCanceled)
	if silence != hs.ReasonNone {
		c.over.err.Silence = silence
	}
	c.over.told, c.news = true, hs.EventNone
}

// Abort ends the session with the alert of a reason.
func (c *Conn) Abort(r hs.Reason) { c.end(r) }

// end ends the session, telling the peer as the reason demands.
func (c *Conn) end(r hs.Reason) {
	if c.over != nil {
		return
	}
	a, tell := r.Alert()
	c.finish(hs.Error{Reason: r, Alert: a, Sent: tell}, tell)
}

// refusePeer ends the session for the verdict on the peer's key. The peer, which
// has proved that the key is its own, is always told: reasons that a pre-shared
// key meets with silence, such as an unknown identity, are what any other key is
// that nobody knows (RFC 5246 §7.2.2).
func (c *Conn) refusePeer(r hs.Reason) {
	a, tell := r.Alert()
	if !tell {
		a = wire.AlertCertificateUnknown
	}
	c.finish(hs.Error{Reason: r, Alert: a, Sent: true}, true)
}

// endByPeer ends the session for an alert that was received. answer says to
// send the same back.
func (c *Conn) endByPeer(r hs.Reason, a wire.Alert, answer bool) {
	c.finish(hs.Error{Reason: r, Alert: a, Received: true, Sent: answer}, answer)
}

// finish seals the farewell, forgets every key and drops all scratch: nothing
// can be sent or opened from here on.
func (c *Conn) finish(err hs.Error, tell bool) {
	if c.hs != nil {
		err.Flight = c.hs.number
	}
	o := &ending{err: err}
	if tell {
		level := wire.LevelFatal
		if err.Alert == wire.AlertCloseNotify {
			level = wire.LevelWarning
		}
		o.farewell = c.sealAlert(nil, level, err.Alert)
		o.err.Sent = len(o.farewell) > 0
	}
	if !o.err.Sent && !o.err.Received {
		o.err.Alert = 0
	}
	c.over = o
	if c.news != hs.EventEstablished {
		c.news = hs.EventNone
	}
	c.layer.Wipe()
	c.exporter.wipe()
	if c.hs != nil {
		c.hs.wipe()
	}
	c.hs, c.last = nil, nil
}

// sealAlert appends an alert under the newest keys there are.
func (c *Conn) sealAlert(dst []byte, level wire.AlertLevel, a wire.Alert) []byte {
	var content [wire.AlertLen]byte
	dst, err := c.layer.Seal(dst, c.layer.WriteEpoch(), wire.ContentAlert, wire.AppendAlert(content[:0], level, a))
	if err != nil {
		return nil
	}
	return dst
}
