package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPureStartsNoGoroutine: packages that the Makefile tests without the race detector start
// no goroutine and share no memory between goroutines.
func TestPureStartsNoGoroutine(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "make", "-s", "--no-print-directory", "-C", "..", "print-pure")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=") // `make test` may run this test
	named, err := cmd.Output()
	require.NoError(t, err)
	require.Contains(t, string(named), "./prompt/mipro/search")
	for dir := range strings.FieldsSeq(string(named)) {
		files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			for _, i := range file.Imports {
				require.NotContains(t, []string{`"sync"`, `"sync/atomic"`}, i.Path.Value, path)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				_, starts := n.(*ast.GoStmt)
				require.False(t, starts, "%s starts a goroutine", path)
				return true
			})
		}
	}
}
