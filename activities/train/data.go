package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/images"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/rows"
)

// PrepareInput requests the check and the canonical form of datasets.
type PrepareInput struct {
	Tenant          tenant.ID           `json:"tenant"`
	Method          training.Method     `json:"method"`
	Train           activities.Dataset  `json:"dataset"`
	Eval            *activities.Dataset `json:"eval_dataset,omitempty"`
	Seed            int64               `json:"seed"`
	MaxSeqLength    int                 `json:"max_seq_length"`
	Loss            string              `json:"loss,omitempty"`             // of embedding
	Desirable       float64             `json:"desirable_weight,omitempty"` // of kto
	Undesirable     float64             `json:"undesirable_weight,omitempty"`
	ValidationShare *float64            `json:"validation_split,omitempty"` // nil = the default; 0 = hold out nothing
	AllowDropped    float64             `json:"allow_dropped,omitempty"`
	MinRows         int                 `json:"min_rows,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in PrepareInput) Owner() tenant.ID { return in.Tenant }

func (in PrepareInput) options(name, evalName string) dataset.CheckOptions {
	o := dataset.CheckOptions{
		Name: name, EvalName: evalName, Method: in.Method, MaxSeqLength: in.MaxSeqLength,
		AllowDropped: in.AllowDropped, Seed: in.Seed, DesirableWeight: in.Desirable, UndesirableWeight: in.Undesirable,
	}
	if in.ValidationShare != nil {
		if o.ValidationShare = *in.ValidationShare; o.ValidationShare == 0 {
			o.ValidationShare = -1
		}
	}
	return o
}

// PrepareDataset checks a dataset before any GPU is taken, and stores its rows under their
// hash in the form that the trainer reads.
func (a *Activities) PrepareDataset(ctx context.Context, in PrepareInput) (dataset.Check, error) {
	source, name, closeSource, err := activities.OpenDataset(ctx, a.Store, a.Documents, in.Tenant, in.Train)
	if err != nil {
		return dataset.Check{}, err
	}
	defer closeSource()
	var held rows.Source
	evalName := ""
	if in.Eval != nil {
		open, of, closeEval, err := activities.OpenDataset(ctx, a.Store, a.Documents, in.Tenant, *in.Eval)
		if err != nil {
			return dataset.Check{}, err
		}
		defer closeEval()
		held, evalName = open, of
	}
	dir, err := os.MkdirTemp(a.Scratch, "dataset-")
	if err != nil {
		return dataset.Check{}, fault.Disk("prepare dataset in", a.Scratch, err)
	}
	defer os.RemoveAll(dir)
	train, eval, err := scratchFiles(dir)
	if err != nil {
		return dataset.Check{}, err
	}
	defer train.Close()
	defer eval.Close()
	o := in.options(name, evalName)
	o.Images = images.Of(ctx, a.Store, a.Documents, in.Tenant, &in.Train)
	o.EvalImages = images.Of(ctx, a.Store, a.Documents, in.Tenant, in.Eval)
	check, err := dataset.Prepare(ctx, o, activities.Spooled(dir, source), activities.Spooled(dir, held), train, eval)
	if err != nil {
		return dataset.Check{}, err
	}
	if err := in.enough(check, name); err != nil {
		return dataset.Check{}, err
	}
	if err := a.keepRows(ctx, in.Tenant, train, *check.TrainFile); err != nil || check.EvalFile == nil {
		return check, err
	}
	return check, a.keepRows(ctx, in.Tenant, eval, *check.EvalFile)
}

// enough refuses valid rows if there are too few or the loss needs other fields.
func (in PrepareInput) enough(check dataset.Check, name string) error {
	switch kept := check.Train.Kept; {
	case kept < in.MinRows:
		return fault.New(fault.Input, "check dataset", name,
			fmt.Sprintf("too few rows to train on: %d; add more, or lower min_rows (now %d)", kept, in.MinRows))
	case in.Loss != "" && in.Loss != training.LateInteraction && check.Train.Images > 0:
		return fault.New(fault.Input, "check dataset", name,
			`its rows have images, which late-interaction models learn from; set loss to "late_interaction", with such a model as base_model`)
	case in.Loss == "triplet" && check.Train.Format == rows.FormatPair:
		return fault.New(fault.Input, "check dataset", name,
			`its rows have no "negative", which the triplet loss needs; add one to each, or set loss to "mnr"`)
	}
	return nil
}

func scratchFiles(dir string) (train, eval *os.File, err error) {
	if train, err = os.CreateTemp(dir, "train-"); err == nil {
		eval, err = os.CreateTemp(dir, "eval-")
	}
	return train, eval, fault.Disk("prepare dataset in", dir, err)
}

// keepRows stores canonical rows. Equal rows have one key, so a repeat is harmless.
func (a *Activities) keepRows(ctx context.Context, t tenant.ID, rows *os.File, is training.File) error {
	if _, err := rows.Seek(0, io.SeekStart); err != nil {
		return fault.Disk("prepare dataset", rows.Name(), err)
	}
	_, err := a.Store.Put(ctx, training.DatasetKey(t, is.SHA256), rows)
	return err
}

// StoreRowsInput holds rows that several runs read.
type StoreRowsInput struct {
	Tenant tenant.ID       `json:"tenant"`
	URI    string          `json:"uri"`  // UploadScheme and the SHA-256 of rows
	Rows   json.RawMessage `json:"rows"` // a list
}

// Owner is the tenant that the activity works for.
func (in StoreRowsInput) Owner() tenant.ID { return in.Tenant }

// NewStoreRows names rows by their hash, so that a workflow knows the name at once.
func NewStoreRows(t tenant.ID, rows []json.RawMessage) (StoreRowsInput, error) {
	data, err := json.Marshal(rows)
	return StoreRowsInput{Tenant: t, URI: activities.UploadScheme + hashOf(data), Rows: data}, err
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// StoreRows stores rows of an input as if they had been uploaded. Equal rows have one key,
// so a repeat is harmless.
func (a *Activities) StoreRows(ctx context.Context, in StoreRowsInput) error {
	id := hashOf(in.Rows)
	if in.URI != activities.UploadScheme+id {
		return fault.New(fault.Input, "store rows", in.URI, "it is not the hash of the rows")
	}
	_, err := a.Store.Put(ctx, training.UploadKey(in.Tenant, id), bytes.NewReader(in.Rows))
	return err
}
