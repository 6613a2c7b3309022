// Package origin finds and fetches the published adapter that a training job continues. It
// knows no trainer and no workflow.
package origin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Wanted says what a job continues.
type Wanted struct {
	Ref    string                // NAME@VERSION; empty = nothing
	Method training.Method       // of the job
	Base   training.Model        // of the job
	LoRA   *training.LoRA        // shape by settings and defaults; nil = all weights are trained
	Given  training.LoRASettings // shape as far as settings name it
}

// Find returns the shape of the job's adapter, and the adapter that it continues: nil = none.
func Find(ctx context.Context, s activities.Store, t tenant.ID, w Wanted) (*training.LoRA, *training.Start, error) {
	if w.Ref == "" {
		return w.LoRA, nil, nil
	}
	named, err := training.ParseStart(w.Ref)
	if err != nil {
		return nil, nil, err
	}
	if w.LoRA == nil {
		return nil, nil, fault.New(fault.Input, "continue adapter", w.Ref, "requires LoRA, but use_lora is false")
	}
	registered := &registry.Adapters{Store: s}
	found, err := registered.ShowAdapter(ctx, registry.AdapterInput{Tenant: t, Name: named.Name, Version: named.Version})
	if err != nil {
		return nil, nil, err
	}
	shape, start, err := found.Continue(w.Method, w.Base, w.Given)
	return &shape, &start, err
}

// Fetch writes the weights that a job begins with to a folder; nil = fresh ones.
func Fetch(ctx context.Context, s activities.Store, t tenant.ID, from *training.Start, dir string) (*training.StartFile, error) {
	if from == nil {
		return nil, nil //nolint:nilnil // the job continues nothing
	}
	out := training.StartFile{Path: filepath.Join(dir, "start.safetensors"), SHA256: from.SHA256}
	if _, err := os.Stat(out.Path); err == nil {
		return &out, nil // checked before
	}
	key := training.AdapterPrefix(t, from.Name, from.Version) + training.AdapterWeights
	err := activities.FetchObject(ctx, s, key, out.Path)
	if activities.Absent(err) {
		err = fault.Wrap(fault.Input, "continue adapter", from.String(), err)
	}
	if err != nil {
		return nil, err
	}
	found, err := hashOf(out.Path)
	if err == nil && found != from.SHA256 {
		_ = os.Remove(out.Path)
		err = fault.New(fault.Input, "continue adapter", from.String(), "its weights have SHA-256 "+found+", the job expects "+from.SHA256)
	}
	return &out, err
}

func hashOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fault.Disk("read weights", path, err)
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), fault.Disk("read weights", path, err)
}
