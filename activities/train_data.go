package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	URI  string            `json:"uri,omitempty"` // path, file://, s3://, https://, or dataset:<sha256> of an upload
	Rows []json.RawMessage `json:"rows,omitempty"`
}

// UploadScheme is the scheme of datasets that `cogflow` has uploaded.
const UploadScheme = "dataset:"

// PrepareInput asks for datasets to be checked and brought into canonical form.
type PrepareInput struct {
	Tenant  tenant.ID             `json:"tenant"`
	Train   Dataset               `json:"dataset"`
	Eval    *Dataset              `json:"eval_dataset,omitempty"`
	Options training.CheckOptions `json:"options"`
}

// Prepared names the canonical rows and says what was found.
type Prepared struct {
	Train training.File  `json:"train"`
	Eval  *training.File `json:"eval,omitempty"`
	Check training.Check `json:"check"`
}

// PrepareDataset checks a dataset before any GPU is taken, and stores its rows
// under their hash in the one form that the trainer reads.
func (a *Train) PrepareDataset(ctx context.Context, in PrepareInput) (Prepared, error) {
	stop := heartbeat(ctx, func() any { return nil })
	defer stop()
	dir, err := os.MkdirTemp(a.Scratch, "dataset-")
	if err != nil {
		return Prepared{}, fault.Wrap(fault.Capacity, "prepare dataset", "", err)
	}
	defer os.RemoveAll(dir)
	source, name, closeSource, err := a.document(ctx, in.Tenant, in.Train)
	if err != nil {
		return Prepared{}, err
	}
	defer closeSource()
	var held training.Source
	if in.Eval != nil {
		open, evalName, closeEval, err := a.document(ctx, in.Tenant, *in.Eval)
		if err != nil {
			return Prepared{}, err
		}
		defer closeEval()
		held = training.Source{Name: evalName, Open: open}
	}
	train, eval, err := scratchFiles(dir)
	if err != nil {
		return Prepared{}, err
	}
	defer train.Close()
	defer eval.Close()
	check, err := training.Prepare(ctx, training.Source{Name: name, Open: source}, held, in.Options, train, eval)
	if err != nil {
		return Prepared{}, err
	}
	out := Prepared{Check: check, Train: check.TrainFile}
	if err := a.keepRows(ctx, in.Tenant, train, out.Train); err != nil {
		return Prepared{}, err
	}
	if check.EvalFile != nil {
		out.Eval = check.EvalFile
		err = a.keepRows(ctx, in.Tenant, eval, *out.Eval)
	}
	return out, err
}

func scratchFiles(dir string) (train, eval *os.File, err error) {
	if train, err = os.CreateTemp(dir, "train-"); err == nil {
		eval, err = os.CreateTemp(dir, "eval-")
	}
	return train, eval, fault.Wrap(fault.Capacity, "prepare dataset", dir, err)
}

// document opens what a dataset names. It can be read several times.
func (a *Train) document(ctx context.Context, t tenant.ID, d Dataset) (open func() (io.ReadCloser, error), name string, closeAll func(), err error) {
	nothing := func() {}
	if len(d.Rows) > 0 {
		rows, err := json.Marshal(d.Rows)
		if err != nil {
			return nil, "", nothing, fault.Wrap(fault.Input, "read dataset", "rows", err)
		}
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(rows)), nil }, "rows of the input", nothing, nil
	}
	if sum, ok := strings.CutPrefix(d.URI, UploadScheme); ok {
		return a.upload(ctx, t, d.URI, sum)
	}
	file, name, err := a.Documents.Open(ctx, t, d.URI)
	if err != nil {
		return nil, "", nothing, err
	}
	open = func() (io.ReadCloser, error) {
		_, err := file.Seek(0, io.SeekStart)
		return io.NopCloser(file), fault.Wrap(fault.Transport, "read dataset", name, err)
	}
	return open, name, func() { _ = file.Close() }, nil
}

// upload opens a dataset that lies in the store already.
func (a *Train) upload(ctx context.Context, t tenant.ID, uri, sum string) (open func() (io.ReadCloser, error), name string, closeAll func(), err error) {
	nothing := func() {}
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return nil, "", nothing, fault.New(fault.Input, "read dataset", uri, "want dataset: and 64 hexadecimal digits")
	}
	key := training.UploadKey(t, sum)
	if _, err := a.Store.Stat(ctx, key); errors.Is(err, object.ErrNotFound) {
		key = training.DatasetKey(t, sum)
		if _, err := a.Store.Stat(ctx, key); errors.Is(err, object.ErrNotFound) {
			return nil, "", nothing, fault.New(fault.Input, "read dataset", uri, "nothing was uploaded under this hash for tenant "+string(t))
		}
	}
	return func() (io.ReadCloser, error) { r, _, err := a.Store.Get(ctx, key); return r, err }, uri, nothing, nil
}

// keepRows stores canonical rows. Equal rows have one key, so a repeat is harmless.
func (a *Train) keepRows(ctx context.Context, t tenant.ID, rows *os.File, is training.File) error {
	if _, err := rows.Seek(0, io.SeekStart); err != nil {
		return fault.Wrap(fault.Capacity, "prepare dataset", rows.Name(), err)
	}
	_, err := a.Store.Put(ctx, training.DatasetKey(t, is.SHA256), rows)
	return err
}
