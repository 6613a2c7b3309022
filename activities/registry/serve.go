package registry

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// ServeInput names an adapter that a model server is to load or unload.
type ServeInput struct {
	AdapterInput
	Base string `json:"base_model"`
	Stop bool   `json:"stop,omitempty"`
}

// Served is the name under which it is served; empty = no server of this worker loads
// adapters of that base model.
type Served struct {
	Name string `json:"name,omitempty"`
}

// ServeAdapter loads an adapter into the model server of its base model, and proves that it
// answers.
func (a *Adapters) ServeAdapter(ctx context.Context, in ServeInput) (Served, error) {
	if a.Serving == nil || !a.Serving.Serves(ctx, in.Base) {
		return Served{}, nil
	}
	name := ServedName(in.Tenant, in.Name, in.Version)
	if in.Stop {
		return Served{}, a.Serving.Unload(ctx, in.Base, name)
	}
	m, _, err := ReadAdapter(ctx, a.Store, in.Tenant, in.Name, in.Version)
	if err != nil {
		return Served{}, err
	}
	if m.Kind != training.KindAdapter {
		return Served{}, fault.New(fault.Input, "serve adapter", name, "it is a whole model, not an adapter; start a server with it")
	}
	return Served{Name: name}, a.load(ctx, in.Tenant, in.Base, m)
}

// unpack writes the adapter's own files to a directory, atomically.
func (a *Adapters) unpack(ctx context.Context, m training.Adapter, prefix, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil // versions never change
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fault.Disk("unpack adapter", m.Name, err)
	}
	part, err := os.MkdirTemp(filepath.Dir(dir), ".part-")
	if err != nil {
		return fault.Disk("unpack adapter", m.Name, err)
	}
	defer os.RemoveAll(part)
	for _, f := range m.Files {
		if path.Dir(f.Name) != "." {
			continue
		}
		if err := activities.FetchFile(ctx, a.Store, prefix, f, part); err != nil {
			return err
		}
	}
	if err := os.Chmod(part, 0o755); err != nil {
		return fault.Disk("unpack adapter", m.Name, err)
	}
	err = os.Rename(part, dir)
	if errors.Is(err, os.ErrExist) {
		return nil // another attempt was faster
	}
	return fault.Disk("unpack adapter", m.Name, err)
}
