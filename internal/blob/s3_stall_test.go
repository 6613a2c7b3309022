package blob

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/s3"
)

// TestS3Stalls: a server, or what is between, that stops in the middle of a
// request without ending the connection costs the deadline of a stall, not the
// quarter of an hour after which TCP gives up.
func TestS3Stalls(t *testing.T) { //nolint:tparallel // it sets the environment
	server := s3test.Serve(t)
	small, large := "small", strings.Repeat("larger than a kernel's buffers. ", 17<<15) // 17 MiB: two parts that are, and a third
	for name, c := range map[string]struct {
		method, query string
		times         int32
		late          bool // it reads the request and does not answer
		text          string
		class         fault.Class
	}{
		"body, part":       {http.MethodPut, "partNumber=2", 1, false, large, ""},
		"body, every time": {http.MethodPut, "partNumber=1", 1 << 30, false, large, fault.Transport},
		"answer":           {http.MethodPut, "", 1, true, small, ""},
		"answer, part":     {http.MethodPut, "partNumber=1", 1, true, large, ""},
		"answer, end":      {http.MethodPost, "uploadId", 1, true, large, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, at := s3test.NewProxy(t, server)
			ended := make(chan struct{})
			t.Cleanup(func() { close(ended) }) // before the proxy closes
			place, err := s3.Parse(at)
			require.NoError(t, err)
			place.Prefix = strings.ReplaceAll(name, ", ", "/")
			place.Stall, place.Answer = 3*time.Second, 2*time.Minute // the requests that are not stopped keep them
			if c.late {
				place.Stall, place.Answer = 2*time.Minute, 8*time.Second
			}
			s, err := openPlace(t.Context(), place)
			require.NoError(t, err)
			var stalled atomic.Int32
			proxy.Set(func(_ http.ResponseWriter, r *http.Request, _ func(func(*http.Response))) bool {
				if r.Method != c.method || !strings.Contains(r.URL.RawQuery, c.query) || stalled.Add(1) > c.times {
					return false
				}
				if c.late {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				<-ended
				s3test.Cut()
				return true
			})
			start := time.Now()
			_, err = s.Put(t.Context(), "a", strings.NewReader(c.text))
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			require.Positive(t, stalled.Load())
			require.Less(t, time.Since(start), time.Minute)
			proxy.Set(nil)
			if c.class != "" {
				return
			}
			r, _, err := s.Get(t.Context(), "a")
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.True(t, c.text == string(got))
		})
	}
}
