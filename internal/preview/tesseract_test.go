package preview_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/video"
)

// script makes a program that passes for tesseract: it answers --version, accepts the
// small first page, and then runs body. It runs in the sandbox.
func script(t *testing.T, body string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tesseract")
	text := `#!/bin/sh
[ "$1" = --version ] && { echo "tesseract 9.8.7-test"; exit 0; }
read -r first
case "$first" in "P5 "??" "??" 255") cat > /dev/null; exit 0;; esac
` + body
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	return path
}

func scripted(t *testing.T, body string) *preview.Describer {
	t.Helper()
	d, err := preview.NewDescriber(t.Context(), preview.Options{Tesseract: script(t, body), Languages: "eng+tha"})
	require.NoError(t, err)
	require.Equal(t, "1-tesseract-9.8.7-test-eng+tha", d.Revision())
	return d
}

func card(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "white_on_dark.jpg"))
	require.NoError(t, err)
	return data
}

func TestCancelKillsTesseract(t *testing.T) {
	t.Parallel()
	mark := "4321." + strconv.Itoa(os.Getpid())
	d := scripted(t, `sleep `+mark+` & wait`)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := d.Describe(ctx, video.DescribeRequest{JPEG: card(t)})
		failed <- err
	}()
	require.Eventually(t, func() bool { return runs(t, mark) }, 30*time.Second, 5*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.Eventually(t, func() bool { return !runs(t, mark) }, 10*time.Second, 5*time.Millisecond)
}

// runs reports whether any process has word among its arguments.
func runs(t *testing.T, word string) bool {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range paths {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), "\x00"+word+"\x00") {
			return true
		}
	}
	return false
}

func TestTesseractFails(t *testing.T) {
	t.Parallel()
	d := scripted(t, `cat > /dev/null; echo "out of luck" >&2; exit 3`)
	_, err := d.Describe(t.Context(), video.DescribeRequest{JPEG: card(t)})
	require.Equal(t, fault.Transport, fault.ClassOf(err))
	require.ErrorContains(t, err, "out of luck")

	d = scripted(t, `cat > /dev/null; yes`)
	_, err = d.Describe(t.Context(), video.DescribeRequest{JPEG: card(t)})
	require.Equal(t, fault.Input, fault.ClassOf(err), "endless output is cut off: %v", err)

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
	d := scripted(t, `cat > /dev/null; printf '`+answer+`'`)
	c, err := d.Describe(t.Context(), video.DescribeRequest{JPEG: card(t)})
	require.NoError(t, err)
	require.Equal(t, "first second line $(reboot)", c.OnScreenText)

	_, err = scripted(t, `cat > /dev/null; env >&2; exit 1`).Describe(t.Context(), video.DescribeRequest{JPEG: card(t)})
	require.ErrorContains(t, err, "OMP_THREAD_LIMIT=1")
	require.NotContains(t, err.Error(), "HOME=", "the environment may hold keys")
}
