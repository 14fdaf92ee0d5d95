// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"context"
	"fmt"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// Question is what a handshake, or a session that is looked at again, wants to
// know of one credential. It is answered in up to three steps, so that a caller
// can do each where it belongs; all of them together, in any case, is Answer.
//
//	question := policy.AskPSK(serverName, identity) // or AskPeer(facts)
//	if question.Costly() {
//		question.Check(now)              // on a worker: public-key operations
//	}
//	answer, ok := question.Cached(now)       // at once
//	if !ok {
//		answer = question.Fetch(ctx, now) // on a worker that may block
//	}
//
// A Question is used by one goroutine at a time. Its steps may be repeated.
type Question struct {
	policy  *Policy // the virtual host's
	name    string  // the server name as the client sent it
	claim   Claim
	facts   *dtls.Facts // of a peer with a key or without any; nil for a PSK
	checked bool
	err     error     // of Check
	until   time.Time // the end of a chain that is good
}

// Answer is what a Policy says of a credential.
type Answer struct {
	// Err is nil if the credential is good, else a *keys.VerifyError. It is
	// for the operator: the peer learns no more than that it is refused.
	Err error
	// Principal is whose it is. It has no name if the Policy has no Directory
	// or the Directory does not know. If the credential is refused it is whose
	// it would have been.
	Principal Principal
	// Stale is that of the Directory's Entry.
	Stale bool
	// Key is the pre-shared key, empty if there is none or it is refused: the
	// handshake must then go on with one that nobody has. It is read, not
	// kept, changed or wiped.
	Key keys.Secret
}

// Reason is the one word for Err.
func (a *Answer) Reason() dtls.Reason { return keys.ReasonOf(a.Err) }

// AskPSK asks for the pre-shared key of a client that wants to reach serverName
// ("" for none). The Question keeps identity.
func (p *Policy) AskPSK(serverName string, identity []byte) Question {
	host := p.For(serverName)
	if identity == nil {
		identity = []byte{}
	}
	return Question{policy: host, name: serverName, claim: Claim{Host: host.host, PSKIdentity: identity}, checked: true}
}

// AskPeer asks for a verdict on the peer with these facts, be it in the
// handshake or at any time later. The Question keeps facts.
func (p *Policy) AskPeer(facts *dtls.Facts) Question {
	if facts.PSKIdentity != nil {
		return p.AskPSK(facts.ServerName, facts.PSKIdentity)
	}
	return p.askVerdict(facts)
}

func (p *Policy) askVerdict(facts *dtls.Facts) Question {
	host := p.For(facts.ServerName)
	q := Question{policy: host, facts: facts, claim: Claim{Host: host.host}}
	switch {
	case len(facts.PeerRawKey) > 0:
		q.claim.RawKey = facts.PeerRawKey
	case len(facts.PeerChain) > 0:
		q.claim.Chain = facts.PeerChain
	}
	return q
}

// AskPrincipal asks whether somebody whom the application has authorized is
// still good. Who has a Credential is looked up with it in the Directory; who
// has none is known to the application alone, and stays good unless the
// Directory knows and refuses him; so does, where there is no Directory, who has
// not come from one, which the Mark tells.
func (p *Policy) AskPrincipal(serverName string, who *Principal) Question {
	host := p.For(serverName)
	return Question{policy: host, claim: Claim{Host: host.host, Principal: who}, checked: true}
}

// Costly reports whether Check has public-key operations to do, which take up
// to a millisecond.
func (q *Question) Costly() bool { return !q.checked && q.claim.Chain != nil }

// Check verifies what needs no Directory: that a chain leads to a trust anchor,
// that a raw public key is of a usable kind. The other steps do it if it has
// not been done.
func (q *Question) Check(now time.Time) {
	if !q.checked {
		q.checked, q.err = true, q.policy.check(q, now)
	}
}

// Cached answers from memory. It does not block; false means that Fetch has to
// be asked.
func (q *Question) Cached(now time.Time) (Answer, bool) {
	if answer, settled := q.settled(now); settled {
		return answer, true
	}
	entry, ok := q.policy.directory().Cached(&q.claim, now)
	if !ok {
		return Answer{}, false
	}
	return q.judge(entry), true
}

// Fetch asks the Directory to look where it keeps the credentials. It blocks
// until the Directory's timeout at most, or until ctx ends.
func (q *Question) Fetch(ctx context.Context, now time.Time) Answer {
	if answer, settled := q.settled(now); settled {
		return answer
	}
	return q.judge(q.policy.directory().Fetch(ctx, &q.claim, now))
}

