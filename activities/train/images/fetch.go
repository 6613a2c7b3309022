package images

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// atOnce is how many images are fetched at the same time.
const atOnce = 8

// Fetch brings the images of files of canonical rows into a folder of dir, and returns it; empty
// if the rows have none. Those that are there already are not fetched again.
func Fetch(ctx context.Context, s activities.Store, t tenant.ID, dir string, files ...*training.File) (folder string, err error) {
	group, within := panics.WithContext(ctx)
	group.SetLimit(atOnce)
	seen := map[string]bool{}
	each := func(sum string) error {
		if seen[sum] {
			return nil
		}
		if folder == "" {
			folder = filepath.Join(dir, "images")
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return fault.Disk("make the folder of images in", dir, err)
			}
		}
		seen[sum] = true
		to := filepath.Join(folder, sum)
		if _, err := os.Stat(to); err != nil {
			group.Go(func() error { return fetch(within, s, training.ImageKey(t, sum), sum, to) })
		}
		return within.Err()
	}
	for _, f := range files {
		if f != nil && err == nil {
			err = named(f.Path, each)
		}
	}
	if failed := group.Wait(); failed != nil {
		err = failed
	}
	return folder, err
}

func fetch(ctx context.Context, s activities.Store, key, sum, to string) error {
	err := activities.FetchObject(ctx, s, key, to)
	if activities.Absent(err) {
		err = fault.Wrap(fault.Input, "read image", sum, err)
	}
	return err
}

// named calls each with the images of the rows of a file.
func named(file string, each func(sum string) error) error {
	in, err := os.Open(file)
	if err != nil {
		return fault.Disk("read dataset", file, err)
	}
	defer in.Close()
	lines := bufio.NewReaderSize(in, rows.ReadAhead)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fault.Disk("read dataset", file, err)
		}
		if bytes.Contains(line, []byte(`"image":"`)) { // a text has its quotes escaped
			row, err := rows.ReadRow(line)
			if err != nil {
				return err
			}
			for _, sum := range row.ImagesOf() {
				if err := each(sum); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return nil
		}
	}
}
