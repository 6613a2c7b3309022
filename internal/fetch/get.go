package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// Get writes the body of a URL to w, once. A body that is cut, too long or too
// slow is an error; w then holds a part of it. Errors of w keep their class.
func (c *Client) Get(ctx context.Context, rawURL string, w io.Writer) (Info, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Info{}, fault.New(fault.Input, op, "", "not a URL")
	}
	if err := c.check(u); err != nil {
		return Info{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.Timeout,
		fault.New(fault.Transport, op, Printable(u), "it took longer than "+c.options.Timeout.String()))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Info{}, fault.New(fault.Input, op, Printable(u), "not a URL")
	}
	request.Header.Set("Accept-Encoding", "identity")
	response, err := c.http.Do(request)
	if err != nil {
		return Info{}, fail(ctx, u, err)
	}
	defer response.Body.Close()
	u = response.Request.URL
	if err := c.accept(u, response); err != nil {
		return Info{}, err
	}
	info := Info{URL: Printable(u), ETag: response.Header.Get("ETag"), Type: response.Header.Get("Content-Type")}
	info.Size, err = c.copy(ctx, stop, u, w, response.Body)
	return info, err
}

// accept refuses a response by its head.
func (c *Client) accept(u *url.URL, r *http.Response) error {
	f := &fault.Error{Class: fault.Input, Op: op, Subject: Printable(u), Reason: "the server answered " + r.Status}
	switch code := r.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		f.Class = fault.Auth
		return f
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		f.Class = fault.Overload
		if s, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && s > 0 {
			f.RetryAfter = time.Duration(min(s, 3600)) * time.Second
		}
		return f
	case code == http.StatusInsufficientStorage:
		f.Class = fault.Capacity
		return f
	case code >= 500, code == http.StatusRequestTimeout:
		f.Class = fault.Transport
		return f
	default:
		return f
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		f.Reason = "the body is compressed, which was not asked for"
		return f
	}
	if r.ContentLength > c.options.MaxBytes {
		f.Reason = c.tooLarge()
		return f
	}
	return nil
}

func (c *Client) tooLarge() string {
	return fmt.Sprintf("larger than the configured maximum of %d bytes", c.options.MaxBytes)
}

// copy ends with the body, or when a window passes in which too little came.
func (c *Client) copy(ctx context.Context, stop context.CancelCauseFunc, u *url.URL, w io.Writer, body io.Reader) (int64, error) {
	var got atomic.Int64
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		tick := time.NewTicker(c.options.Stall)
		defer tick.Stop()
		for last := int64(0); ; {
			select {
			case <-ended:
				return
			case <-tick.C:
				now := got.Load()
				if now-last < c.options.MinBytes {
					stop(fault.New(fault.Transport, op, Printable(u), "the server sends too slowly"))
					return
				}
				last = now
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if got.Add(int64(n)) > c.options.MaxBytes {
			return got.Load(), fault.New(fault.Input, op, Printable(u), c.tooLarge())
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return got.Load(), err
		}
		if err == io.EOF { //nolint:errorlint // a wrapped EOF is a cut body
			return got.Load(), nil
		}
		if err != nil {
			return got.Load(), fail(ctx, u, err)
		}
	}
}
