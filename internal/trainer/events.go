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

// maxLine is the maximum size of an event, in bytes.
const maxLine = 1 << 20

// report is what a process reported by its events.
type report struct {
	done    bool
	failure training.Event // its error event; zero = none
	err     error          // of the callback, or of an invalid line
	cut     error          // the last line has no line break and is invalid: the process died, or it has a bug
}

// listen reads events to their end and calls on with each. After an error it closes
// quit, and continues reading so that the process does not block.
func (p *process) listen(job string, on func(training.Event) error, quit chan<- struct{}, grace time.Duration) report {
	defer closeAll(p.events)
	lines := bufio.NewScanner(p)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	lines.Split(splitLines)
	var got report
	for number := 1; got.err == nil && lines.Scan(); number++ {
		got.take(job, number, lines.Bytes(), on)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) && got.err == nil {
		got.err = broken(job, "an event is longer than "+strconv.Itoa(maxLine)+" bytes", nil)
	}
	if got.err != nil {
		close(quit)
		_, _ = io.Copy(io.Discard, p) // whatever ended it
		return got
	}
	// No more events: the process should end now. Otherwise it is killed.
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-p.ended:
	case <-patience.C:
		got.err = broken(job, "it closed its event stream but did not exit", nil)
		close(quit)
	}
	return got
}

// splitLines splits after each newline and keeps it, so that a truncated line can be
// recognized.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, data[:end+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (r *report) take(job string, number int, line []byte, on func(training.Event) error) {
	event, err := decode(line)
	if err != nil {
		err = broken(job, fmt.Sprintf("line %d of its events is invalid: %s", number, excerpt(line)), err)
		if bytes.HasSuffix(line, []byte("\n")) {
			r.err = err
		} else {
			r.cut = err
		}
		return
	}
	switch event.Event {
	case training.EventDone:
		r.done = true
	case training.EventError:
		r.failure = event
	}
	r.err = on(event)
}

// decode reads one event. Unknown fields and kinds come from a newer trainer and are
// accepted; anything else that is invalid is an error.
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
	maps.DeleteFunc(e.Metrics, func(name string, _ float64) bool { return nullable.Metrics[name] == nil }) // NaN, which is not 0
	return e, e.Check()
}

// broken returns the error of a bug in the trainer. It has no class, because neither
// waiting nor a different input fixes it.
func broken(job, reason string, err error) error {
	return &fault.Error{Op: op, Subject: job, Reason: reason, Err: err}
}

func excerpt(line []byte) string {
	const longest = 200
	return strconv.Quote(safetext.Line(string(line), longest))
}
