package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

const (
	maxManifest = 256 << 20 // bytes
	maxLine     = 16 << 10  // bytes; the longest path with every byte escaped
)

// readManifest yields the URI of each line, as returned by resolve. Relative paths start
// at the directory of the manifest. readManifest does not check that a video exists: a
// missing video fails by itself, and only an invalid line fails the manifest.
func readManifest(ctx context.Context, f *os.File, path string, resolve func(line string) (string, error), yield func(uri string) error) error {
	const op = "read manifest"
	if info, err := f.Stat(); err != nil {
		return explain(op, path, err)
	} else if info.Size() > maxManifest {
		return fault.New(fault.Input, op, path, "larger than 256 MiB; split it")
	}
	lines := bufio.NewReaderSize(io.LimitReader(f, maxManifest+1), maxLine) // the file may grow while it is read
	for number, size := 1, 0; ; number++ {
		line, err := lines.ReadSlice('\n')
		at := fmt.Sprintf("%s:%d", path, number)
		if size += len(line); size > maxManifest {
			return fault.New(fault.Input, op, at, "larger than 256 MiB; split it")
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return fault.New(fault.Input, op, at,
				"not a UTF-8 text file; a manifest has one path or URI per line, and the name of a video must have a video extension")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return fault.New(fault.Input, op, at, "the line is longer than 16 KiB")
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return explain(op, path, err)
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\uFEFF"))
		}
		if err := yieldLine(ctx, string(bytes.TrimSpace(line)), at, resolve, yield); err != nil {
			return err
		}
		if err != nil {
			return nil //nolint:nilerr // io.EOF: the last line has no line break
		}
	}
}

func yieldLine(ctx context.Context, line, at string, resolve func(string) (string, error), yield func(uri string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if line == "" || line[0] == '#' {
		return nil
	}
	uri, err := resolve(line)
	if err != nil {
		return &fault.Error{Class: fault.Input, Op: "read manifest", Subject: at, Err: err}
	}
	return yield(uri)
}

// resolveLine resolves the lines of a manifest on a local disk.
func resolveLine(path string) func(line string) (string, error) {
	return func(line string) (string, error) {
		m := scheme.FindStringSubmatch(line)
		if m != nil && !strings.EqualFold(m[1]+m[2], "file") {
			return line, nil // opening it checks whether it may be read
		}
		if m == nil && !filepath.IsAbs(line) {
			line = filepath.Join(filepath.Dir(path), line)
		}
		file, err := parse("read manifest", line)
		return toURI(file), err
	}
}
