// Package reporttest holds the checks that the tests of all reports use.
package reporttest

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "rewrite the golden files") //nolint:gochecknoglobals // a flag of tests

// Golden compares a page with the golden file name; -update rewrites the file.
func Golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(name, got, 0o600))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err, "run the test with -update")
	assert.Equal(t, string(want), string(got), "if the change is intended, run the test with -update")
}

// The elements and attributes that pages may have. None of them runs code, and none fetches
// a resource except for the attributes that SelfContained checks.
const (
	elements = "html head meta link title style body header main section footer h1 h2 h3 p div span strong b i small code pre br bdi mark " +
		"a img ul ol li dl dt dd table thead tbody tr th td details summary figure figcaption svg rect line text path circle ins del"
	attributes = "lang charset http-equiv content name rel href class dir width height role aria-label aria-labelledby aria-hidden tabindex x y x1 x2 y1 y2 rx d " +
		"cx cy r text-anchor viewbox preserveaspectratio scope data-label id open src alt decoding title style"
)

// SelfContained parses a page. It fails if the page has a resource that a browser would
// fetch or run, or a style other than css.
func SelfContained(t testing.TB, page, css string) {
	t.Helper()
	require.Contains(t, page, `content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"`)
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			require.NotEqual(t, html.CommentNode, n.Type)
			continue
		}
		require.Contains(t, strings.Fields(elements), n.Data)
		for _, a := range n.Attr {
			require.Contains(t, strings.Fields(attributes), strings.ToLower(a.Key), "of %s", n.Data)
			switch a.Key {
			case "src":
				require.True(t, strings.HasPrefix(a.Val, "data:image/jpeg;base64,"), "%.80q", a.Val)
			case "href":
				require.True(t, strings.HasPrefix(a.Val, "#video-") || a.Val == "data:,", "%.80q", a.Val)
			case "style":
				require.Regexp(t, `^--ratio: [0-9.]+$`, a.Val)
			}
		}
		if n.Data == "style" {
			require.NotNil(t, n.FirstChild)
			require.Equal(t, css, n.FirstChild.Data)
			require.NotRegexp(t, `url\(|@import|image-set`, n.FirstChild.Data)
		}
	}
}

// BrokenWriter fails every write with Err.
type BrokenWriter struct{ Err error }

// Write writes nothing.
func (b BrokenWriter) Write([]byte) (int, error) { return 0, b.Err }
