package blob_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/blobtest"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
)

// below adds a prefix to the URL of a bucket.
func below(t *testing.T, at, prefix string) string {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	return u.JoinPath(prefix).String()
}

func openS3(t *testing.T, at string) blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), at)
	require.NoError(t, err)
	return s
}

func TestS3(t *testing.T) {
	at := s3test.Serve(t)
	blobtest.Run(t, func(t *testing.T) blob.Store {
		return openS3(t, below(t, at, strings.ReplaceAll(t.Name(), "/", "-")+"/a b"))
	})
}
