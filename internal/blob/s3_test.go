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

// serve starts an S3 server for a test and sets the credentials of it.
func serve(t *testing.T) (url string) {
	t.Helper()
	at, env := s3test.Start(t)
	for _, variable := range append(env, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/none", "AWS_SHARED_CREDENTIALS_FILE=/none") {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	return at
}

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
	at := serve(t)
	blobtest.Run(t, func(t *testing.T) blob.Store {
		return openS3(t, below(t, at, strings.ReplaceAll(t.Name(), "/", "-")+"/a b"))
	})
}
