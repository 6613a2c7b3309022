// Package basemodel finds base models on this worker's disk and reads their properties. It
// opens nothing outside the configured folders, runs no code of a model and unpickles
// nothing.
package basemodel

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

const opFind = "find base model"

// Place is the location of one model.
type Place struct {
	Path     string // absolute
	Repo     string // on Hugging Face; may be empty
	Revision string // commit; empty = the hash of the files
}

// Models are the base models of this worker.
type Models struct {
	places map[string]Place
	dir    string

	hashing chan struct{} // held while hashing: the disk reads one model at a time well
	mu      sync.Mutex
	hashes  map[string]hashed // by folder
}

// hashed is the hash of a folder with this listing.
type hashed struct {
	look     string // names, sizes and times
	revision string
}

// New returns the models of the places, by the names that inputs use, and of the folders
// below dir, where the model org/name is in org/name; "" = none.
func New(places map[string]Place, dir string) *Models {
	return &Models{places: maps.Clone(places), dir: dir, hashing: make(chan struct{}, 1), hashes: map[string]hashed{}}
}

// Find returns a model that can be trained, with the revision that identifies its content:
// the configured commit, otherwise the hash of its files.
func (m *Models) Find(ctx context.Context, name string) (training.Model, error) {
	f, place, err := m.open(name)
	if err != nil {
		return training.Model{}, err
	}
	defer f.close()
	if err := f.check(); err != nil {
		return training.Model{}, err
	}
	if place.Revision == "" {
		if place.Revision, err = m.hash(ctx, f); err != nil {
			return training.Model{}, err
		}
	}
	return training.Model{Name: name, Repo: place.Repo, Revision: place.Revision, Path: f.path}, nil
}

// Shape reads the properties of a model. The model must be as Find returned it, here or on
// another worker: another revision under the same name is refused.
func (m *Models) Shape(ctx context.Context, model training.Model) (estimate.Shape, error) {
	found, err := m.Find(ctx, model.Name)
	if err != nil {
		return estimate.Shape{}, err
	}
	if found.Revision != model.Revision {
		return estimate.Shape{}, fault.New(fault.Input, "read base model", model.Name,
			"this worker has revision "+found.Revision+" and the job is for "+model.Revision+"; give all workers the same files, or start the job anew")
	}
	f, _, err := m.open(model.Name)
	if err != nil {
		return estimate.Shape{}, err
	}
	defer f.close()
	return f.shape()
}

// Known lists the names of the available models, sorted.
func (m *Models) Known() []string {
	names := slices.Collect(maps.Keys(m.places))
	if m.dir != "" {
		names = append(names, foldersBelow(m.dir)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// foldersBelow returns the folders that look like models, two levels deep.
func foldersBelow(dir string) (names []string) {
	for _, pattern := range []string{"*/config.json", "*/*/config.json"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			continue // dir contains a bracket; then nothing is listed
		}
		for _, path := range found {
			rel, err := filepath.Rel(dir, filepath.Dir(path))
			if err == nil && nameSyntax().MatchString(filepath.ToSlash(rel)) {
				names = append(names, filepath.ToSlash(rel))
			}
		}
	}
	return names
}

// nameSyntax prevents names from being a path elsewhere: no part begins with a dot.
func nameSyntax() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95}){0,3}$`)
}

// open finds the folder of a model.
func (m *Models) open(name string) (*folder, Place, error) {
	if !nameSyntax().MatchString(name) {
		return nil, Place{}, fault.New(fault.Input, opFind, name, "invalid model name; write it like HuggingFaceTB/SmolLM-135M")
	}
	if place, ok := m.places[name]; ok {
		f, err := openFolder(name, place.Path, linkRoot(place.Path))
		if errors.Is(err, fs.ErrNotExist) {
			err = fault.New(fault.Input, opFind, name, "the folder "+place.Path+" does not exist; correct cogflow.training.models")
		}
		return f, place, err
	}
	if m.dir != "" {
		f, err := openFolder(name, filepath.Join(m.dir, filepath.FromSlash(name)), m.dir)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, Place{}, err
		}
	}
	return nil, Place{}, m.unknown(name)
}

func (m *Models) unknown(name string) error {
	reason := "this worker has no such model"
	if known := m.Known(); len(known) > 0 {
		more := ""
		if len(known) > 20 {
			known, more = known[:20], ", …"
		}
		reason += "; supported: " + strings.Join(known, ", ") + more
	}
	reason += "; name its folder in cogflow.training.models"
	if m.dir != "" {
		reason += ", or download it to " + filepath.Join(m.dir, filepath.FromSlash(name))
	}
	return fault.New(fault.Input, opFind, name, reason)
}

// linkRoot is the folder that the links of a configured folder may lead to: the folder
// itself and, in a Hugging Face cache (models--…/snapshots/<commit>), also its blobs.
func linkRoot(path string) string {
	if parent := filepath.Dir(path); filepath.Base(parent) == "snapshots" {
		return filepath.Dir(parent)
	}
	return path
}

// openFolder opens a folder whose links, and those of its files, stay below root.
func openFolder(name, path, root string) (*folder, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, fault.Disk(opFind, name, err)
	}
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fault.Disk(opFind, name, err)
	}
	rel, err := filepath.Rel(root, path)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, fault.New(fault.Input, opFind, name, "its folder is a link that leads out of the folder of models")
	}
	top, err := os.OpenRoot(root)
	if err != nil {
		return nil, fault.Disk(opFind, name, err)
	}
	f := &folder{name: name, path: path, root: top, rel: rel}
	if err := f.list(); err != nil {
		return nil, errors.Join(err, top.Close())
	}
	return f, nil
}
