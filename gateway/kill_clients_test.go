package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/jobs"
	"github.com/cogniverse/cogflow/internal/gateway/uploads"
)

// clients are good clients of several gateways: they repeat what failed at the next gateway, and
// check everything that they are told.
type clients struct {
	t         *testing.T
	ctx       context.Context //nolint:containedctx // ends the requests at the end of a failed test
	http      *http.Client
	addresses []string

	turn     atomic.Int64
	progress atomic.Int64 // events, answers and pieces; kills wait for it

	mu       sync.Mutex
	outcomes map[string]int
	accepted []string // ids of jobs
}

// wrong reports what no client may be told, unless the test has ended.
func (c *clients) wrong(format string, args ...any) {
	if c.ctx.Err() == nil {
		c.t.Errorf(format, args...)
	}
}

// reply is an answer that has arrived in whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// pause is how long a client waits before it repeats a request.
const pause = 20 * time.Millisecond

func (c *clients) count(outcome string) {
	c.progress.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes[outcome]++
}

// open sends a request to the next gateway.
func (c *clients) open(method, path string, header map[string]string, body []byte) (*http.Response, error) {
	address := c.addresses[int(c.turn.Add(1))%len(c.addresses)]
	r, err := http.NewRequestWithContext(c.ctx, method, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return c.http.Do(r) //nolint:gosec // addresses of the test
}

// once sends a request once. Without an answer the status is 0.
func (c *clients) once(method, path string, header map[string]string, body []byte) (out reply) {
	got, err := c.open(method, path, header, body)
	if err != nil {
		return out
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	if err != nil {
		return out
	}
	return reply{got.StatusCode, got.Header, data}
}

// passes reports whether a failure passes by itself: no answer, or one that a client repeats.
func passes(status int) bool {
	return status == 0 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= http.StatusInternalServerError
}

// ask repeats a request until its answer is one.
func (c *clients) ask(what, method, path string, header map[string]string, body []byte) reply {
	for c.ctx.Err() == nil {
		r := c.once(method, path, header, body)
		if !passes(r.status) {
			c.count(what)
			return r
		}
		c.count(what + ": repeated")
		<-time.After(pause)
	}
	return reply{}
}

func chatAbout(topic string, stream bool) []byte {
	return fmt.Appendf(nil, `{"model":"m","messages":[{"role":"user","content":%q}],"stream":%t,"max_tokens":100}`, topic, stream)
}

// chat asks a question, and again until it is answered.
func (c *clients) chat(topic string) {
	r := c.ask("chat", http.MethodPost, chatPath, nil, chatAbout(topic, false))
	var said struct {
		Choices []struct {
			Message struct{ Content string }
		}
	}
	if r.status != http.StatusOK || json.Unmarshal(r.body, &said) != nil || len(said.Choices) != 1 || said.Choices[0].Message.Content != speech(topic) {
		c.wrong("chat %s: %d %s", topic, r.status, r.body)
	}
}

// stream reads one stream to its end, and says how it ended. It must never look whole without being it.
func (c *clients) stream(topic string) {
	got, err := c.open(http.MethodPost, chatPath, nil, chatAbout(topic, true))
	if err != nil {
		c.count("stream: no answer")
		<-time.After(pause)
		return
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		if data, _ := io.ReadAll(got.Body); !passes(got.StatusCode) {
			c.wrong("stream %s: %d %s", topic, got.StatusCode, data)
		}
		c.count("stream: refused")
		<-time.After(pause)
		return
	}
	text, end, err := c.read(got.Body)
	whole, right := text == speech(topic), strings.HasPrefix(speech(topic), text)
	switch {
	case !right:
		c.wrong("stream %s: the text is another one: %s", topic, text)
	case end == "done" && whole: // also if the connection is cut after it
		c.count("stream: whole")
	case end == "error":
		c.count("stream: ended with an error event")
	case end == "" && err != nil:
		c.count("stream: connection cut")
	default:
		c.wrong("stream %s looks whole: end %q, %v, text %q", topic, end, err, text)
	}
}

// read returns the text of a stream and its last event; err is of a connection that breaks.
func (c *clients) read(body io.Reader) (text, end string, err error) {
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			return text, end, nil
		}
		if err != nil {
			return text, end, err
		}
		data, is := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !is {
			continue
		}
		c.progress.Add(1)
		if end != "" {
			end += "+" // nothing comes after the end
		}
		var event struct {
			Error   json.RawMessage
			Choices []struct{ Delta struct{ Content string } }
		}
		switch {
		case data == "[DONE]":
			end += "done"
		case json.Unmarshal([]byte(data), &event) != nil:
			end += "broken event"
		case event.Error != nil:
			end += "error"
		default:
			for _, choice := range event.Choices {
				text += choice.Delta.Content
			}
		}
	}
}

