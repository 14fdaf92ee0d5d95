// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
)

// grouped writes a number with a comma at each thousand.
func grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var out []byte
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, digits[i])
	}
	return string(out)
}

// many is plural with the number grouped.
func many(n int, noun string) string {
	if n == 1 {
		return plural(n, noun)
	}
	return grouped(uint64(n)) + " " + noun + "s"
}

// rateText is a number a second, with three digits at least.
func rateText(perSecond float64) string {
	if perSecond >= 100 {
		return grouped(uint64(perSecond+0.5)) + "/s"
	}
	return fmt.Sprintf("%.3g/s", perSecond)
}

// bytesText is an amount in decimal units.
func bytesText(n uint64) string {
	switch value := float64(n); {
	case value >= 1e9:
		return fmt.Sprintf("%.2f GB", value/1e9)
	case value >= 1e6:
		return fmt.Sprintf("%.2f MB", value/1e6)
	case value >= 1e3:
		return fmt.Sprintf("%.2f kB", value/1e3)
	}
	return plural(int(n), "byte")
}

// microseconds is a time of three digits, given in microseconds.
func microseconds(us float64) string {
	switch {
	case us >= 1e6:
		return threeDigits(us/1e6) + " s"
	case us >= 1e3:
		return threeDigits(us/1e3) + " ms"
	}
	return threeDigits(us) + " µs"
}

func threeDigits(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// seconds is a length of time, given in seconds.
func seconds(s float64) string { return microseconds(s * 1e6) }

// percent is a part of a whole, which may be empty.
func percent(part, whole uint64) string {
	if whole == 0 || part == 0 {
		return "0 %"
	}
	value := 100 * float64(part) / float64(whole)
	if value < 0.01 {
		return "<0.01 %"
	}
	return fmt.Sprintf("%.3g %%", value)
}
