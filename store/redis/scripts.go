// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/coaps-go/coaps/store"
)

// names are those of one prefix.
type names struct{ record, index, version, load string }

func namesOf(prefix string) names {
	return names{record: prefix + "r:", index: prefix + "index", version: prefix + "version", load: prefix + "load:"}
}

// The functions that both writing scripts begin with. KEYS[1] is the index,
// KEYS[2] the number of the last version. A version has at most 16 digits, so
// that Lua's numbers count it exactly for longer than anybody lives.
const luaFunctions = `
local function holds(name, want)
  if want == '' then return true end
  local head = redis.call('GETRANGE', name, 0, 20)
  if want == '-' then return head == '' end
  local found = string.sub(head, 1, #want + 1)
  return found == want .. ':' or found == want .. '@'
end
local version
local function write(kind, name, member, life, value)
  if kind == 'd' then
    redis.call('DEL', name)
    redis.call('ZREM', KEYS[1], member)
    return
  end
  if not version then version = string.format('%.0f', redis.call('INCR', KEYS[2])) end
  if life == '' then
    redis.call('SET', name, version .. ':' .. value)
  else
    local ttl, expires = string.match(life, '(%d+)@(%d+)')
    redis.call('SET', name, version .. '@' .. expires .. ':' .. value, 'PX', ttl)
  end
  redis.call('ZADD', KEYS[1], 0, member)
end
`

// applyScript has five arguments for each op: kind, wanted version, life (its
// length in ms, "@", its end in ms since 1970), key, value; and its name among KEYS. It returns the number of the op
// whose version did not hold, from 1, or 0.
var applyScript = valkey.NewLuaScript(luaFunctions + `
for i = 3, #KEYS do
  if not holds(KEYS[i], ARGV[5*(i-3)+2]) then return i - 2 end
end
for i = 3, #KEYS do
  local a = 5*(i-3)
  write(ARGV[a+1], KEYS[i], ARGV[a+4], ARGV[a+3], ARGV[a+5])
end
return 0`)

// stagedScript does the ops that lie in the list KEYS[3], five elements each.
// ARGV[1] is what the names of records begin with.
var stagedScript = valkey.NewLuaScript(luaFunctions + `
local n, step = redis.call('LLEN', KEYS[3]), 1000
for i = 0, n - 1, step do
  local ops = redis.call('LRANGE', KEYS[3], i, i + step - 1)
  for j = 1, #ops, 5 do
    if not holds(ARGV[1] .. ops[j+3], ops[j+1]) then return {1, ops[j+3]} end
  end
end
for i = 0, n - 1, step do
  local ops = redis.call('LRANGE', KEYS[3], i, i + step - 1)
  for j = 1, #ops, 5 do
    write(ops[j], ARGV[1] .. ops[j+3], ops[j+3], ops[j+2], ops[j+4])
  end
end
redis.call('DEL', KEYS[3])
return {0, ''}`)

// forgetScript takes keys out of the index whose records are no more.
var forgetScript = valkey.NewLuaScript(`
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then redis.call('ZREM', KEYS[1], ARGV[i-1]) end
end
return 0`)

// arguments are the five of an op.
func arguments(dst []string, op *store.Op) []string {
	if op.Delete {
		return append(dst, "d", wanted(op.IfVersion), "", op.Key, "")
	}
	return append(dst, "p", wanted(op.IfVersion), life(op.TTL), op.Key, string(op.Value))
}

// life is how long a record lives by the server's clock, and until when by
// ours, which is for people.
func life(ttl time.Duration) string {
	if ttl == 0 {
		return ""
	}
	ttl = (ttl + time.Millisecond - 1).Truncate(time.Millisecond)
	return fmt.Sprintf("%d@%d", ttl.Milliseconds(), time.Now().Add(ttl).UnixMilli())
}

func wanted(version uint64) string {
	switch version {
	case store.Any:
		return ""
	case store.Absent:
		return "-"
	}
	return strconv.FormatUint(version, 10)
}

// parse makes a record of the answer to GET. One that is not there has no
// version.
func parse(key string, answer valkey.ValkeyResult) (store.Record, error) {
	stored, err := answer.AsBytes()
	if valkey.IsValkeyNil(err) {
		return store.Record{}, nil
	}
	if err != nil {
		return store.Record{}, err
	}
	head, value, found := bytes.Cut(stored, []byte(":"))
	number, end, lives := strings.Cut(string(head), "@")
	version, err := strconv.ParseUint(number, 10, 63)
	r := store.Record{Key: key, Value: append([]byte{}, value...), Version: version}
	if lives && err == nil {
		var ms int64
		ms, err = strconv.ParseInt(end, 10, 64)
		r.Expires = time.UnixMilli(ms)
	}
	if !found || err != nil || version == 0 {
		return store.Record{}, fmt.Errorf("%w: %q is not written by this program", store.ErrCorrupt, key)
	}
	return r, nil
}

// cutPrefix takes the prefix out of a URL, which the package under this one
// does not know.
func cutPrefix(url string) (rest, prefix string, err error) {
	base, query, found := strings.Cut(url, "?")
	if !found {
		return url, "", nil
	}
	var kept []string
	for _, arg := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(arg, "=")
		if name != "prefix" {
			kept = append(kept, arg)
			continue
		}
		if prefix, err = unescape(value); err != nil {
			return "", "", err
		}
	}
	if len(kept) > 0 {
		base += "?" + strings.Join(kept, "&")
	}
	return base, prefix, nil
}
