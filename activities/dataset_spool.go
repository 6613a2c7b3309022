package activities

import (
	"bufio"
	"io"
	"os"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/table/parquet"
)

// keptOpen is a file that is closed by its owner, not by its reader.
type keptOpen struct{ *os.File }

func (keptOpen) Close() error { return nil }

// Spooled opens a dataset that must be read from any place, as Parquet is, from a copy in a
// folder if its source is a stream. The caller removes the folder.
func Spooled(dir string, open rows.Source) rows.Source {
	if open == nil {
		return nil
	}
	copied := ""
	return func() (io.ReadCloser, error) {
		if copied != "" {
			file, err := os.Open(copied)
			return file, fault.Disk("read dataset", copied, err)
		}
		stream, err := open()
		if _, seekable := stream.(io.ReaderAt); seekable || err != nil {
			return stream, err
		}
		head := bufio.NewReader(stream)
		if magic, _ := head.Peek(4); !parquet.Is(magic) { // the reader reports its errors again
			return struct {
				io.Reader
				io.Closer
			}{head, stream}, nil
		}
		defer stream.Close()
		file, err := spool(dir, head)
		if err == nil {
			copied = file.Name()
		}
		return file, err
	}
}

func spool(dir string, from io.Reader) (*os.File, error) {
	file, err := os.CreateTemp(dir, "dataset-")
	if err != nil {
		return nil, fault.Disk("read dataset into", dir, err)
	}
	if _, err = io.Copy(file, from); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, fault.Disk("read dataset into", dir, err)
	}
	return file, nil
}
