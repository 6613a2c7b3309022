package fault_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNothingIsWrappedAsCapacity: work waits for capacity for ever, so an error has this class
// only where its cause is known. Disk knows the causes of errors of a file system; others say
// themselves what a person must do, as a fault.Error with a reason.
func TestNothingIsWrappedAsCapacity(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	read := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && errors.Is(err, fs.ErrNotExist) {
			return nil // other tests make and remove folders
		}
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		read++
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isName(call.Fun, "Wrap") && len(call.Args) > 0 && isName(call.Args[0], "Capacity") {
				t.Errorf("%s: use fault.Disk, or a fault.Error with a reason", files.Position(call.Pos()))
			}
			return true
		})
		return nil
	}))
	require.Greater(t, read, 100)
}

// isName reports whether an expression is fault.NAME.
func isName(e ast.Expr, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "fault" && s.Sel.Name == name
}
