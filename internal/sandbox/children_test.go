package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChildrenEndWithWorker: a worker starts children only in this package, or in files that
// set a parent-death signal and a process group themselves.
func TestChildrenEndWithWorker(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"internal/sandbox/process.go",         // every child of a worker; see endWithParent
		"internal/trainer/trainer.go",         // only in tests, without a Sandbox; see attributes
		"internal/devserver/launch.go",        // see attributes
		"internal/smallserver/smallserver.go", // see attributes
		"internal/modelserver/process.go",     // a keeper, which ends the server; see spawn
		"internal/modelserver/keep.go",        // the server itself; see child.Within
		"workers/dev.go",                      // the worker itself; see child.Attributes
		"workers/dev_gateway.go",              // the gateway, a program of cogflow
		"internal/cli/open.go",                // the command line: the browser outlives it
	}
	starts := regexp.MustCompile(`\bexec\.(Command|CommandContext)\(|&exec\.Cmd\{|\bos\.StartProcess\(|\bsyscall\.ForkExec\(`)
	root := filepath.Join("..", "..")
	for _, dir := range []string{"internal", "activities", "workers"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, e fs.DirEntry, err error) error {
			switch {
			case e != nil && errors.Is(err, fs.ErrNotExist): // other tests make and remove folders
				return nil
			case err != nil:
				return err
			case e.IsDir() && (e.Name() == "testdata" || strings.HasSuffix(e.Name(), "test")): // services for tests
				return filepath.SkipDir
			case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(path)
			name, _ := filepath.Rel(root, path)
			if starts.Match(text) && !slices.Contains(allowed, name) {
				t.Errorf("%s starts a child process directly: use sandbox.Tool", name)
			}
			return err
		}))
	}
}
