package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// visible lists what a child may read besides the system: the directories of its program
// and the paths in c.Read. If the directory of the program contains a private path, only
// the program itself is visible. A path in c.Read that contains a private path is refused.
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
				"it could read "+path+", which contains the private path "+private+"; move the files that it reads into a separate directory")
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

// Installation returns the directory with the files that a program loads. For a program in
// a bin directory of a Python environment that is the parent directory; otherwise it is the
// directory of the program.
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
