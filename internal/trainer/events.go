package trainer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// longestLine bounds an event, in bytes.
const longestLine = 1 << 20

// heard is what a process reported.
type heard struct {
	done    bool
	failure training.Event // its error event; zero = none
	err     error          // of the callback, or of a line that is no event
	cut     error          // the last line has no end, and is no event: it died, or it is a bug
}

// listen reads events to their end and tells on. After an error it closes quit,
// and goes on reading so that the process does not wait for a reader.
func (p *process) listen(job string, on func(training.Event) error, quit chan<- struct{}, grace time.Duration) heard {
	defer shut(p.events)
	lines := bufio.NewScanner(p)
	lines.Buffer(make([]byte, 0, 64<<10), longestLine)
	lines.Split(splitLines)
	var h heard
	for number := 1; h.err == nil && lines.Scan(); number++ {
		h.take(job, number, lines.Bytes(), on)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) && h.err == nil {
		h.err = broken(job, "an event is longer than "+strconv.Itoa(longestLine)+" bytes", nil)
	}
	if h.err != nil {
		close(quit)
		_, _ = io.Copy(io.Discard, p) // whatever ends it
		return h
	}
	// No more events: the process is about to end. One that is not is of no use.
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-p.ended:
	case <-patience.C:
		h.err = broken(job, "it closed its events and did not end", nil)
		close(quit)
	}
	return h
}

// splitLines cuts after each newline and keeps it, so that a line that was cut
// short is known as such.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, data[:end+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (h *heard) take(job string, number int, line []byte, on func(training.Event) error) {
	event, err := decode(line)
	if err != nil {
		err = broken(job, fmt.Sprintf("line %d of its events is invalid: %s", number, excerpt(line)), err)
		if bytes.HasSuffix(line, []byte("\n")) {
			h.err = err
		} else {
			h.cut = err
		}
		return
	}
	switch event.Event {
	case training.EventDone:
		h.done = true
	case training.EventError:
		h.failure = event
	}
	h.err = on(event)
}

// decode reads one event. A field or a kind that this build does not know is
// from a newer trainer; anything else that is strange is a mistake.
func decode(line []byte) (training.Event, error) {
	var e training.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return e, err
	}
	var nullable struct {
		Metrics map[string]*float64 `json:"metrics"`
	}
	if err := json.Unmarshal(line, &nullable); err != nil {
		return e, err
	}
	maps.DeleteFunc(e.Metrics, func(name string, _ float64) bool { return nullable.Metrics[name] == nil }) // not a number, and so not 0
	return e, e.Check()
}

// broken is a fault of the trainer itself: it cannot be fixed by waiting or by
// other input, so it has no class.
func broken(job, reason string, err error) error {
	return &fault.Error{Op: op, Subject: job, Reason: reason, Err: err}
}

func excerpt(line []byte) string {
	const longest = 200
	return strconv.Quote(safetext.Line(string(line), longest))
}
