package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRotation: a reader gets each line once, also across rotations, and the files stay bounded.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	f, err := open(dir, 1)
	require.NoError(t, err)
	r := &Reader{Dir: dir}
	var got []string
	next := func() {
		require.NoError(t, r.Next(func(line []byte) { got = append(got, strings.Fields(string(line))[0]) }))
	}
	next()
	require.Empty(t, got, "nothing is written yet")
	filler := strings.Repeat("x", 100<<10)
	var want []string
	for i := range 30 { // of 100 KiB each, in files of 1 MiB
		_, err := fmt.Fprintf(f, "%d %s\n", i, filler)
		require.NoError(t, err)
		want = append(want, fmt.Sprint(i))
		if i%7 == 0 {
			next()
		}
	}
	next()
	next()
	require.ElementsMatch(t, want, got)
	require.NoError(t, f.Close())
	files, err := filepath.Glob(filepath.Join(dir, "worker1*.log"))
	require.NoError(t, err)
	require.Greater(t, len(files), 1)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
	}
}

// Two workers of a host have a file each; what one leaves the next goes on with.
func TestWorkersShareNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, err := Open(dir)
	require.NoError(t, err)
	two, err := Open(dir)
	require.NoError(t, err)
	require.NotEqual(t, one.Filename, two.Filename)
	_, err = fmt.Fprintln(one, "of one")
	require.NoError(t, err)
	require.NoError(t, one.Close())
	again, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, one.Filename, again.Filename)
	_, err = fmt.Fprintln(again, "of the next")
	require.NoError(t, err)
	require.NoError(t, again.Close())
	require.NoError(t, two.Close())
	text, err := os.ReadFile(one.Filename)
	require.NoError(t, err)
	require.Equal(t, "of one\nof the next\n", string(text))
}

// A line that is being written is told when it ends; a very long one is cut.
func TestLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "worker1.log")
	write := func(text string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	r := &Reader{Dir: dir}
	var got []string
	next := func() { require.NoError(t, r.Next(func(line []byte) { got = append(got, string(line)) })) }
	write("whole\nbeg")
	next()
	require.Equal(t, []string{"whole"}, got)
	write("un\n" + strings.Repeat("y", maxLine+10) + "\nlast\n")
	next()
	require.Len(t, got, 4)
	require.Equal(t, "begun", got[1])
	require.Len(t, got[2], maxLine)
	require.Equal(t, "last", got[3])
	require.NoError(t, (&Reader{Dir: filepath.Join(dir, "none")}).Next(func([]byte) { t.Error("there is none") }))
}
