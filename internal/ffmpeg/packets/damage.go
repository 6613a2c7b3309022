package packets

import (
	"bufio"
	"io"
	"slices"
	"strings"
)

// AuditEntries is the value of ffprobe's -show_entries for Audit. It also needs -show_frames,
// -show_log 16 and one thread, so that each complaint is listed with a picture.
const AuditEntries = "frame=key_frame,best_effort_timestamp_time:log=level"

// Spans are parts of a video, ascending: milliseconds since its start, the end exclusive.
type Spans [][2]int64

// Contains reports whether a picture of that time lies in one of the spans.
func (s Spans) Contains(ms int64) bool {
	i, found := slices.BinarySearchFunc(s, ms, func(one [2]int64, ms int64) int { return int(one[0] - ms) })
	return found || i > 0 && ms < s[i-1][1]
}

// Audit finds the pictures that were decoded with errors, and those that are predicted from
// them: all up to the next key frame without an error. delay is how many pictures a decoder
// holds back: its complaint is listed with a picture that is shown earlier by so many.
// damaged counts the pictures of the spans.
func Audit(r io.Reader, startMS int64, delay int) (s Spans, damaged int, err error) {
	a := audit{start: startMS, delay: delay}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch name {
		case "key_frame":
			a.key = value == "1"
		case "best_effort_timestamp_time":
			a.at, a.timed = milliseconds(value)
		case "level":
			a.bad = true
		case "[/FRAME]":
			a.picture()
		}
	}
	if a.open || a.bad { // complaints after the last picture are about the last ones
		a.spans = append(a.spans, [2]int64{a.from, 1 << 62})
	}
	return a.spans, a.damaged, lines.Err()
}

// audit is the state between two pictures.
type audit struct {
	start int64
	delay int

	at, before, offset int64 // offset: jumps of the clock, which ffmpeg takes out
	key, bad, timed    bool  // of the picture
	count              int

	spans   Spans
	open    bool
	from    int64
	safe    int // the first picture that can end the damage
	damaged int
}

func (a *audit) picture() {
	ms := a.before + 1
	if a.timed {
		ms = a.at - a.start + a.offset
		if step := ms - a.before; a.count > 0 && (step > jumpForward || step < jumpBack) {
			a.offset -= step - 1
			ms = a.before + 1
		}
	}
	if a.open && a.key && !a.bad && a.count >= a.safe {
		a.spans = append(a.spans, [2]int64{a.from, ms - tolerance})
		a.open = false
	}
	if a.bad {
		if !a.open {
			a.open, a.from = true, ms-tolerance
		}
		a.safe = a.count + a.delay + 1
	}
	if a.open {
		a.damaged++
	} else {
		a.from = ms - tolerance
	}
	a.before, a.bad, a.timed = ms, false, false
	a.count++
}
