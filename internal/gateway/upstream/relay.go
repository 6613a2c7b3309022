package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/money"
)

// maxEvent limits an event of a stream.
const maxEvent = 4 << 20

// stream is what was seen of a stream.
type stream struct {
	usage   money.Usage
	written int          // bytes of the model's texts, from above
	list    bool         // of any number of choices, as completions of several prompts
	ended   map[int]bool // by the index of a choice that ended or that is looked at: whether it ended
	done    bool         // the mark of the end
	chunk   chunk
}

// whole reports whether the texts of all choices have ended, which are at least so many.
func (s *stream) whole(choices int) bool {
	for _, ended := range s.ended {
		if !ended {
			return false
		}
	}
	return len(s.ended) >= choices
}

// note notes a choice of an event.
func (s *stream) note(index int, ended bool) {
	if s.ended == nil {
		s.ended = map[int]bool{}
	}
	s.ended[index] = s.ended[index] || ended
}

// chunk is what is read of an event. Its memory serves for all events of a stream.
type chunk struct {
	Choices []struct {
		Index  int    `json:"index"`
		Finish finish `json:"finish_reason"`
	} `json:"choices"`
}

// goesOn reports whether data is a part of one choice which has not ended, and counts nothing. Nearly all
// events are, and thousands of streams have one each second, so this makes no garbage.
func goesOn(data []byte) bool {
	const reason, usage = `"finish_reason"`, `"usage"`
	return isNull(data, reason) && (!bytes.Contains(data, []byte(usage)) || isNull(data, usage)) && json.Valid(data)
}

// isNull reports whether a quoted name is in a document once, with the value null. A text cannot hold the
// name, because its quotes are escaped there.
func isNull(data []byte, name string) bool {
	_, value, found := bytes.Cut(data, []byte(name))
	if !found || bytes.Contains(value, []byte(name)) {
		return false
	}
	value, found = bytes.CutPrefix(bytes.TrimLeft(value, " "), []byte(":"))
	return found && bytes.HasPrefix(bytes.TrimLeft(value, " "), []byte("null"))
}

// finish is whether a choice has a reason why it ended. Some servers send an empty one with each part.
type finish bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *finish) UnmarshalJSON(reason []byte) error {
	*f = string(reason) != "null" && string(reason) != `""`
	return nil
}

// stream answers a request for a stream. A document that the server sends instead becomes one.
func (x *exchange) stream(ctx context.Context, call answer.Call) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(x.s.Timeout, func() { cancel(errSlow) })
	defer watch.Stop()
	opened, err := x.s.client.Open(ctx, call)
	if err != nil {
		return 0, x.slow(ctx, err)
	}
	defer opened.Close()
	events, ok := opened.Events()
	if ok {
		return x.relay(ctx, opened, events, watch)
	}
	data, err := opened.Whole()
	if err != nil {
		return 0, x.slow(ctx, err)
	}
	cost, err := x.whole(ctx, call, data)
	if err != nil {
		return 0, err
	}
	if data, err = asEvents(data, x.s.client.Redactor(), x.q.usage); err != nil {
		return 0, x.unusable(call, data, "the server does not stream, and its answer cannot be made a stream")
	}
	return cost, x.write(data)
}

// relay passes a stream of events on, one at a time, as they are. A stream that breaks off ends
// with an event that says so.
func (x *exchange) relay(ctx context.Context, opened *answer.Opened, events *bufio.Reader, watch *time.Timer) (int64, error) {
	s := stream{list: x.q.Use.Path != Chat.Path}
	var buffer []byte // of one event after the other
	for !s.done {
		event, err := next(events, buffer)
		buffer = event[:0]
		watch.Reset(x.s.Timeout)
		if errors.Is(err, io.EOF) && s.whole(x.q.choices) {
			event, s.done, err = []byte("data: [DONE]\n\n"), true, nil // the answer is whole; some servers leave out the mark
		} else if err != nil {
			return x.cut(ctx, &s, "the stream breaks off")
		}
		data, failed := dataOf(event)
		pass := s.done
		if !pass {
			if pass, err = s.take(data, x.q.usage); err != nil {
				return x.cut(ctx, &s, err.Error())
			}
			// Another server can be asked until an event of the answer is passed on.
			pass = pass && (x.sent || len(data) > 0)
		}
		if s.done && s.written == 0 {
			return x.cut(ctx, &s, "the stream has no answer")
		}
		failure := opened.Failure(failed)
		switch {
		case failure != nil && x.sent:
			return x.cut(ctx, &s, reasonOf(failure))
		case failure != nil:
			return 0, failure
		case !pass:
			continue
		}
		if err := x.write(x.s.client.Redactor().Answer(event)); err != nil {
			return 0, x.broken(ctx, "the client has gone", &s)
		}
	}
	money.Record(ctx, s.usage.Used())
	return x.cost(s.usage, s.written), nil
}

func reasonOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Reason
	}
	return err.Error()
}

// cut ends a stream that cannot go on.
func (x *exchange) cut(ctx context.Context, s *stream, reason string) (int64, error) {
	money.Record(ctx, s.usage.Used())
	failure := x.broken(ctx, reason, s)
	if !x.sent {
		return 0, failure
	}
	told := &api.Error{Status: http.StatusBadGateway, Code: "stream_cut", Message: failure.Error() + "; the answer is incomplete"}
	document, err := json.Marshal(told.Document())
	if err == nil {
		err = x.write(append(append([]byte("data: "), document...), "\n\n"...))
	}
	if err != nil { // the connection breaks instead
		return 0, failure
	}
	return 0, &api.Told{Err: failure}
}

// write sends an event to the caller at once.
func (x *exchange) write(event []byte) error {
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
	return http.NewResponseController(x.w).Flush()
}

// next reads an event with the empty line that ends it into a buffer, which it may replace.
func next(r *bufio.Reader, buffer []byte) (event []byte, err error) {
	for event = buffer[:0]; ; {
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

// dataOf is the data of an event, and its document if it may report a failure: gateways send one
// under the name error, or as a line of its own.
func dataOf(event []byte) (data, failed []byte) {
	named := false
	for line := range bytes.SplitSeq(event, []byte("\n")) {
		name, value, _ := bytes.Cut(bytes.TrimRight(line, "\r"), []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(name) {
		case "data":
			if data == nil { // most events have one line, which is not copied
				data = slices.Clip(value)
			} else {
				data = append(data, value...)
			}
		case "event":
			named = string(value) == "error"
		default:
			if bytes.HasPrefix(line, []byte("{")) && json.Valid(line) {
				failed = line
			}
		}
	}
	switch {
	case failed != nil:
	case !bytes.Contains(data, []byte("error")) && !named:
	case named && json.Valid(data) && !bytes.Contains(data, []byte(`"error"`)):
		failed = append(append([]byte(`{"error":`), data...), '}')
	default:
		failed = data
	}
	return data, failed
}

// take reads the data of an event, and reports whether the event is passed on. A comment that has
// the form of an event is not, because clients expect JSON. Nor is the usage, unless the caller
// asked for it.
func (s *stream) take(data []byte, usage bool) (pass bool, err error) {
	switch {
	case string(data) == "[DONE]":
		s.done = true
		return true, nil
	case len(data) == 0:
		return true, nil // a comment keeps the connection open
	case data[0] == ':', string(data) == `""`:
		return false, nil
	case !s.list && goesOn(data):
		s.written += len(data)
		return true, nil
	}
	c := &s.chunk
	clear(c.Choices[:cap(c.Choices)])
	c.Choices = c.Choices[:0]
	if err := json.Unmarshal(data, c); err != nil {
		s.written += len(data)
		if _, ok := errors.AsType[*json.SyntaxError](err); ok {
			return false, errors.New("the stream breaks off within an event")
		}
		return true, nil // a document that is none of ours is passed on
	}
	counted := false
	if bytes.Contains(data, []byte(`"usage"`)) {
		if u, found := chat.UsageOf(data); found {
			s.usage, counted = u, true
		}
	}
	for _, choice := range c.Choices {
		s.written += len(data)
		s.note(choice.Index, bool(choice.Finish))
	}
	return usage || !counted || len(c.Choices) > 0, nil
}
