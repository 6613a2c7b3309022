package panics_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/panics"
)

func index(list []int, i int) int { return list[i] }

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	boom := func() error { return fmt.Errorf("%d", index(nil, 3)) }
	check := func(err error) {
		t.Helper()
		p, ok := errors.AsType[*panics.Error](err)
		require.True(t, ok, "%v", err)
		require.Contains(t, p.Stack, "panics_test.index", "where it happened")
		require.ErrorContains(t, err, "internal error: runtime error: index out of range [3]")
		require.NotContains(t, err.Error(), "panics_test")
	}
	check(panics.Try(boom))
	ended := make(chan error)
	panics.Go(boom, func(err error) { ended <- err })
	check(<-ended)
	var g panics.Group
	g.SetLimit(1)
	g.Go(func() error { return nil })
	g.Go(boom)
	check(g.Wait())
	shared, ctx := panics.WithContext(t.Context())
	shared.Go(boom)
	<-ctx.Done()
	check(shared.Wait())

	require.NotErrorIs(t, panics.Try(func() error { panic(context.Canceled) }), context.Canceled, "it is not a cancellation")
	require.NoError(t, panics.Try(func() error { return nil }))
}

// TestNoBareGoroutine: what activities and adapters run beside themselves is started by this
// package, since the panic of any other goroutine ends the worker.
func TestNoBareGoroutine(t *testing.T) {
	t.Parallel()
	for _, root := range []string{"../internal", "../activities", "../training", "../prompt"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			switch {
			case e != nil && errors.Is(err, fs.ErrNotExist): // other tests make and remove folders
				return nil
			case err != nil:
				return err
			case e.IsDir() && path == filepath.Join("..", "internal", "cli"): // a program of its own: it ends, no job does
				return filepath.SkipDir
			case e.IsDir() && (e.Name() == ".venv" || e.Name() == "testdata" || strings.HasSuffix(e.Name(), "test")): // services for tests
				return filepath.SkipDir
			case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, imported := range file.Imports {
				if imported.Path.Value == `"golang.org/x/sync/errgroup"` {
					t.Errorf("%s: use panics.Group in place of errgroup", path)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: use panics.Go in place of go", files.Position(n.Pos()))
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "sync" && n.Sel.Name == "WaitGroup" {
						t.Errorf("%s: use panics.Group in place of sync.WaitGroup", files.Position(n.Pos()))
					}
				}
				return true
			})
			return nil
		}))
	}
}
