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

// readBody reads at most most bytes of a response, and returns the received part if it
// breaks off. NUL bytes at the end and a byte order mark are removed. A complete document
// is not an error, even with a wrong length or an open connection.
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

// inflated decompresses a response. Compression was not requested, but a proxy may use it
// anyway, or announce it without using it.
func inflated(r *http.Response) (io.Reader, error) {
	plain := bufio.NewReader(r.Body)
	start, _ := plain.Peek(2) // an error is returned again by the next read
	switch {
	case bytes.Equal(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(plain)
	case bytes.HasPrefix(start, []byte{0x78}) && strings.EqualFold(r.Header.Get("Content-Encoding"), "deflate"):
		return zlib.NewReader(plain)
	}
	return plain, nil
}
