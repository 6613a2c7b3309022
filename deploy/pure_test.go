package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPureStartsNoGoroutine: packages that the Makefile tests without the race detector start
// no goroutine and share no memory between goroutines.
func TestPureStartsNoGoroutine(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^PURE := (.+)$`).FindSubmatch(makefile)
	require.NotNil(t, line)
	for dir := range strings.FieldsSeq(string(line[1])) {
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
