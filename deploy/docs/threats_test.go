package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var namedTest = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")

// TestThreats: each row of the page of attacks names a test, and each test that it names exists.
func TestThreats(t *testing.T) {
	t.Parallel()
	page := readPage(t, "docs/reference/threats.md").text
	rows := 0
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Attack |") {
			continue
		}
		rows++
		cells := strings.Split(line, "|")
		require.Len(t, cells, 5, line)
		require.NotEmpty(t, namedTest.FindAllString(cells[3], -1), "no test: %s", line)
		require.Empty(t, strings.Trim(namedTest.ReplaceAllString(cells[3], ""), " ,"), "not package.Test: %s", line)
	}
	require.Greater(t, rows, 30)
	for _, named := range namedTest.FindAllStringSubmatch(page, -1) {
		require.True(t, declared(t, named[1], named[2]), "%s has no test %s", named[1], named[2])
	}
}

// declared reports whether a package has a test.
func declared(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(string(data), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
