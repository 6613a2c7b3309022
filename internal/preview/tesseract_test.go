package preview_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/video"
)

// script makes a program that says it is tesseract, accepts the first page and
// then does what the body says. $dir is a directory of its own.
func script(t *testing.T, body string) (path, dir string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "tesseract")
	text := `#!/bin/sh
dir=$(dirname "$0")
[ "$1" = --version ] && { echo "tesseract 9.8.7-test"; exit 0; }
[ -e "$dir/checked" ] || { touch "$dir/checked"; cat > /dev/null; exit 0; }
` + body
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	return path, dir
}

func scripted(t *testing.T, body string) (*preview.Describer, string) {
	t.Helper()
	path, dir := script(t, body)
	d, err := preview.NewDescriber(t.Context(), preview.Options{Tesseract: path, Languages: "eng+tha"})
	require.NoError(t, err)
	require.Equal(t, "1-tesseract-9.8.7-test-eng+tha", d.Revision())
	return d, dir
}

func card(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "white_on_dark.jpg"))
	require.NoError(t, err)
	return data
}

func TestCancelKillsTesseract(t *testing.T) {
	t.Parallel()
	d, dir := scripted(t, `sleep 1000 & echo $! > "$dir/new"; mv "$dir/new" "$dir/pid"; wait`)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := d.Describe(ctx, video.DescribeRequest{JPEG: card(t)})
		failed <- err
	}()
	var grandchild int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil {
			return false
		}
		grandchild, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	}, 30*time.Second, 5*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.Eventually(t, func() bool { return gone(grandchild) }, 10*time.Second, 5*time.Millisecond)
}

// gone also counts what is dead and waits for whoever adopted it.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestTesseractFails(t *testing.T) {
	t.Parallel()
	d, _ := scripted(t, `cat > /dev/null; echo "out of luck" >&2; exit 3`)
	_, err := d.Describe(t.Context(), video.DescribeRequest{JPEG: card(t)})
	require.Equal(t, fault.Transport, fault.ClassOf(err))
	require.ErrorContains(t, err, "out of luck")

	d, _ = scripted(t, `cat > /dev/null; yes`)
	_, err = d.Describe(t.Context(), video.DescribeRequest{JPEG: card(t)})
	require.Equal(t, fault.Input, fault.ClassOf(err), "an endless answer is cut: %v", err)

	for name, path := range map[string]string{"missing": "/none/tesseract", "other": "/bin/true", "directory": t.TempDir()} {
		_, err := preview.NewDescriber(t.Context(), preview.Options{Tesseract: path})
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, path)
	}
}

func TestTesseractAnswer(t *testing.T) {
	t.Parallel()
	row := func(line, left, top, confidence int, word string) string {
		return strings.Join([]string{
			"5", "1", "1", "1", strconv.Itoa(line), "1", strconv.Itoa(left), strconv.Itoa(top), "100", "20", strconv.Itoa(confidence), word,
		}, "\\t") + "\\n"
	}
	answer := row(1, 10, 200, 95, "second") + row(1, 120, 200, 61, "li\\033ne") + row(1, 300, 200, 40, "unsure") +
		row(2, 10, 20, 96, "first") + row(2, 10, 20, 96, "x") + row(2, 10, 20, 96, "|||") +
		row(3, 10, 300, 80, "noise") + row(4, 10, 400, 90, "if") + "broken\\trow\\n" +
		row(5, 10, 500, 95, "$(reboot)")
	d, dir := scripted(t, `cat > /dev/null; env > "$dir/env"; printf '`+answer+`'`)
	c, err := d.Describe(t.Context(), video.DescribeRequest{JPEG: card(t)})
	require.NoError(t, err)
	require.Equal(t, "first second line $(reboot)", c.OnScreenText)
	environment, err := os.ReadFile(filepath.Join(dir, "env"))
	require.NoError(t, err)
	require.Contains(t, string(environment), "OMP_THREAD_LIMIT=1")
	require.NotContains(t, string(environment), "HOME=", "the environment may hold keys")
}