// upload stores a file in pieces, each at another gateway, and returns its URI.
func (c *clients) upload(name string, content []byte) string {
	const pieces = 4
	sum := sha256.Sum256(content)
	declaration := fmt.Appendf(nil, `{"name":%q,"size":%d,"sha256":%q}`, name, len(content), hex.EncodeToString(sum[:]))
	for c.ctx.Err() == nil {
		var u uploads.Upload
		r := c.ask("upload", http.MethodPost, "/uploads", nil, declaration)
		if !c.read2xx(r, &u) {
			return ""
		}
		for path := "/uploads/" + u.ID; !u.Complete; {
			end := min(u.Offset+int64(len(content)/pieces)+1, int64(len(content)))
			r := c.ask("piece", http.MethodPatch, path, map[string]string{"Content-Type": "application/offset+octet-stream", "Upload-Offset": strconv.FormatInt(u.Offset, 10)}, content[u.Offset:end])
			if r.status == http.StatusConflict { // a piece was stored whose answer was lost
				r = c.ask("offset", http.MethodGet, path, nil, nil)
			}
			if r.status == http.StatusNotFound { // the last piece was
				break
			}
			if !c.read2xx(r, &u) {
				return ""
			}
			if u.Offset == int64(len(content)) && !u.Complete { // all is stored, but not checked: send nothing
				r = c.ask("piece", http.MethodPatch, path, map[string]string{"Content-Type": "application/offset+octet-stream", "Upload-Offset": strconv.FormatInt(u.Offset, 10)}, nil)
				if r.status == http.StatusNotFound {
					break
				}
				if !c.read2xx(r, &u) {
					return ""
				}
			}
		}
		if u.Complete {
			return u.URI
		}
	}
	return ""
}

func (c *clients) read2xx(r reply, into any) bool {
	if r.status/100 != 2 || json.Unmarshal(r.body, into) != nil {
		c.wrong("%d %s", r.status, r.body)
		return false
	}
	return true
}

// job starts a job with a key, twice, and returns its id once its result is the right one.
func (c *clients) job(key, name, uri string, frames int) (id string) {
	var first, again jobs.Started
	input := fmt.Appendf(nil, `{"uri":%q}`, uri)
	for _, into := range []*jobs.Started{&first, &again} {
		if !c.read2xx(c.ask("job", http.MethodPost, "/jobs/ingest-video", map[string]string{"Idempotency-Key": key}, input), into) {
			return ""
		}
	}
	if first.ID == "" || first.ID != again.ID || first.RunID != again.RunID || !again.Attached {
		c.wrong("the key %s has two jobs: %+v %+v", key, first, again)
	}
	for c.ctx.Err() == nil {
		r := c.ask("result", http.MethodGet, api.JobPath(first.ID)+"/result?wait=5s", nil, nil)
		if r.status == http.StatusConflict && strings.Contains(string(r.body), jobs.CodeUnfinished) {
			continue
		}
		var result struct {
			Name      string
			Documents int
		}
		if c.read2xx(r, &result) && (result.Name != name || result.Documents != frames) {
			c.wrong("job %s: %s", first.ID, r.body)
		}
		return first.ID
	}
	return first.ID
}
