package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
)

// maxEvent limits an event of a stream.
const maxEvent = 4 << 20

// stream is what was seen of a stream.
type stream struct {
	usage   money.Usage
	written int  // bytes of the model's texts, from above
	finish  bool // the text has ended
	done    bool // the mark of the end
	failed  string
}

// chunk is what is read of an event.
type chunk struct {
	Error   json.RawMessage `json:"error"`
	Choices []struct {
		Finish json.RawMessage `json:"finish_reason"`
	} `json:"choices"`
	Usage *money.Usage `json:"usage"`
}

// relay passes a stream of events on, one at a time, as they are. A stream that breaks off ends
// with an event that says so.
func (x *exchange) relay(ctx context.Context, response *http.Response, watch *time.Timer) (int64, error) {
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		return 0, x.broken(ctx, "the server does not stream", 0, money.Usage{})
	}
	flusher := http.NewResponseController(x.w)
	events := bufio.NewReaderSize(response.Body, 32<<10)
	var s stream
	for !s.done {
		event, err := next(events)
		watch.Reset(x.s.Timeout)
		if err != nil {
			return x.cut(ctx, &s, err)
		}
		pass := s.take(event, x.q.usage)
		if s.failed != "" && !x.sent {
			return 0, fault.New(fault.Transport, op, x.model, "the stream begins with an error: "+s.failed)
		}
		if !pass {
			continue
		}
		if err := x.write(flusher, event); err != nil {
			return 0, x.broken(ctx, "the client has gone", s.written, s.usage)
		}
		if s.failed != "" {
			money.Record(ctx, s.usage.Used())
			return 0, &api.Told{Err: x.broken(ctx, "the server reports an error in the stream: "+s.failed, s.written, s.usage)}
		}
	}
	money.Record(ctx, s.usage.Used())
	return x.cost(s.usage, s.written), nil
}

// cut ends a stream whose server sends nothing more.
func (x *exchange) cut(ctx context.Context, s *stream, err error) (int64, error) {
	money.Record(ctx, s.usage.Used())
	flusher := http.NewResponseController(x.w)
	if errors.Is(err, io.EOF) && s.finish && x.sent {
		// The text is whole; some servers leave out the mark.
		if err := x.write(flusher, []byte("data: [DONE]\n\n")); err != nil {
			return 0, x.broken(ctx, "the client has gone", s.written, s.usage)
		}
		return x.cost(s.usage, s.written), nil
	}
	failure := x.broken(ctx, "the stream breaks off", s.written, s.usage)
	if !x.sent {
		return 0, failure
	}
	told := &api.Error{Status: http.StatusBadGateway, Code: "stream_cut", Message: failure.Error() + "; the answer is incomplete"}
	document, marshalErr := json.Marshal(told.Document())
	if marshalErr == nil {
		marshalErr = x.write(flusher, append(append([]byte("data: "), document...), "\n\n"...))
	}
	if marshalErr != nil { // the connection breaks instead
		return 0, failure
	}
	return 0, &api.Told{Err: failure}
}

// write sends an event to the caller at once.
func (x *exchange) write(flusher *http.ResponseController, event []byte) error {
	if !x.sent {
		h := x.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // proxies such as nginx
		x.sent = true
	}
	if _, err := x.w.Write(event); err != nil {
		return err
	}
	return flusher.Flush()
}

// next reads an event with the empty line that ends it.
func next(r *bufio.Reader) (event []byte, err error) {
	for {
		line, err := r.ReadSlice('\n')
		event = append(event, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(event) <= maxEvent:
			continue
		case len(event) > maxEvent:
			return nil, errors.New("an event is too long")
		case err != nil:
			return nil, err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 && (len(line) < 2 || line[0] == '\r') {
			if len(bytes.TrimSpace(event)) == 0 { // between events
				event = event[:0]
				continue
			}
			return event, nil
		}
	}
}

// take reads an event, and reports whether it is passed on. The usage is not, unless the caller
// asked for it.
func (s *stream) take(event []byte, usage bool) bool {
	var data []byte
	failed := false
	for line := range bytes.SplitSeq(event, []byte("\n")) {
		name, value, _ := bytes.Cut(bytes.TrimRight(line, "\r"), []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(name) {
		case "data":
			data = append(data, value...)
		case "event":
			failed = string(value) == "error"
		}
	}
	if string(data) == "[DONE]" {
		s.done = true
		return true
	}
	var c chunk
	if len(data) == 0 {
		return true // a comment keeps the connection open
	}
	if json.Unmarshal(data, &c) != nil {
		s.written += len(data)
		return true
	}
	if text := string(c.Error); failed || text != "" && text != "null" {
		s.failed = safetext.Line(message(data), safetext.MaxReason)
	}
	if c.Usage != nil && (c.Usage.Input.Said || c.Usage.Output.Said) {
		s.usage = *c.Usage
	}
	for _, choice := range c.Choices {
		s.written += len(data)
		if f := string(choice.Finish); f != "" && f != "null" {
			s.finish = true
		}
	}
	return usage || c.Usage == nil || len(c.Choices) > 0 || s.failed != ""
}
