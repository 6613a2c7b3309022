package answer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// readBody reads at most so many bytes of the document that a server sends, and
// returns what came also where it breaks off. Bytes of null at its end and a byte
// order mark are no JSON. What is whole has no error: a length that is wrong or a
// connection that is not closed take nothing from it.
func readBody(r *http.Response, most int64) ([]byte, error) {
	reader, err := inflated(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(reader, most))
	body = bytes.TrimRight(bytes.TrimPrefix(body, []byte("\ufeff")), "\x00")
	damaged := errors.Is(err, gzip.ErrChecksum) || errors.Is(err, zlib.ErrChecksum)
	if err != nil && !damaged && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) && json.Valid(body) {
		err = nil
	}
	return body, err
}

// inflated undoes compression. It was not asked for, but a proxy may compress all
// the same, or say that it did and not do it.
func inflated(r *http.Response) (io.Reader, error) {
	plain := bufio.NewReader(r.Body)
	start, _ := plain.Peek(2) // an error comes again with the next read
	switch {
	case bytes.Equal(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(plain)
	case bytes.HasPrefix(start, []byte{0x78}) && strings.EqualFold(r.Header.Get("Content-Encoding"), "deflate"):
		return zlib.NewReader(plain)
	}
	return plain, nil
}
