package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// open opens a regular file or a directory that the tenant may read. With roots, it
// resolves links first and opens the result below its root without following links out of
// the root, so that a change of a link in between does not circumvent the check.
func (s *Sources) open(op string, t tenant.ID, path string) (*os.File, error) {
	f, err := s.openAllowed(op, t, path)
	if err != nil {
		return nil, err
	}
	if err := s.own.checkFile(op, path, f); err != nil {
		_ = f.Close() // nothing was written; the reason is the other error
		return nil, err
	}
	return f, nil
}

func (s *Sources) openAllowed(op string, t tenant.ID, path string) (*os.File, error) {
	if len(s.config.Roots) == 0 {
		if !s.config.AnyLocal {
			return nil, fault.New(fault.Input, op, path, "no directories are configured for sources; set "+configKey)
		}
		return openChecked(op, path, path, os.Stat, os.OpenFile)
	}
	outside := fault.New(fault.Input, op, path,
		"it is outside the directories of tenant "+string(t)+"; move it there or add its directory to "+configKey)
	roots, err := s.roots(op, t, path)
	if err != nil {
		return nil, err
	}
	if !insideByName(path, roots, s.local[t]) {
		return nil, outside // before any check whether it exists
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, explain(op, path, err)
	}
	for _, root := range roots {
		rel, ok := below(root, resolved)
		if !ok {
			continue
		}
		dir, err := os.OpenRoot(root)
		if err != nil {
			return nil, explain(op, root, err)
		}
		defer dir.Close()
		return openChecked(op, path, rel, dir.Stat, dir.OpenFile)
	}
	return nil, outside
}

// roots returns the tenant's roots with their own links resolved. A root that does not
// exist now is left out.
func (s *Sources) roots(op string, t tenant.ID, path string) ([]string, error) {
	var resolved []string
	for _, root := range s.local[t] {
		switch r, err := filepath.EvalSymlinks(root); {
		case err == nil:
			resolved = append(resolved, r)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, explain(op, root, err)
		}
	}
	if len(resolved) == 0 {
		return nil, fault.New(fault.Input, op, path, "tenant "+string(t)+" has no existing directory in "+configKey)
	}
	return resolved, nil
}

func insideByName(path string, lists ...[]string) bool {
	for _, roots := range lists {
		for _, root := range roots {
			if _, ok := below(root, path); ok {
				return true
			}
		}
	}
	return false
}

// below returns path relative to root if it does not lead out of it.
func below(root, path string) (string, bool) {
	rel, err := filepath.Rel(root, path)
	return rel, err == nil && filepath.IsLocal(rel)
}

// openChecked checks the kind of file before it opens it, because opening a device can have
// side effects, and again afterwards, because the file may have been replaced. It does not
// wait for the writer of a FIFO.
func openChecked(op, path, name string, stat func(string) (os.FileInfo, error),
	open func(string, int, os.FileMode) (*os.File, error),
) (*os.File, error) {
	info, err := stat(name)
	if err != nil {
		return nil, explain(op, path, err)
	}
	if err := checkMode(op, path, info.Mode()); err != nil {
		return nil, err
	}
	f, err := open(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, explain(op, path, err)
	}
	if info, err = f.Stat(); err != nil {
		err = explain(op, path, err)
	} else {
		err = checkMode(op, path, info.Mode())
	}
	if err != nil {
		_ = f.Close() // nothing was written; the reason is the other error
		return nil, err
	}
	return f, nil
}

func checkMode(op, path string, mode os.FileMode) error {
	kind := "not a file"
	switch {
	case mode.IsRegular() || mode.IsDir():
		return nil
	case mode&os.ModeNamedPipe != 0:
		kind = "a FIFO"
	case mode&os.ModeSocket != 0:
		kind = "a socket"
	case mode&os.ModeDevice != 0:
		kind = "a device"
	}
	return fault.New(fault.Input, op, path, "it is "+kind+"; must be a regular file")
}

// explain returns the error of a path, with what to do. A path that is missing or not
// readable is an input error; any other error is classified as a disk error.
func explain(op, path string, err error) error {
	class, reason := fault.DiskClass(err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		class, reason = fault.Input, "file not found; check the path, and that it is mounted on the worker's machine"
		if target, linked := os.Readlink(path); linked == nil {
			reason = "the target of the link does not exist: " + printable(target)
		}
	case errors.Is(err, fs.ErrPermission):
		class, reason = fault.Input, "no permission; let the user of the worker read it and enter its directories"
	case errors.Is(err, syscall.ENAMETOOLONG):
		reason = "the path is too long"
	}
	return &fault.Error{Class: class, Op: op, Subject: path, Reason: reason, Err: cause(err)}
}

// cause removes the path from an error: the message has it already, quoted.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
