package trainer

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// installed makes a trainer project with fake installed libraries.
func installed(t *testing.T, libraries ...string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(dir, "src", path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	write("trainer/__init__.py", "raise SystemExit('the check must not load it')")
	for _, name := range libraries {
		write(name+"-1.2.3.dist-info/METADATA", "Metadata-Version: 2.1\nName: "+name+"\nVersion: 1.2.3\n")
	}
	return dir
}

func TestCheck(t *testing.T) {
	t.Parallel()
	all := []string{"torch", "transformers", "accelerate", "peft", "trl", "sentence_transformers", "datasets"}
	versions, err := New(Options{Python: python(t), Dir: installed(t, all...)}).Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1.2.3", versions["torch"])
	require.Equal(t, "1.2.3", versions["sentence-transformers"])
	require.Regexp(t, `^3\.\d+`, versions["python"])

	_, err = New(Options{Python: python(t), Dir: t.TempDir()}).Check(t.Context())
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.Regexp(t, "not installed: .*trainer.*; run `make trainer`", err.Error())

	_, err = New(Options{Python: "/bin/false"}).Check(t.Context())
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "does not work")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = New(Options{Python: python(t)}).Check(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
