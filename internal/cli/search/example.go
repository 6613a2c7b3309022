package search

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/picture"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// exampleFlags are the flags of a search by example.
type exampleFlags struct {
	file string
	jpeg []byte // of the file
}

func (f *exampleFlags) add(cmd *cobra.Command, in *ingest.SearchInput) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "image", "", "find what looks like this picture, a JPEG, PNG or WebP file; requires a profile that embeds pictures")
	flags.StringVar(&in.Like, "like", "", "find what is like this hit: an id of search --json; its stored embedding is compared, which costs nothing")
}

// read completes the input of a search, and reads the picture.
func (f *exampleFlags) read(in *ingest.SearchInput, ranked bool) error {
	if in.Query == "" && in.Like == "" && f.file == "" {
		return cli.Usage("nothing to search for: give words, --image FILE or --like ID")
	}
	if in.Like != "" && f.file != "" {
		return cli.Usage("--image and --like exclude each other: search by one of them")
	}
	if f.file != "" {
		data, err := contents(f.file)
		if err == nil {
			f.jpeg, err = picture.JPEG(f.file, data, video.MaxExample)
		}
		if err != nil {
			return err
		}
		sum := sha256.Sum256(f.jpeg)
		in.Image = hex.EncodeToString(sum[:])
	}
	if !ranked {
		in.Rank = string(in.DefaultRank(in.Query))
	}
	return in.Fits(in.Query, video.Rank(in.Rank))
}

// contents reads a file of a user, up to one byte more than a picture may have.
func contents(path string) ([]byte, error) {
	const op = "read picture"
	switch info, err := os.Stat(path); { // a pipe would be waited for when it is opened
	case err != nil:
		return nil, fault.Disk(op, path, err)
	case info.IsDir():
		return nil, fault.New(fault.Input, op, path, "is a directory, not a picture")
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Input, op, path, "is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Disk(op, path, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, picture.MaxFile+1))
	if err != nil {
		return nil, fault.Disk(op, path, err)
	}
	return data, nil
}

// store uploads the picture, from where workers read it: inputs and histories hold its hash only.
func (a app) store(ctx context.Context, f exampleFlags, in ingest.SearchInput) error {
	if in.Image == "" {
		return nil
	}
	store, err := a.Store(ctx)
	if err != nil {
		return err
	}
	key := video.ExampleKey(tenant.ID(in.Tenant), video.ID(in.Image))
	_, err = store.Stat(ctx, key)
	if errors.Is(err, object.ErrNotFound) || errors.Is(err, object.ErrCorrupt) {
		_, err = store.Put(ctx, key, bytes.NewReader(f.jpeg))
	}
	return err
}

// label says what is searched, for people.
func (f *exampleFlags) label(in ingest.SearchInput) string {
	label := in.Query
	if label != "" && in.Given() {
		label += ", "
	}
	switch {
	case f.file != "":
		label += "like " + filepath.Base(f.file)
	case in.Like != "":
		label += "like " + in.Like
	}
	return label
}
