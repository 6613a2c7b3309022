package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
)

// Request says what to fetch. Only the URL is required.
type Request struct {
	URL string
	// Permit refuses targets beyond what the client refuses: it is called for the URL and
	// for the target of each redirect.
	Permit func(*url.URL) error
	// Offset and ETag request the rest of a body if it has not changed. A server may start
	// over; Begin reports that.
	Offset int64  // bytes that are stored already
	ETag   string // strong; from Info
	// Begin is called before the body is written: with the offset at which it starts and
	// the total size, -1 if unknown.
	Begin func(offset, size int64) error
}

// Get writes the body of a URL to w, once. A body that is truncated, too long or too slow
// is an error; w then holds a part of it. Errors of w keep their class.
func (c *Client) Get(ctx context.Context, rawURL string, w io.Writer) (Info, error) {
	return c.Do(ctx, Request{URL: rawURL}, w)
}

// Do is Get with all options of a Request. After a truncated body, Info describes its
// beginning.
func (c *Client) Do(ctx context.Context, ask Request, w io.Writer) (Info, error) {
	header := http.Header{}
	if ask.Offset > 0 && strings.HasPrefix(ask.ETag, `"`) { // a weak one does not say that the bytes are the same
		header.Set("Range", fmt.Sprintf("bytes=%d-", ask.Offset))
		header.Set("If-Range", ask.ETag)
	}
	x, err := c.send(ctx, ask.URL, ask.Permit, header)
	if err != nil {
		return Info{}, err
	}
	defer x.end()
	offset, err := c.accept(x.url, x.response, header.Get("Range") != "", ask.Offset)
	if err != nil {
		return Info{}, err
	}
	if ask.Begin != nil {
		if err := ask.Begin(offset, whole(offset, x.response.ContentLength)); err != nil {
			return Info{}, err
		}
	}
	info := Info{URL: Printable(x.url), ETag: x.response.Header.Get("ETag"), Type: x.response.Header.Get("Content-Type")}
	info.Size, err = c.copy(x, w, x.response.Body, offset)
	return info, err
}

// exchange is a request and the head of its response. The body is still to be read.
type exchange struct {
	ctx      context.Context //nolint:containedctx // of the body, which a stall ends
	stop     context.CancelCauseFunc
	end      func()
	url      *url.URL // after redirects
	response *http.Response
}

// send checks a URL and asks for it.
func (c *Client) send(ctx context.Context, rawURL string, permit func(*url.URL) error, header http.Header) (*exchange, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fault.New(fault.Input, op, "", "not a URL")
	}
	if err := c.check(u); err != nil {
		return nil, err
	}
	if permit != nil {
		if err := permit(u); err != nil {
			return nil, err
		}
		ctx = context.WithValue(ctx, permitKey{}, permit)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.Timeout,
		fault.New(fault.Transport, op, Printable(u), "it took longer than "+c.options.Timeout.String()))
	ctx, stop := context.WithCancelCause(ctx)
	end := func() {
		stop(nil)
		cancel()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		end()
		return nil, fault.New(fault.Input, op, Printable(u), "not a URL")
	}
	request.Header = header
	request.Header.Set("Accept-Encoding", "identity")
	response, err := c.http.Do(request) //nolint:bodyclose // end closes it
	if err != nil {
		err = fail(ctx, u, err)
		end()
		return nil, err
	}
	return &exchange{ctx: ctx, stop: stop, url: response.Request.URL, response: response, end: func() {
		_ = response.Body.Close() // it was read as far as it is wanted
		end()
	}}, nil
}

type permitKey struct{}

func whole(offset, rest int64) int64 {
	if rest < 0 {
		return -1
	}
	return offset + rest
}

// accept refuses a response by its status and headers, and returns where its body starts.
func (c *Client) accept(u *url.URL, r *http.Response, ranged bool, offset int64) (int64, error) {
	f := &fault.Error{Class: fault.Input, Op: op, Subject: Printable(u), Reason: "the server answered " + r.Status}
	switch code := r.StatusCode; {
	case code == http.StatusOK:
		offset = 0
	case code == http.StatusPartialContent && ranged:
		if !strings.HasPrefix(r.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)) {
			f.Class, f.Reason = fault.Transport, "the server does not send the requested range"
			return 0, f
		}
	default:
		f.Class = fault.StatusClass(code)
		if s, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && s > 0 {
			f.RetryAfter = time.Duration(min(s, 3600)) * time.Second
		}
		return 0, f
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		f.Reason = "the body is compressed, which was not asked for"
		return 0, f
	}
	if r.ContentLength > c.options.MaxBytes-offset {
		f.Reason = c.tooLarge()
		return 0, f
	}
	return offset, nil
}

func (c *Client) tooLarge() string {
	return fmt.Sprintf("larger than the configured maximum of %d bytes", c.options.MaxBytes)
}

// copy ends with the body, or when a window passes in which too little came. It
// returns the size of the whole: what was there already counts.
func (c *Client) copy(x *exchange, w io.Writer, body io.Reader, offset int64) (int64, error) {
	ctx, stop, u := x.ctx, x.stop, x.url
	var got atomic.Int64
	got.Store(offset)
	ended := make(chan struct{})
	defer close(ended)
	panics.Go(func() error {
		tick := time.NewTicker(c.options.Stall)
		defer tick.Stop()
		for last := offset; ; {
			select {
			case <-ended:
				return nil
			case <-tick.C:
				now := got.Load()
				if now-last < c.options.MinBytes {
					return fault.New(fault.Transport, op, Printable(u), "the server sends too slowly")
				}
				last = now
			}
		}
	}, func(err error) {
		if err != nil {
			stop(err)
		}
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if got.Add(int64(n)) > c.options.MaxBytes {
			return got.Load(), fault.New(fault.Input, op, Printable(u), c.tooLarge())
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return got.Load(), err
		}
		if err == io.EOF { // a wrapped EOF is a cut body
			return got.Load(), nil
		}
		if err != nil {
			return got.Load(), fail(ctx, u, err)
		}
	}
}
