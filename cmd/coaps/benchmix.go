// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/load"
)

const (
	// mixForms is the help text of --mix.
	mixForms = "several kinds of request: `LIST` as in 'GET /a 90, POST /b 10 64B non', each METHOD PATH, and then, if wanted, how often beside the others, the payload's size with a B, and con or non"
	// mixAdvice follows a mix that is not understood.
	mixAdvice = "--mix 'GET /a 90, POST /b 10 64B': method, path, how often, and the payload's size with a B"
)

// Bounds of one request of a mix.
const (
	maxMix    = 64
	maxWeight = 1_000_000
)

// parseMix reads --mix: requests separated by commas, each a few words. A comma
// in a path is written %2C.
func parseMix(spec string, non bool) ([]load.Request, error) {
	var mix []load.Request
	for entry := range strings.SplitSeq(spec, ",") {
		request, err := parseMixEntry(strings.Fields(entry), non)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", strings.TrimSpace(entry), err)
		}
		mix = append(mix, request)
	}
	if len(mix) > maxMix {
		return nil, fmt.Errorf("%d kinds of request are more than %d", len(mix), maxMix)
	}
	return mix, nil
}

func parseMixEntry(words []string, non bool) (load.Request, error) {
	if len(words) < 2 {
		return load.Request{}, errors.New("a method and a path are needed")
	}
	method, err := parseMethod(words[0])
	if err != nil {
		return load.Request{}, err
	}
	if !strings.HasPrefix(words[1], "/") {
		return load.Request{}, fmt.Errorf("the path %q does not begin with /", words[1])
	}
	r := load.Request{Weight: 1, Method: method, Path: words[1], NonConfirmable: non}
	seen := map[mixWord]bool{}
	for _, word := range words[2:] {
		kind, err := addMixWord(&r, word)
		if err != nil {
			return r, err
		}
		if seen[kind] {
			return r, fmt.Errorf("%q is the second %s", word, kind)
		}
		seen[kind] = true
	}
	return r, nil
}

// mixWord is what a word behind the path says.
type mixWord string

const (
	mixWeight mixWord = "weight"
	mixSize   mixWord = "size"
	mixType   mixWord = "type"
)

// addMixWord reads one word behind the path: 90 or 90%, 64B, con or non.
func addMixWord(r *load.Request, word string) (mixWord, error) {
	lower := strings.ToLower(word)
	switch lower {
	case "con", "non":
		r.NonConfirmable = lower == "non"
		return mixType, nil
	}
	if digits, ok := strings.CutSuffix(lower, "b"); ok {
		size, err := strconv.Atoi(digits)
		if err != nil || size < 0 || size > maxPayload {
			return mixSize, fmt.Errorf("%q is no size: 0B to %dB", word, maxPayload)
		}
		r.PayloadSize = size
		return mixSize, nil
	}
	weight, err := strconv.Atoi(strings.TrimSuffix(lower, "%"))
	if err != nil || weight < 1 || weight > maxWeight {
		return mixWeight, fmt.Errorf("%q is neither a weight (90), nor a size (64B), nor con or non", word)
	}
	r.Weight = weight
	return mixWeight, nil
}

// methods are those that a request can have.
var methods = []coap.Code{coap.GET, coap.POST, coap.PUT, coap.DELETE, coap.FETCH, coap.PATCH, coap.IPATCH}

func parseMethod(name string) (coap.Code, error) {
	for _, method := range methods {
		if strings.EqualFold(method.Name(), name) {
			return method, nil
		}
	}
	return 0, fmt.Errorf("%q is no method: get, post, put, delete, fetch, patch or ipatch", name)
}

// requestText is one request of a mix as a person would write it.
func requestText(r *load.Request) string {
	text := r.Method.Name() + " " + r.Path
	if r.PayloadSize > 0 {
		text += fmt.Sprintf(" %dB", r.PayloadSize)
	}
	if r.NonConfirmable {
		text += " non"
	}
	return text
}

// mixText is a whole mix; the weights are shown where there are several.
func mixText(mix []load.Request) string {
	if len(mix) == 1 {
		return requestText(&mix[0])
	}
	var parts []string
	for i := range mix {
		parts = append(parts, fmt.Sprintf("%s (%d)", requestText(&mix[i]), mix[i].Weight))
	}
	return strings.Join(parts, ", ")
}
