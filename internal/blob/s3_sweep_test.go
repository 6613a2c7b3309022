package blob

import (
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/object"
)

// TestS3Uploads has an upload without its end in the bucket: one of a process
// that died. The store takes back its own failed uploads at once, that one later.
func TestS3Uploads(t *testing.T) {
	server := s3test.Serve(t)
	proxy, at := s3test.NewProxy(t, server)
	opened, err := openS3(t.Context(), at)
	require.NoError(t, err)
	s := opened.(*S3)
	uploads := func() int {
		out, err := s.client.ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsInput{Bucket: &s.bucket})
		require.NoError(t, err)
		return len(out.Uploads)
	}
	proxy.Set(func(w http.ResponseWriter, r *http.Request, _ func(func(*http.Response))) bool {
		if r.URL.Query().Get("partNumber") != "2" {
			return false
		}
		s3test.Refuse(w, http.StatusBadRequest, "InvalidArgument")
		return true
	})
	_, err = s.Put(t.Context(), "acme/large", io.LimitReader(zeroes{}, parted+1))
	require.Error(t, err)
	require.Zero(t, uploads())
	_, err = s.Stat(t.Context(), "acme/large")
	require.ErrorIs(t, err, object.ErrNotFound)

	_, err = s.client.CreateMultipartUpload(t.Context(), &sdk.CreateMultipartUploadInput{Bucket: &s.bucket, Key: aws.String("acme/dead")})
	require.NoError(t, err)
	require.NoError(t, s.sweep(t.Context(), time.Hour))
	require.Equal(t, 1, uploads())
	require.NoError(t, s.sweep(t.Context(), -time.Hour))
	require.Zero(t, uploads())
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestS3Memory writes and reads an object that is larger than what the store
// may keep in memory: three parts and buffers.
func TestS3Memory(t *testing.T) {
	server := s3test.Serve(t)
	s, err := openS3(t.Context(), server)
	require.NoError(t, err)
	const size, most = 64 << 20, 56 << 20
	runtime.GC()
	before := heap()
	peak := uint64(0)
	measured := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(measured)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				peak = max(peak, heap())
			case <-stop:
				return
			}
		}
	}()
	_, err = s.Put(t.Context(), "acme/large", io.LimitReader(zeroes{}, size))
	require.NoError(t, err)
	r, _, err := s.Get(t.Context(), "acme/large")
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.NoError(t, r.Close())
	close(stop)
	<-measured
	t.Logf("heap %d MiB above %d MiB", (peak-before)>>20, before>>20)
	require.Less(t, peak-before, uint64(most))
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
