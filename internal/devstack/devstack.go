// Package devstack lets the programs of one machine find each other: `make up` writes a
// note beside its state with the address of its server and the configuration of its worker,
// and cogflow looks for it from the working directory upward. The note holds places and
// names, never keys.
package devstack

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
)

// Dir is the folder that holds the state of a stack, in the folder where it was started.
const Dir = ".cogflow"

const (
	name    = "stack.json"
	maxNote = 1 << 20 // bytes
)

// Stack is a running (or killed) `make up`.
type Stack struct {
	PID int `json:"pid"` // of the process that started it
	// Environment is what another program needs to use the same server, store and
	// configuration: TEMPORAL_ADDRESS, COGNIVERSE_CONFIG, COGFLOW_STORE, … with absolute
	// paths.
	Environment map[string]string `json:"environment"`

	Root string `json:"-"` // the folder in which it was started; set by Find
}

// Write writes the note of a stack that was started in a folder. remove deletes it, unless
// a later stack has replaced it.
func Write(root string, s Stack) (remove func() error, err error) {
	path := filepath.Join(root, Dir, name)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fault.Disk("write stack", path, err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), name+".*")
	if err != nil {
		return nil, fault.Disk("write stack", path, err)
	}
	_, err = temporary.Write(append(data, '\n'))
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return nil, fault.Disk("write stack", path, errors.Join(err, os.Remove(temporary.Name())))
	}
	return func() error {
		if now, err := read(path); err != nil || now.PID != s.PID {
			return nil //nolint:nilerr // it belongs to another stack now, or was removed by hand
		}
		return fault.Disk("remove stack", path, os.Remove(path))
	}, nil
}

// Find looks for a note in a folder and those above it. ok is false if there is none.
func Find(from string) (s Stack, ok bool, err error) {
	dir, err := filepath.Abs(from)
	if err != nil {
		return Stack{}, false, err
	}
	for {
		s, err := read(filepath.Join(dir, Dir, name))
		if err == nil {
			s.Root = dir
			return s, true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return Stack{}, false, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return Stack{}, false, nil
		}
		dir = parent
	}
}

// read reads a note of this user: a note of another user in a shared folder above must not
// decide where commands are sent.
func read(path string) (Stack, error) {
	info, err := os.Lstat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return Stack{}, fs.ErrNotExist
		}
		return Stack{}, fault.Disk("read stack", path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxNote || !own(info) {
		return Stack{}, fs.ErrNotExist
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Stack{}, fault.Disk("read stack", path, err)
	}
	var s Stack
	if err := strictjson.Unmarshal(data, &s, strictjson.AllowUnknown); err != nil {
		return Stack{}, fault.Wrap(fault.Input, "read stack", path, err)
	}
	return s, nil
}

// Getenv reads the environment first, then the stack.
func (s Stack) Getenv(getenv func(string) string) func(string) string {
	return func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return s.Environment[name]
	}
}

// Differs lists the variables that the environment sets to another value than the stack,
// sorted.
func (s Stack) Differs(getenv func(string) string) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		if v := getenv(name); v != "" && v != s.Environment[name] {
			names = append(names, name)
		}
	}
	return names
}
