// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"

	"github.com/coaps-go/coaps/store"
)

// applyMost is how many ops one script takes as arguments; more are staged.
const applyMost = 1000

// Apply is store.Store.Apply.
func (s *Store) Apply(ctx context.Context, ops ...store.Op) error {
	if err := store.Check(ops); err != nil {
		return err
	}
	if len(ops) > applyMost {
		_, err := s.Load(ctx, store.Ops(ops...))
		return err
	}
	return s.do(ctx, func(ctx context.Context) error {
		if len(ops) == 0 {
			return ctx.Err()
		}
		names, args := []string{s.names.index, s.names.version}, make([]string, 0, 5*len(ops))
		for i := range ops {
			names = append(names, s.names.record+ops[i].Key)
			args = arguments(args, &ops[i])
		}
		n, err := applyScript.Exec(ctx, s.client, names, args).AsInt64()
		if err == nil && n > 0 && int(n) <= len(ops) {
			return &store.ConflictError{Key: ops[n-1].Key}
		}
		return err
	})
}

const (
	stageOps   = 500     // ops that are brought to the server at once,
	stageBytes = 1 << 20 // if they have no more octets than that
	stageLife  = 600     // seconds that a list of ops lives after its last piece
)

// Load is store.Loader.Load: the ops are brought to a list on the server and done
// by one script.
func (s *Store) Load(ctx context.Context, ops iter.Seq2[store.Op, error]) (int, error) {
	n := 0
	err := s.do(ctx, func(ctx context.Context) error {
		stage := stage{s: s, list: s.names.load + rand.Text()}
		err := stage.bring(ctx, ops)
		if err == nil && stage.n > 0 {
			err = stage.commit(ctx)
		}
		if err != nil {
			// The list goes by itself in the end; this only makes room earlier.
			_ = s.client.Do(context.WithoutCancel(ctx), s.client.B().Unlink().Key(stage.list).Build()).Error()
			return err
		}
		n = stage.n
		return nil
	})
	return n, err
}

// A stage is where the ops of a Load are brought to.
type stage struct {
	s      *Store
	list   string
	n      int // ops on the server
	args   []string
	octets int
}

func (g *stage) bring(ctx context.Context, ops iter.Seq2[store.Op, error]) error {
	for op, err := range ops {
		if err != nil {
			return err
		}
		if err := op.Check(); err != nil {
			return err
		}
		g.args = arguments(g.args, &op)
		g.octets += len(op.Key) + len(op.Value)
		if len(g.args) >= 5*stageOps || g.octets >= stageBytes {
			if err := g.push(ctx); err != nil {
				return err
			}
		}
	}
	return g.push(ctx)
}

func (g *stage) push(ctx context.Context) error {
	if len(g.args) == 0 {
		return ctx.Err()
	}
	b := g.s.client.B()
	for _, answer := range g.s.client.DoMulti(ctx,
		b.Rpush().Key(g.list).Element(g.args...).Build(), b.Expire().Key(g.list).Seconds(stageLife).Build()) {
		if err := answer.Error(); err != nil {
			return err
		}
	}
	g.n += len(g.args) / 5
	g.args, g.octets = g.args[:0], 0
	return nil
}

func (g *stage) commit(ctx context.Context) error {
	names := []string{g.s.names.index, g.s.names.version, g.list}
	answer, err := stagedScript.Exec(ctx, g.s.client, names, []string{g.s.names.record}).ToArray()
	if err != nil {
		return err
	}
	if len(answer) != 2 {
		return fmt.Errorf("%w: the script's answer has %d parts", store.ErrCorrupt, len(answer))
	}
	conflict, err := answer[0].AsInt64()
	if err != nil || conflict == 0 {
		return err
	}
	key, err := answer[1].ToString()
	if err != nil {
		return err
	}
	return &store.ConflictError{Key: key}
}

// scanKeys is how many keys a scan asks for at once.
const scanKeys = 256

// Scan is store.Store.Scan.
func (s *Store) Scan(ctx context.Context, prefix, after string) iter.Seq2[store.Record, error] {
	from := "[" + prefix
	if after >= prefix && after != "" {
		from = "(" + after
	}
	return store.Pages(from, func(from string) ([]store.Record, string, bool, error) {
		return s.page(ctx, prefix, from)
	})
}

// page reads the next records, and says from where to go on and whether there
// may be more.
func (s *Store) page(ctx context.Context, prefix, from string) (page []store.Record, next string, more bool, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		keys, err := s.client.Do(ctx, s.client.B().Zrangebylex().Key(s.names.index).
			Min(from).Max(beyond(prefix)).Limit(0, scanKeys).Build()).AsStrSlice()
		if err != nil || len(keys) == 0 {
			return err
		}
		records, err := s.get(ctx, keys)
		if err != nil {
			return err
		}
		var gone []string
		for i, r := range records {
			if r.Version == 0 {
				gone = append(gone, keys[i])
				continue
			}
			page = append(page, r)
		}
		next, more = "("+keys[len(keys)-1], len(keys) == scanKeys
		s.forget(ctx, gone)
		return nil
	})
	return page, next, more, err
}

// forget takes keys out of the index whose records have expired. It may fail:
// the next scan meets them again.
func (s *Store) forget(ctx context.Context, keys []string) {
	if len(keys) == 0 {
		return
	}
	names := []string{s.names.index}
	for _, key := range keys {
		names = append(names, s.names.record+key)
	}
	_ = forgetScript.Exec(ctx, s.client, names, keys).Error()
}

// beyond is the upper bound of the keys with a prefix, for ZRANGEBYLEX: the
// least text that is greater than all of them.
func beyond(prefix string) string {
	end := []byte(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return "+"
	}
	end[len(end)-1]++
	return "(" + string(end)
}
