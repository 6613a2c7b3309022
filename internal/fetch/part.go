package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// Part says which part of a body to fetch.
type Part struct {
	URL    string
	Permit func(*url.URL) error // as in Request
	Offset int64
	Length int64  // bytes, at least 1; fewer come at the end of the body
	Tag    string // of the version, as PartInfo says; another one is an error. Empty = any
}

// PartInfo is what a server says of a body of which it sends a part.
type PartInfo struct {
	Size   int64  // of the whole; -1 = it does not tell
	Tag    string // names the version: its ETag, or else when it was changed; empty = it does not tell
	Ranges bool   // it sends parts. One that does not sends the beginning only, to any question
	Read   int64  // bytes written to w
}

// Part writes a part of the body of a URL to w. Of a server that sends no parts it reads the
// beginning and hangs up; another part of it is empty.
func (c *Client) Part(ctx context.Context, ask Part, w io.Writer) (PartInfo, error) {
	header := http.Header{}
	header.Set("Range", fmt.Sprintf("bytes=%d-%d", ask.Offset, ask.Offset+ask.Length-1))
	x, err := c.send(ctx, ask.URL, ask.Permit, header)
	if err != nil {
		return PartInfo{}, err
	}
	defer x.end()
	offset, err := c.accept(x.url, x.response, true, ask.Offset)
	if err != nil {
		return PartInfo{}, err
	}
	info := PartInfo{Size: x.response.ContentLength, Tag: version(x.response.Header), Ranges: x.response.StatusCode == http.StatusPartialContent}
	if info.Ranges {
		info.Size = sizeOf(x.response.Header.Get("Content-Range"))
	}
	switch {
	case info.Size > c.options.MaxBytes:
		return info, fault.New(fault.Input, op, Printable(x.url), c.tooLarge())
	case ask.Tag != "" && info.Tag != ask.Tag:
		return info, fault.New(fault.Transport, op, Printable(x.url), "it changed while it was read; read it again")
	case offset != ask.Offset:
		return info, nil
	}
	end, err := c.copy(x, w, io.LimitReader(x.response.Body, ask.Length), offset)
	info.Read = end - offset
	return info, err
}

// version names the version of a body.
func version(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" {
		return "etag " + tag
	}
	if at := h.Get("Last-Modified"); at != "" {
		return "modified " + at
	}
	return ""
}

// sizeOf reads the size of the whole from "bytes 0-9/100"; -1 = it is not told.
func sizeOf(contentRange string) int64 {
	_, text, _ := strings.Cut(contentRange, "/")
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size < 0 {
		return -1
	}
	return size
}
