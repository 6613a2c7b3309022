package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// visible lists what a child may read besides the system: the folders of its program
// and what c.Read names. A program beside something private is visible by itself; a
// folder that holds something private is refused.
func (s *Sandbox) visible(c Command) ([]string, error) {
	var paths []string
	if program, err := filepath.EvalSymlinks(c.Path); err == nil {
		for _, file := range []string{program, c.Path} {
			path := filepath.Dir(file)
			if s.holds(path) != "" {
				path = file
			}
			if !strings.HasPrefix(path+"/", "/usr/") && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	for _, path := range c.Read {
		if private := s.holds(path); private != "" {
			return nil, fault.New(fault.Input, "confine program", c.Path,
				"it would see "+path+", which holds "+private+"; put what it reads into a folder of its own")
		}
	}
	return append(paths, c.Read...), nil
}

// holds returns the private path that path is or contains; "" = none.
func (s *Sandbox) holds(path string) string {
	if resolved(path) == "/" {
		return "/"
	}
	for _, private := range s.private {
		if within(private, path) || within(resolved(private), resolved(path)) {
			return private
		}
	}
	return ""
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return filepath.Clean(path)
}

// Installation is the folder that has what a program loads: of a program in a bin
// folder that above it, if modules lie there as in a Python environment; else its own.
func Installation(program string) string {
	dir := filepath.Dir(program)
	above := filepath.Dir(dir)
	if filepath.Base(dir) != "bin" {
		return dir
	}
	if _, err := os.Stat(filepath.Join(above, "pyvenv.cfg")); err == nil {
		return above
	}
	if modules, err := filepath.Glob(filepath.Join(above, "lib*", "python*")); err == nil && len(modules) > 0 {
		return above
	}
	return dir
}
