package sandbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChildrenAreTied: a worker starts children here, or where a parent-death signal and a
// process group are seen to by the file itself.
func TestChildrenAreTied(t *testing.T) {
	t.Parallel()
	tied := []string{
		"internal/sandbox/process.go",  // all that a worker runs; see tie
		"internal/trainer/trainer.go",  // without a Sandbox, which only tests are; see attributes
		"internal/devserver/launch.go", // see attributes
		"workers/dev.go",               // the worker itself; see childAttributes
		"internal/cli/open.go",         // of the command line: the browser outlives it
	}
	starts := regexp.MustCompile(`\bexec\.(Command|CommandContext)\(|&exec\.Cmd\{|\bos\.StartProcess\(|\bsyscall\.ForkExec\(`)
	root := filepath.Join("..", "..")
	for _, dir := range []string{"internal", "activities", "workers"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir() && (e.Name() == "testdata" || strings.HasSuffix(e.Name(), "test")): // services for tests
				return filepath.SkipDir
			case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(path)
			name, _ := filepath.Rel(root, path)
			if starts.Match(text) && !slices.Contains(tied, name) {
				t.Errorf("%s starts a child by itself: use sandbox.Tool", name)
			}
			return err
		}))
	}
}
