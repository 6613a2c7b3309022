package blob_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/blobtest"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/object"
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

// TestS3Shared runs the suite over a bucket that two stores share, as two
// worker processes do; every call goes to the other one.
func TestS3Shared(t *testing.T) {
	at := s3test.Serve(t)
	blobtest.Run(t, func(t *testing.T) blob.Store {
		place := below(t, at, strings.ReplaceAll(t.Name(), "/", "-"))
		return &alternating{stores: [2]blob.Store{openS3(t, place), openS3(t, place)}}
	})
}

// TestS3Foreign has an object in the bucket that no store wrote.
func TestS3Foreign(t *testing.T) {
	at := s3test.Serve(t)
	s := openS3(t, at)
	place, err := s3.Parse(at)
	require.NoError(t, err)
	client, err := place.Client(t.Context())
	require.NoError(t, err)
	_, err = client.PutObject(t.Context(), &sdk.PutObjectInput{
		Bucket: &place.Bucket, Key: aws.String("acme/x"), Body: strings.NewReader("text"),
	})
	require.NoError(t, err)
	require.ErrorIs(t, read(s, "acme/x"), object.ErrCorrupt)
	_, err = s.Stat(t.Context(), "acme/x")
	require.ErrorIs(t, err, object.ErrCorrupt)
	_, err = s.Create(t.Context(), "acme/x", strings.NewReader("text"))
	require.ErrorIs(t, err, object.ErrExists)
	_, err = s.Replace(t.Context(), "acme/x", blobtest.Sum("text"), strings.NewReader("new"))
	require.ErrorIs(t, err, object.ErrChanged)
	seen := []object.Info{}
	require.NoError(t, s.List(t.Context(), "", func(i object.Info) error {
		seen = append(seen, i)
		return nil
	}))
	require.Equal(t, []object.Info{{Key: "acme/x"}}, seen)
	_, err = s.Replace(t.Context(), "acme/x", "", strings.NewReader("whole"))
	require.NoError(t, err, "an unreadable object is replaced in one step")
	require.NoError(t, read(s, "acme/x"))
	_, err = s.Replace(t.Context(), "acme/x", "", strings.NewReader("again"))
	require.ErrorIs(t, err, object.ErrChanged, "once")
	_, err = s.Put(t.Context(), "acme/x", strings.NewReader("again"))
	require.NoError(t, err)
	require.NoError(t, read(s, "acme/x"))
}

// TestS3Unusable opens what cannot be a store.
func TestS3Unusable(t *testing.T) {
	at := s3test.Serve(t)
	_, err := blob.Open(t.Context(), strings.Replace(at, "s3://", "s3://not-", 1))
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "bucket not found")

	proxy, before := s3test.NewProxy(t, at)
	proxy.Set(func(w http.ResponseWriter, r *http.Request, _ func(func(*http.Response))) bool {
		w.Header().Set("ETag", `"x"`)
		return r.Method == http.MethodPut // takes everything
	})
	_, err = blob.Open(t.Context(), before)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "ignores conditional writes")

	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	_, err = blob.Open(t.Context(), at)
	require.Equal(t, fault.Auth, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "AWS_SECRET_ACCESS_KEY")
	require.NotContains(t, err.Error(), "canary")
}
