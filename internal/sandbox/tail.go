package sandbox

import (
	"bytes"
	"errors"
	"sync"
	"syscall"
)

// tail keeps the end of a child's stderr and passes its lines on.
type tail struct {
	line func(string)
	text []byte

	raw   syscall.RawConn
	mu    sync.Mutex // held while bytes are read and handed on
	begun []byte     // a line without its end
}

// read hands lines on until the child's end.
func (t *tail) read() {
	var err error
	for ended := false; !ended && err == nil; {
		err = t.raw.Read(func(fd uintptr) bool {
			t.mu.Lock()
			defer t.mu.Unlock()
			var some bool
			some, ended = t.take(fd)
			return some || ended
		})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hand(t.begun) // its end never came
}

// drain hands on what the child has written so far.
func (t *tail) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.raw.Control(func(fd uintptr) { // it fails when all is read
		for some := true; some; {
			some, _ = t.take(fd)
		}
	})
}

// take reads once, without waiting, and hands lines on; some = there may be more.
func (t *tail) take(fd uintptr) (some, ended bool) {
	var buf [stderrTail]byte
	n, err := syscall.Read(int(fd), buf[:])
	if n <= 0 {
		interrupted := errors.Is(err, syscall.EINTR)
		return interrupted, !interrupted && !errors.Is(err, syscall.EAGAIN)
	}
	t.begun = append(t.begun, buf[:n]...)
	for len(t.begun) > 0 {
		end := bytes.IndexByte(t.begun, '\n') + 1
		if end == 0 && len(t.begun) >= stderrTail {
			end = stderrTail // an overlong line is passed on in pieces
		}
		if end == 0 {
			break
		}
		line := t.begun[:end]
		t.begun = t.begun[end:]
		t.hand(line)
	}
	return true, false
}

func (t *tail) hand(line []byte) {
	t.text = append(t.text, line...)
	if cut := len(t.text) - stderrTail; cut > 0 {
		t.text = append(t.text[:0], t.text[cut:]...)
	}
	if len(line) > 0 && t.line != nil {
		t.line(string(line))
	}
}

// String is valid when the child has ended.
func (t *tail) String() string { return string(t.text) }
