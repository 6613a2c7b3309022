package basemodel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training/estimate"
)

// Limits of a model's folder.
const (
	maxText  = 32 << 20 // of config.json and of the index of weights, bytes
	maxFiles = 2000     // of one folder
	maxDepth = 4
)

// folder is the open folder of a model. Its files are opened through root, so that no link
// leads out of it, even if the folder changes meanwhile.
type folder struct {
	name   string // of the model, for errors
	path   string // links resolved
	root   *os.Root
	rel    string // of the folder below root
	files  []file // that determine the model, sorted by name
	pickle string // a file that torch or numpy could unpickle; empty = none
}

type file struct {
	name string // relative to the folder, slash-separated
	info fs.FileInfo
}

func (f *folder) close() { _ = f.root.Close() } // it was only read

func (f *folder) bad(reason string, args ...any) error {
	return fault.New(fault.Input, opFind, f.name, fmt.Sprintf(reason, args...))
}

// list finds the files, also below the folder, where sentence-transformers keeps
// its modules.
func (f *folder) list() error {
	if err := f.listIn("."); err != nil {
		return err
	}
	slices.SortFunc(f.files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (f *folder) listIn(dir string) error {
	d, err := f.root.Open(filepath.Join(f.rel, dir))
	if err != nil {
		return f.broken(dir, err)
	}
	entries, err := d.ReadDir(maxFiles)
	if err = errors.Join(ignoreEOF(err), d.Close()); err != nil {
		return f.broken(dir, err)
	}
	if len(entries) == maxFiles {
		return f.bad("its folder holds more than %d files", maxFiles)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		info, err := f.root.Stat(filepath.Join(f.rel, name)) // follows links, but not out of the folder
		switch {
		case err != nil:
			return f.broken(name, err)
		case info.IsDir():
			if strings.Count(name, "/") > maxDepth {
				return f.bad("its folder is too deep at %q", name)
			}
			if err := f.listIn(name); err != nil {
				return err
			}
		case isPickle(name):
			f.pickle = name
		case decides(name):
			if !info.Mode().IsRegular() {
				return f.bad("%q is not a regular file", name)
			}
			f.files = append(f.files, file{name, info})
		}
	}
	return nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// broken explains why something in the folder cannot be read.
func (f *folder) broken(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.bad("%q is a link to nothing; fetch the model's files themselves", name)
	case errors.Is(err, fs.ErrPermission):
		return f.bad("%q may not be read by this worker", name)
	case strings.Contains(err.Error(), "path escapes from parent"):
		return f.bad("%q is a link that leads out of the model's folder", name)
	}
	return fault.Disk(opFind, f.name, err)
}

// decides reports whether a file determines what the model computes. Hidden files and
// exports for other programs do not.
func decides(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	if strings.HasPrefix(name, ".") || strings.Contains(name, "/.") || slices.Contains([]string{"onnx", "openvino", "original"}, first) {
		return false
	}
	switch path.Ext(name) {
	case ".safetensors", ".json", ".jinja", ".model":
		return true
	}
	return path.Base(name) == "vocab.txt" || path.Base(name) == "merges.txt"
}

func (f *folder) has(names ...string) bool {
	return slices.ContainsFunc(f.files, func(x file) bool { return slices.Contains(names, x.name) })
}

// check refuses a model that cannot be trained, before anything large is read.
func (f *folder) check() error {
	if !f.has("config.json") && f.has("adapter_config.json") {
		return f.bad("its folder %s holds an adapter and not a model; name the base model of the adapter, or a model that has it merged in", f.path)
	}
	if !f.has("config.json") {
		return f.bad("its folder %s has no config.json", f.path)
	}
	if f.pickle != "" {
		return f.bad("%.100q may hold pickled code; convert the weights to safetensors and keep nothing else in the folder", f.pickle)
	}
	if len(f.weights()) == 0 {
		return f.bad("its folder %s has no safetensors weights", f.path)
	}
	if !f.has("tokenizer_config.json") {
		return f.bad("its folder %s has no tokenizer_config.json", f.path)
	}
	if !f.has("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.txt", "vocab.json") {
		return f.bad("its folder %s has no tokenizer (tokenizer.json, tokenizer.model, vocab.txt)", f.path)
	}
	for _, name := range []string{"config.json", "tokenizer_config.json"} {
		if err := f.noCode(name); err != nil {
			return err
		}
	}
	return nil
}

// noCode refuses a folder that requires running its own code.
func (f *folder) noCode(name string) error {
	text, err := f.text(name)
	if err != nil {
		return err
	}
	var keys map[string]json.RawMessage
	if err := strictjson.Unmarshal(text, &keys); err != nil {
		return f.bad("%q is not a JSON object: %s", name, err)
	}
	if code, ok := keys["auto_map"]; ok {
		if _, tasks := keys["lora_adaptations"]; tasks && bytes.Contains(code, []byte("xlm-roberta-flash-implementation")) {
			return f.bad("%q asks to run code of its own (auto_map), which is never done; use jinaai/jina-embeddings-v3-hf, the same model without code", name)
		}
		return f.bad("%q asks to run code of its own (auto_map), which is never done; use a model that transformers knows, or remove the key if it is one", name)
	}
	return nil
}

// isPickle recognizes formats that run code when they are read, and weights that are not
// safetensors: the trainer refuses a folder with any.
func isPickle(name string) bool {
	refused := []string{".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5"}
	return slices.Contains(refused, strings.ToLower(path.Ext(name)))
}

// weights returns all safetensors files at the top of the folder; those of modules below
// belong to sentence-transformers.
func (f *folder) weights() (names []string) {
	for _, x := range f.files {
		if path.Ext(x.name) == ".safetensors" && path.Dir(x.name) == "." {
			names = append(names, x.name)
		}
	}
	return names
}

// shape reads config.json and the headers of the weights that transformers would load:
// model.safetensors, otherwise those that the index names.
func (f *folder) shape() (estimate.Shape, error) {
	config, err := f.text("config.json")
	if err != nil {
		return estimate.Shape{}, err
	}
	names := []string{"model.safetensors"}
	if !f.has(names...) {
		if !f.has("model.safetensors.index.json") {
			return estimate.Shape{}, f.bad("it has neither model.safetensors nor model.safetensors.index.json beside %s", strings.Join(f.weights(), ", "))
		}
		index, err := f.text("model.safetensors.index.json")
		if err != nil {
			return estimate.Shape{}, err
		}
		if names, err = estimate.SafetensorsIndex(index); err != nil {
			return estimate.Shape{}, err
		}
	}
	var files []estimate.WeightFile
	for _, name := range names {
		w, err := f.root.Open(filepath.Join(f.rel, name))
		if errors.Is(err, fs.ErrNotExist) {
			return estimate.Shape{}, f.bad("its index names %q, which does not exist", name)
		}
		if err != nil {
			return estimate.Shape{}, f.broken(name, err)
		}
		defer w.Close()
		info, err := w.Stat()
		if err != nil {
			return estimate.Shape{}, f.broken(name, err)
		}
		files = append(files, estimate.WeightFile{Name: path.Join(f.name, name), Data: w, Size: info.Size()})
	}
	return estimate.ReadShape(config, files)
}

func (f *folder) text(name string) ([]byte, error) {
	r, err := f.root.Open(filepath.Join(f.rel, name))
	if err != nil {
		return nil, f.broken(name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return nil, f.broken(name, err)
	}
	if len(data) > maxText {
		return nil, f.bad("%q is larger than %d MiB", name, maxText>>20)
	}
	return data, nil
}
