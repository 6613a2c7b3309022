package vespa

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	compressAbove = 512      // bytes; for smaller bodies, gzip costs more than it saves
	answerLimit   = 64 << 20 // bytes of one response
)

// client sends HTTP/2 requests to a Vespa container on its own connections; without TLS it
// uses prior knowledge, as Vespa requires.
type client struct {
	base    string
	timeout time.Duration
	conns   []*conn
	zippers sync.Pool // of *gzip.Writer
}

type conn struct {
	http http.Client
	busy atomic.Int64
}

func newClient(base string, connections int, timeout time.Duration) (*client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, fault.New(fault.Input, "open vespa", "", "must be a URL such as http://localhost:8080, without credentials")
	}
	c := &client{base: strings.TrimSuffix(base, "/"), timeout: timeout}
	for range connections {
		protocols := new(http.Protocols)
		protocols.SetHTTP2(true)
		protocols.SetUnencryptedHTTP2(true)
		c.conns = append(c.conns, &conn{http: http.Client{Transport: &http.Transport{
			Protocols: protocols, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			IdleConnTimeout: 2 * time.Minute, DisableCompression: false,
			HTTP2: &http.HTTP2Config{SendPingTimeout: 20 * time.Second, PingTimeout: 10 * time.Second},
		}}})
	}
	return c, nil
}

func (c *client) close() {
	for _, conn := range c.conns {
		conn.http.CloseIdleConnections()
	}
}

// answer is a complete HTTP response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request on the least busy connection. An error means that no
// complete response was received.
func (c *client) do(ctx context.Context, method, path string, body []byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	zipped := len(body) > compressAbove
	if zipped {
		var err error
		if body, err = c.zip(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if zipped {
		r.Header.Set("Content-Encoding", "gzip")
	}
	conn := c.conns[0]
	for _, other := range c.conns[1:] {
		if other.busy.Load() < conn.busy.Load() {
			conn = other
		}
	}
	conn.busy.Add(1)
	defer conn.busy.Add(-1)
	reply, err := conn.http.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer reply.Body.Close()
	got, err := io.ReadAll(io.LimitReader(reply.Body, answerLimit))
	if err != nil {
		return nil, withoutURL(err)
	}
	return &answer{status: reply.StatusCode, header: reply.Header, body: got}, nil
}

// zip compresses a body. It reuses writers, because each takes a megabyte.
func (c *client) zip(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w, ok := c.zippers.Get().(*gzip.Writer)
	if ok {
		w.Reset(&out)
	} else {
		var err error
		if w, err = gzip.NewWriterLevel(&out, gzip.BestSpeed); err != nil {
			return nil, err
		}
	}
	defer c.zippers.Put(w)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// withoutURL removes the URL and addresses, which must not appear in an error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	var redactor *safetext.Redactor
	return redactor.Error(err)
}

// fail turns an unsuccessful response into a fault.
func (a *answer) fail(op, subject string) error {
	e := &fault.Error{Op: op, Subject: subject, Reason: "Vespa responded with status " + strconv.Itoa(a.status) + message(a.body)}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	e.Class = fault.StatusClass(a.status)
	if e.Class == fault.Capacity {
		e.Reason += "; the cluster is out of disk or memory: remove videos or add nodes"
		if e.RetryAfter == 0 {
			e.RetryAfter = time.Minute
		}
	}
	return e
}

// message extracts Vespa's error message.
func message(body []byte) string {
	var said struct {
		Message string `json:"message"`
		Root    struct {
			Errors []struct {
				Summary string `json:"summary"`
				Message string `json:"message"`
			} `json:"errors"`
		} `json:"root"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	text := said.Message
	for _, e := range said.Root.Errors {
		text += " " + e.Summary + ": " + e.Message
	}
	var redactor *safetext.Redactor
	if text = redactor.Reply(text, safetext.MaxReason); text == "" {
		return ""
	}
	return ": " + text
}
