package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
)

// largeFile is the minimum size of a file whose progress is shown.
const largeFile = 32 << 20 // bytes

// withProgress shows the progress of reading a large file, and stops when ctx ends.
func withProgress(ctx context.Context, v cli.View, r io.Reader, name string, size int64) io.Reader {
	m := &progressReader{ctx: ctx, r: r, name: name, size: size}
	if size >= largeFile {
		m.task = cli.NewTask(v, name)
	}
	return m
}

// progressReader is a reader that shows its progress.
type progressReader struct {
	ctx  context.Context //nolint:containedctx // io.Reader takes no context
	r    io.Reader
	task *cli.Task // nil = a small file
	name string
	done int64
	size int64
}

func (m *progressReader) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.done += int64(n)
	if m.task != nil {
		text := fmt.Sprintf("%s of %s", humanize.IBytes(uint64(m.done)), humanize.IBytes(uint64(m.size)))
		m.task.Set(int(m.done>>10), int(m.size>>10), text, m.name+": "+text)
		if err != nil {
			m.task.End()
		}
	}
	return n, err
}

// withClass adds a class to an error, unless it is a fault.Error or an interrupt.
func withClass(op, name string, err error) error {
	if fault.ClassOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Disk(op, name, err)
}
