// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/coap"
)

// optionList collects the options that the flags name, in order of number.
func (f *messageFlags) optionList() (coap.OptionList, error) {
	var list coap.OptionList
	if err := addFormat(&list, coap.ContentFormatOption, "content-format", f.contentFormat); err != nil {
		return nil, err
	}
	if err := addFormat(&list, coap.Accept, "accept", f.accept); err != nil {
		return nil, err
	}
	for _, spec := range f.options {
		option, err := parseOption(spec)
		if err != nil {
			return nil, fmt.Errorf("--option %q: %w", spec, err)
		}
		list.Add(option.Number, option.Value)
	}
	list.Sort()
	for i := 1; i < len(list); i++ {
		if number := list[i].Number; number == list[i-1].Number && !number.Repeatable() {
			return nil, fmt.Errorf("%s is given twice, and may occur once", number)
		}
	}
	return list, nil
}

// errOptionName and errFormatName are about words that have a list.
var (
	errOptionName = errors.New("no option has this name or number")
	errFormatName = errors.New("not a format's name, media type or number")
)

// optionFailure is a usage error that shows the list.
func optionFailure(cmd *cobra.Command, err error) *failure {
	f := usage(cmd, "%v", err)
	switch {
	case errors.Is(err, errOptionName):
		f.try("a number up to 65535, or %s", strings.Join(optionNames(), ", "))
	case errors.Is(err, errFormatName):
		f.try("a media type, its number, or a short name: %s, ...", strings.Join(commonFormats, ", "))
	}
	return f
}

// optionNames are the names in the registry.
func optionNames() []string {
	var names []string
	for number := range coap.OptionNumber(math.MaxUint16) {
		if number.Known() {
			names = append(names, number.String())
		}
	}
	return names
}

// commonFormats are the short names that are used most.
var commonFormats = []string{"text", "link", "xml", "octets", "json", "cbor", "senml+json", "senml+cbor", "lwm2m+tlv", "lwm2m+cbor"}

func addFormat(list *coap.OptionList, number coap.OptionNumber, flag, name string) error {
	if name == "" {
		return nil
	}
	format, err := coap.ParseContentFormat(name)
	if err != nil {
		return fmt.Errorf("--%s %q: %w", flag, name, errFormatName)
	}
	list.AddUint(number, uint32(format))
	return nil
}

// parseOption reads NAME|NUMBER,VALUE. The value is written as the option's
// format asks: text, a number, or nothing; 0x makes bytes of any of them. An
// option without a row in the registry is opaque.
func parseOption(spec string) (coap.Option, error) {
	name, value, valued := strings.Cut(spec, ",")
	number, err := coap.ParseOptionNumber(strings.TrimSpace(name))
	if err != nil {
		return coap.Option{}, errOptionName
	}
	option := coap.Option{Number: number}
	option.Value, err = optionValue(number, value, valued)
	if err != nil {
		return coap.Option{}, err
	}
	lowest, highest := number.Length()
	if number.Known() && (len(option.Value) < lowest || len(option.Value) > highest) {
		return coap.Option{}, fmt.Errorf("%s holds %d to %d bytes, not %d", number, lowest, highest, len(option.Value))
	}
	return option, nil
}

func optionValue(number coap.OptionNumber, value string, valued bool) ([]byte, error) {
	if digits, ok := strings.CutPrefix(value, "0x"); ok {
		return hex.DecodeString(digits)
	}
	switch {
	case number.Known() && number.Format() == coap.FormatUint:
		if !valued {
			return nil, fmt.Errorf("%s needs a number", number)
		}
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s holds a number, not %q", number, value)
		}
		return coap.AppendUint(nil, uint32(n)), nil
	case number.Known() && number.Format() == coap.FormatEmpty && value != "":
		return nil, fmt.Errorf("%s holds no value", number)
	}
	return []byte(value), nil
}

// parseToken reads --token. An empty flag leaves the choice to the library.
func parseToken(literal string) ([]byte, error) {
	if literal == "" {
		return nil, nil
	}
	token := []byte(literal)
	if digits, ok := strings.CutPrefix(literal, "0x"); ok {
		var err error
		if token, err = hex.DecodeString(digits); err != nil {
			return nil, fmt.Errorf("--token %q is not hexadecimal", literal)
		}
	}
	if len(token) > coap.MaxTokenLength {
		return nil, fmt.Errorf("--token has %d bytes, at most %d fit", len(token), coap.MaxTokenLength)
	}
	return token, nil
}
