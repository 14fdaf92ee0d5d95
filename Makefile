# Copyright 2026 The coaps Authors.
# SPDX-License-Identifier: Apache-2.0
#
# What takes longer than a test, or needs a quiet machine. Tests need no make:
# go test ./...

DURATION = 20m

.PHONY: bench-peers bench-quick bench-smoke performance soak soak-changes instructions instructions-accept provisioning

# All figures of docs/performance.md, our server beside its peers: some 15 minutes
# on a machine that does nothing else. OPTIONS="-million-rpk" takes 10 more.
bench-peers:
	go run ./internal/perf/bench run $(OPTIONS)
	go run ./internal/perf/bench render

# A look at most of it in less than two minutes; writes nothing that is kept.
bench-quick:
	mkdir -p /tmp/coaps-bench-quick
	go run ./internal/perf/bench run -mode quick -out /tmp/coaps-bench-quick/performance.json $(OPTIONS)
	go run ./internal/perf/bench render -in /tmp/coaps-bench-quick/performance.json -soak ''
	sed -n '/^## Goals/,/^## How/p' /tmp/coaps-bench-quick/performance.md

# Whether it runs at all.
bench-smoke:
	go run ./internal/perf/bench run -mode smoke -out /dev/null

# docs/performance.md and docs/soak.md anew from the results that are there.
performance:
	go run ./internal/perf/bench render

# 100,000 sessions that come, sleep and go, with loss; docs/soak.md is its report.
soak:
	go run ./internal/perf/bench soak -duration $(DURATION) $(OPTIONS)

# A configured server whose devices, rights and configuration change all the time:
# goroutines, descriptors, heap and database must not grow. At least some minutes.
soak-changes:
	COAPS_SOAK=$(DURATION) go test ./gateway -run TestSoakChanges -v -timeout 0

# The instructions of the server's hot paths, counted by callgrind, beside those
# on record.
instructions:
	go run ./internal/perf/instructions

# The same, to become the record.
instructions-accept:
	go run ./internal/perf/instructions -accept

# The figures of docs/provisioning.md: look-ups, rules, and changes under load. Some 15
# minutes, a Redis server (redis-server or valkey-server), and a quiet machine.
ROUNDS = 5
provisioning:
	COAPS_DEVICES=1000000 go test ./security/registry -run '^$$' -bench 'Import|Fetch/(bolt|sealed)|Cached|CacheMemory' -benchtime 3s -timeout 30m
	COAPS_DEVICES=100000 go test ./security/registry -run '^$$' -bench 'Fetch/(memory|file|redis)' -benchtime 3s -timeout 30m
	go test ./security/acl -run '^$$' -bench 'Decide' -benchtime 1s
	go test . -run '^$$' -bench 'Reload$$' -benchtime $(ROUNDS)x -timeout 30m
	go test ./internal/interop -run '^$$' -bench ConfiguredReload -benchtime $(ROUNDS)x -timeout 30m
