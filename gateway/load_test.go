package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// target is a request and the server that it is sent to. The load writes prepared bytes to a
// connection and reads as little as it can: it shares two cores with what it measures.
type target struct {
	address string
	request []byte
}

func post(address string, body []byte) target {
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/json\r\nAuthorization: Bearer sk-bench\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n"
	return target{address, append([]byte(head), body...)}
}

// took is when a request was due, and how long it took from then until the first byte of an answer's body
// and until the last.
type took struct {
	due         time.Time
	first, last time.Duration
}

// caller is one connection. It makes one request at a time.
type caller struct {
	net.Conn
	read *bufio.Reader
}

func dial(ctx context.Context, address string) (*caller, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &caller{c, bufio.NewReaderSize(c, 16<<10)}, nil
}

// ask makes a request that was due at a time. Its waiting time counts, whoever made it wait.
func (c *caller) ask(t target, due time.Time) (out took, err error) {
	out.due = due
	if _, err = c.Write(t.request); err != nil {
		return out, err
	}
	length, err := c.head()
	if err != nil {
		return out, err
	}
	if length >= 0 {
		if _, err = c.read.Peek(1); err != nil {
			return out, err
		}
		out.first = time.Since(due)
		_, err = c.read.Discard(length)
		out.last = time.Since(due)
		return out, err
	}
	for {
		line, err := c.read.ReadSlice('\n')
		if err != nil {
			return out, err
		}
		if out.first == 0 {
			out.first = time.Since(due)
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return out, err
		}
		if _, err = c.read.Discard(int(size) + 2); err != nil {
			return out, err
		}
		if size == 0 {
			out.last = time.Since(due)
			return out, nil
		}
	}
}

// head reads the head of an answer; length -1 = its body comes in chunks.
func (c *caller) head() (length int, err error) {
	length = -1
	for first := true; ; first = false {
		line, err := c.read.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			rest, _ := c.read.Peek(c.read.Buffered())
			return 0, fmt.Errorf("answered %s%s", line, rest)
		}
		if len(line) <= 2 {
			return length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
}

// paced makes requests at a rate, at random times, whatever becomes of the earlier ones. It never
// waits for an answer, and times count from when a request was due.
func paced(b *testing.B, t target, rate float64, during time.Duration) []took {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2)) // the same times for all servers
	var all []took
	var mu sync.Mutex
	var idle []*caller
	var calls sync.WaitGroup
	runtime.LockOSThread() // a timer of the kernel is exact to 0.1 ms, one of the runtime to 1 ms
	defer runtime.UnlockOSThread()
	start := time.Now()
	for due := start; due.Before(start.Add(during)); due = due.Add(time.Duration(random.ExpFloat64() / rate * float64(time.Second))) {
		if wait := time.Until(due); wait > 0 {
			d := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&d, nil) // a signal ends it early, which is noticed by nothing but a request that comes too soon
		}
		mu.Lock()
		var c *caller
		if last := len(idle) - 1; last >= 0 {
			c, idle = idle[last], idle[:last]
		}
		mu.Unlock()
		calls.Go(func() {
			var err error
			if c == nil {
				c, err = dial(b.Context(), t.address)
			}
			var one took
			if err == nil {
				one, err = c.ask(t, due)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				b.Errorf("request: %v", err)
				return
			}
			all, idle = append(all, one), append(idle, c)
		})
	}
	calls.Wait()
	for _, c := range idle {
		require.NoError(b, c.Close())
	}
	return all
}

// saturated makes requests one after the other by some callers, and counts them.
func saturated(b *testing.B, t target, callers int, during time.Duration) (requests int) {
	b.Helper()
	var mu sync.Mutex
	var calls sync.WaitGroup
	end := time.Now().Add(during)
	for range callers {
		calls.Go(func() {
			c, err := dial(b.Context(), t.address)
			n := 0
			for err == nil && time.Now().Before(end) {
				_, err = c.ask(t, time.Now())
				n++
			}
			if err != nil {
				b.Errorf("request: %v", err)
				return
			}
			_ = c.Close() // nothing more is read
			mu.Lock()
			defer mu.Unlock()
			requests += n
		})
	}
	calls.Wait()
	return requests
}

// quantile of times in milliseconds, of their first or last byte.
func quantile(all []took, of func(took) time.Duration, q float64) float64 {
	times := make([]time.Duration, len(all))
	for i, t := range all {
		times[i] = of(t)
	}
	slices.Sort(times)
	return times[min(int(float64(len(times))*q), len(times)-1)].Seconds() * 1000
}

func firstByte(t took) time.Duration { return t.first }
func lastByte(t took) time.Duration  { return t.last }
