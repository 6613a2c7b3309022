package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Dataset names rows: a place, or the rows themselves where they are few.
type Dataset struct {
	URI  string            `json:"uri,omitempty"`  // path, file://, s3://, https://, or dataset:<sha256> of an upload
	Name string            `json:"name,omitempty"` // of the file that was uploaded, for messages; empty = URI
	Rows []json.RawMessage `json:"rows,omitempty"`
}

// UploadScheme is the scheme of datasets that `cogflow` has uploaded.
const UploadScheme = "dataset:"

// PrepareInput asks for datasets to be checked and brought into canonical form.
type PrepareInput struct {
	Tenant          tenant.ID       `json:"tenant"`
	Method          training.Method `json:"method"`
	Train           Dataset         `json:"dataset"`
	Eval            *Dataset        `json:"eval_dataset,omitempty"`
	Seed            int64           `json:"seed"`
	MaxSeqLength    int             `json:"max_seq_length"`
	Loss            string          `json:"loss,omitempty"`             // of embedding
	ValidationShare *float64        `json:"validation_split,omitempty"` // nil = the default; 0 = hold out nothing
	AllowDropped    float64         `json:"allow_dropped,omitempty"`
	MinRows         int             `json:"min_rows,omitempty"`
}

func (in PrepareInput) options(name, evalName string) training.CheckOptions {
	o := training.CheckOptions{
		Name: name, EvalName: evalName, Method: in.Method, MaxSeqLength: in.MaxSeqLength,
		AllowDropped: in.AllowDropped, Seed: in.Seed,
	}
	if in.ValidationShare != nil {
		if o.ValidationShare = *in.ValidationShare; o.ValidationShare == 0 {
			o.ValidationShare = -1
		}
	}
	return o
}

// PrepareDataset checks a dataset before any GPU is taken, and stores its rows
// under their hash in the one form that the trainer reads.
func (a *Train) PrepareDataset(ctx context.Context, in PrepareInput) (training.Check, error) {
	source, name, closeSource, err := a.document(ctx, in.Tenant, in.Train)
	if err != nil {
		return training.Check{}, err
	}
	defer closeSource()
	var held training.Source
	evalName := ""
	if in.Eval != nil {
		open, of, closeEval, err := a.document(ctx, in.Tenant, *in.Eval)
		if err != nil {
			return training.Check{}, err
		}
		defer closeEval()
		held, evalName = open, of
	}
	dir, err := os.MkdirTemp(a.Scratch, "dataset-")
	if err != nil {
		return training.Check{}, fault.Wrap(fault.Capacity, "prepare dataset", "", err)
	}
	defer os.RemoveAll(dir)
	train, eval, err := scratchFiles(dir)
	if err != nil {
		return training.Check{}, err
	}
	defer train.Close()
	defer eval.Close()
	check, err := training.Prepare(ctx, in.options(name, evalName), source, held, train, eval)
	if err != nil {
		return training.Check{}, err
	}
	if err := in.enough(check, name); err != nil {
		return training.Check{}, err
	}
	if err := a.keepRows(ctx, in.Tenant, train, *check.TrainFile); err != nil || check.EvalFile == nil {
		return check, err
	}
	return check, a.keepRows(ctx, in.Tenant, eval, *check.EvalFile)
}

// enough refuses rows that are good, but too few or not what the loss needs.
func (in PrepareInput) enough(check training.Check, name string) error {
	switch rows := check.Train.Kept; {
	case rows < in.MinRows:
		return fault.New(fault.Input, "check dataset", name,
			fmt.Sprintf("too few rows to teach much: %d; add more, or set min_rows (now %d)", rows, in.MinRows))
	case in.Loss == "triplet" && check.Train.Format == training.FormatPair:
		return fault.New(fault.Input, "check dataset", name,
			`its rows have no "negative", which the triplet loss needs; add one to each, or set loss to "mnr"`)
	}
	return nil
}

func scratchFiles(dir string) (train, eval *os.File, err error) {
	if train, err = os.CreateTemp(dir, "train-"); err == nil {
		eval, err = os.CreateTemp(dir, "eval-")
	}
	return train, eval, fault.Wrap(fault.Capacity, "prepare dataset", dir, err)
}

// document opens what a dataset names. It can be read several times.
func (a *Train) document(ctx context.Context, t tenant.ID, d Dataset) (open training.Source, name string, closeAll func(), err error) {
	nothing := func() {}
	if len(d.Rows) > 0 {
		rows, err := json.Marshal(d.Rows)
		if err != nil {
			return nil, "", nothing, fault.Wrap(fault.Input, "read dataset", "rows", err)
		}
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(rows)), nil }, "rows of the input", nothing, nil
	}
	if sum, ok := strings.CutPrefix(d.URI, UploadScheme); ok {
		open, err := a.upload(ctx, t, d.URI, sum)
		return open, cmp.Or(d.Name, d.URI), nothing, err
	}
	file, name, err := a.Documents.Open(ctx, t, d.URI)
	if err != nil {
		return nil, "", nothing, ofDataset(err)
	}
	open = func() (io.ReadCloser, error) {
		_, err := file.Seek(0, io.SeekStart)
		return io.NopCloser(file), fault.Wrap(fault.Transport, "read dataset", name, err)
	}
	return open, name, func() { _ = file.Close() }, nil
}

// ofDataset makes a fault of a file that could not be opened one of the dataset:
// whoever opens files speaks of videos.
func ofDataset(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	about := *f
	about.Op, about.Reason = "read dataset", strings.ReplaceAll(f.Reason, "video file", "file")
	return &about
}

// upload opens a dataset that lies in the store already.
func (a *Train) upload(ctx context.Context, t tenant.ID, uri, sum string) (training.Source, error) {
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return nil, fault.New(fault.Input, "read dataset", uri, "want dataset: and 64 hexadecimal digits")
	}
	key := training.UploadKey(t, sum)
	if _, err := a.Store.Stat(ctx, key); errors.Is(err, object.ErrNotFound) {
		key = training.DatasetKey(t, sum)
		if _, err := a.Store.Stat(ctx, key); errors.Is(err, object.ErrNotFound) {
			return nil, fault.New(fault.Input, "read dataset", uri, "nothing was uploaded under this hash for tenant "+string(t))
		}
	}
	return func() (io.ReadCloser, error) { r, _, err := a.Store.Get(ctx, key); return r, err }, nil
}

// keepRows stores canonical rows. Equal rows have one key, so a repeat is harmless.
func (a *Train) keepRows(ctx context.Context, t tenant.ID, rows *os.File, is training.File) error {
	if _, err := rows.Seek(0, io.SeekStart); err != nil {
		return fault.Wrap(fault.Capacity, "prepare dataset", rows.Name(), err)
	}
	_, err := a.Store.Put(ctx, training.DatasetKey(t, is.SHA256), rows)
	return err
}
