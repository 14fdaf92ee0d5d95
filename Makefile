# Copyright 2026 The coaps Authors.
# SPDX-License-Identifier: Apache-2.0
#
# What takes longer than a test, or needs a quiet machine. Tests need no make:
# go test ./...

.PHONY: instructions instructions-accept

# The instructions of the server's hot paths, counted by callgrind, beside those
# on record.
instructions:
	go run ./internal/perf/instructions

# The same, to become the record.
instructions-accept:
	go run ./internal/perf/instructions -accept