// Answer takes all steps. It may block as Fetch does.
func (q *Question) Answer(ctx context.Context, now time.Time) Answer {
	if answer, ok := q.Cached(now); ok {
		return answer
	}
	return q.Fetch(ctx, now)
}

// settled answers without the Directory, if that is possible.
func (q *Question) settled(now time.Time) (Answer, bool) {
	q.Check(now)
	if q.err != nil {
		return Answer{Err: q.err}, true
	}
	here := Principal{Host: q.claim.Host}
	switch nobody := q.claim.RawKey == nil && q.claim.Chain == nil && q.claim.Principal == nil; {
	case q.claim.PSKIdentity != nil:
		if key, found := q.policy.configuredPSK(q.name, q.claim.PSKIdentity); found {
			answer := Answer{Principal: here}
			q.policy.psk(&answer, keys.NewSecret(key), q.claim.PSKIdentity)
			return answer, true
		}
	case nobody || q.policy.Unverified():
		return Answer{Principal: here}, true
	}
	if q.policy.directory() == nil {
		return q.judge(Entry{Reason: dtls.ReasonUnknownIdentity}), true
	}
	return Answer{}, false
}

// judge makes an answer of what the Directory says.
func (q *Question) judge(entry Entry) Answer {
	answer := Answer{Principal: entry.Principal, Stale: entry.Stale}
	answer.Principal.Host = q.claim.Host
	switch {
	case entry.Reason == dtls.ReasonUnknownIdentity:
		return q.ownerless()
	case entry.Reason != dtls.ReasonNone:
		answer.Err = refusalOf(entry)
	case q.claim.PSKIdentity != nil && !q.policy.mayUse(entry.Nodes):
		answer.Err = refusal(dtls.ReasonWrongNode, "the key is for %q, this is %q", entry.Nodes, q.policy.node())
	case q.claim.PSKIdentity != nil:
		q.policy.psk(&answer, entry.Key, q.claim.PSKIdentity)
	case q.claim.Chain != nil:
		answer.Principal.NotAfter = earliest(answer.Principal.NotAfter, q.until)
	}
	return answer
}

// pinned reports whether the configuration itself believes the peer's raw key,
// which then needs no owner.
func (q *Question) pinned() bool {
	return q.claim.RawKey != nil && q.policy.config.Pins.Contains(q.claim.RawKey)
}

// ownerless is the answer on a credential that the Directory does not know.
func (q *Question) ownerless() Answer {
	answer := Answer{Principal: Principal{Host: q.claim.Host}, Err: q.unknown()}
	switch {
	case answer.Err != nil:
	case q.claim.Principal != nil:
		answer.Principal = *q.claim.Principal
	case q.claim.Chain != nil && q.policy.directory() != nil:
		answer.Principal.NotAfter = q.until
	}
	return answer
}

// unknown is the verdict on a credential that the Directory does not know.
func (q *Question) unknown() error {
	switch {
	case q.claim.PSKIdentity != nil:
		where := ""
		if q.claim.Host != "" {
			where = " at the virtual host " + q.claim.Host
		}
		return refusal(dtls.ReasonUnknownIdentity, "nobody%s has the identity %s", where, keys.PrintableIdentity(q.claim.PSKIdentity))
	case q.claim.RawKey != nil && !q.pinned():
		return refusal(dtls.ReasonRPKNotPinned, "the peer's key is %s", keys.NameOf(q.claim.RawKey, keys.SHA256_120))
	case q.claim.Chain != nil && q.policy.server && q.policy.config.RequireKnownCertificates:
		return refusal(dtls.ReasonUnknownIdentity, "nobody has the certificate of %s", keys.CertificateName(q.claim.Chain[0]))
	case q.claim.Principal != nil && q.claim.Principal.Credential != "" && (q.policy.directory() != nil || q.claim.Principal.Mark != 0):
		return refusal(dtls.ReasonUnknownIdentity, "nobody is %s any more", q.claim.Principal.Name())
	}
	return nil
}

func refusalOf(entry Entry) error {
	err := entry.Err
	if err == nil {
		err = fmt.Errorf("credential %q of %s", entry.Credential, entry.Name())
	}
	return &keys.VerifyError{Reason: entry.Reason, Err: err}
}

// earliest is the earlier end of a credential, which may have none, and of the
// certificate that it is.
func earliest(end, until time.Time) time.Time {
	if end.IsZero() || until.Before(end) {
		return until
	}
	return end
}
