package source

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// TestManifestNamesNoFile: a manifest on a server must not name local files. A reference
// with an unknown scheme would otherwise be cleaned to a path.
func TestManifestNamesNoFile(t *testing.T) {
	t.Parallel()
	for _, at := range []location{{scheme: "https", host: "example.com", path: "a/videos.txt"}, {scheme: "s3", host: "bucket", path: "a/videos.txt"}} {
		for _, line := range []string{
			"x:a/../../../../../../../../etc/passwd", "x:/etc/passwd", "X:etc/passwd", "file:etc/passwd", "FILE:/etc/passwd", "file:///etc/passwd", "/etc/passwd",
			"../../../../etc/passwd", "C:/videos/a.mp4", "mailto:a", "?a", "#a", "//example.org/a.mp4", "b.mp4", "b%2F..%2Fc.mp4", "http:a", "https:a", "s3:a",
		} {
			uri, err := at.resolveLine(line)
			if err != nil {
				require.Equal(t, fault.Input, fault.ClassOf(err), line)
				continue
			}
			require.True(t, strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "s3://"), "%s: %s", line, uri)
			_, remote, err := parseRemote("read", uri)
			require.True(t, remote || err != nil, "%s: %s", line, uri)
		}
	}
}
