// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sampleOf reads what a process has used.
func sampleOf(pid int) (s sample, err error) {
	if s.cpu, err = cpuOf(pid); err != nil {
		return s, err
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return s, err
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return s, errStat
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	s.rss = pages * uint64(os.Getpagesize())
	return s, err
}

var errStat = errors.New("unexpected form of a file in /proc")

// cpuOf asks the best clock that this kernel, or what stands in for one, has.
func cpuOf(pid int) (cpu time.Duration, err error) {
	for _, clock := range [...]func(int) (time.Duration, error){processClock, scheduled, ticked} {
		if cpu, err = clock(pid); err == nil {
			return cpu, nil
		}
	}
	return 0, err
}

// processClock reads the CPU-time clock of a process, what clock_getcpuclockid
// names: nanoseconds of all its threads, those that have ended among them.
func processClock(pid int) (time.Duration, error) {
	const scheduler = 2 // what of the process's: the time that it was scheduled for
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// scheduled adds up the time that the threads of a process have run, which the
// scheduler keeps in nanoseconds. The time of threads that have ended is lost.
func scheduled(pid int) (sum time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, os.ErrNotExist
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // a thread that has just ended
		}
		fields := bytes.Fields(text)
		if err != nil || len(fields) < 3 {
			return 0, errStat
		}
		ns, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// ticksPerSecond is USER_HZ, which is 100 wherever Go runs.
const ticksPerSecond = 100

// ticked is the time of a process in ticks of 10 ms.
func ticked(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime = 11, 12 // counted from the field behind the name
	if len(fields) <= stime {
		return 0, errStat
	}
	var sum int64
	for _, field := range [...][]byte{fields[utime], fields[stime]} {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticksPerSecond, nil
}
