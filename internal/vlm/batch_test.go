package vlm_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// requests is a service that records the ledger entries of each request.
type requests struct {
	*vlmtest.Server
	url string

	mu         sync.Mutex
	entries    [][]string
	open, most int // requests at once
}

func record(t *testing.T) *requests {
	t.Helper()
	r := &requests{Server: vlmtest.Start(t)}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *requests) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.entries = append(r.entries, strings.Split(q.Header.Get("X-Client-Request-Id"), ","))
	r.open++
	r.most = max(r.most, r.open)
	r.mu.Unlock()
	r.Server.ServeHTTP(w, q)
	r.mu.Lock()
	r.open--
	r.mu.Unlock()
}

// ask describes a picture for a tenant.
func ask(ctx context.Context, t *testing.T, d vlmtest.Describer, owner tenant.ID, picture int) (video.Caption, error) {
	t.Helper()
	return d.Describe(money.WithEntry(ctx, fmt.Sprintf("%s-%d", owner, picture)),
		video.DescribeRequest{Tenant: owner, Stage: stage(), JPEG: vlmtest.Picture(t, picture)})
}

// TestRefusedFrameOfABatch: a frame that the service refuses is found, and only this frame
// fails. The others are described once, each under its own entry.
func TestRefusedFrameOfABatch(t *testing.T) {
	t.Parallel()
	s := record(t)
	s.Refuse(t, vlmtest.Picture(t, 5))
	d := vlm.NewCogniverse(vlm.Options{URL: s.url, Batch: 8, Gather: time.Hour})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			c, err := ask(t.Context(), t, d, "acme", i)
			if i == 5 {
				assert.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
				assert.Equal(t, money.Booking{Outcome: money.Refused}, money.End(err, 0, reserved))
				return
			}
			want, bad := vlmtest.Caption(vlmtest.Picture(t, i))
			assert.NoError(t, bad)
			assert.NoError(t, err)
			assert.Equal(t, want, c.Text)
		})
	}
	group.Wait()
	require.Len(t, s.Answered(), 7)
	for text, times := range s.Answered() {
		require.Equal(t, 1, times, text)
	}
	require.Equal(t, 7, s.Calls(), "of 8, 4 and 4, 2 and 2, 1 and 1 frames")
	require.Equal(t, []string{"acme-5"}, s.only("acme-5"), "it is sent alone once")
}

// only returns the entries of the request that carries a single entry.
func (r *requests) only(entry string) (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range r.entries {
		if len(of) == 1 && of[0] == entry {
			found = append(found, of...)
		}
	}
	return found
}

// TestRefusedBatchIsCharged: a batch that the service bills is not split and sent again.
func TestRefusedBatchIsCharged(t *testing.T) {
	t.Parallel()
	calls := make(chan struct{}, 8)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls <- struct{}{}
		_, _ = w.Write([]byte(`{"error":{"message":"bad request","code":400},"usage":{"prompt_tokens":400,"completion_tokens":20}}`))
	}))
	t.Cleanup(s.Close)
	d := vlm.NewCogniverse(vlm.Options{URL: s.URL, Batch: 2, Gather: time.Hour})
	var group sync.WaitGroup
	for i := range 2 {
		group.Go(func() {
			_, err := ask(t.Context(), t, d, "acme", i)
			assert.EqualValues(t, reserved, money.ChargeOf(err, reserved), "%v", err)
		})
	}
	group.Wait()
	require.Len(t, calls, 1)
}

// TestBatchesOfTenants: a request has frames of one tenant only, and the number of concurrent
// requests is at most the limit of the endpoint.
func TestBatchesOfTenants(t *testing.T) {
	t.Parallel()
	s := record(t)
	d := vlm.NewCogniverse(vlm.Options{URL: s.url, Batch: 2, MaxInFlight: 1, Gather: time.Hour})
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			_, err := ask(t.Context(), t, d, tenant.ID(fmt.Sprintf("t%d", i%16)), i)
			assert.NoError(t, err)
		})
	}
	group.Wait()
	for _, of := range s.entries {
		for _, entry := range of {
			require.Equal(t, before(of[0]), before(entry), "%v", of)
		}
	}
	require.Equal(t, 1, s.most)
}

func before(entry string) string {
	owner, _, _ := strings.Cut(entry, "-")
	return owner
}

// TestCancelBeforeABatchIsSent: a frame is not sent if it is cancelled while its batch waits.
func TestCancelBeforeABatchIsSent(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = w.Write([]byte(`{"descriptions":{"frame-0000":"A tram","frame-0001":"A bus"}}`))
	}))
	t.Cleanup(s.Close)
	d := vlm.NewCogniverse(vlm.Options{URL: s.URL, Batch: 2, MaxInFlight: 1, Gather: time.Hour})
	var first, second sync.WaitGroup
	for i := range 2 {
		first.Go(func() {
			_, err := ask(t.Context(), t, d, "acme", i)
			assert.NoError(t, err)
		})
	}
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	for i := range 2 {
		second.Go(func() {
			_, err := ask(ctx, t, d, "beta", i)
			assert.ErrorIs(t, err, context.Canceled)
			assert.True(t, money.Unsent(err), "%v", err)
		})
	}
	cancel()
	second.Wait()
	close(release)
	first.Wait()
	require.Empty(t, arrived)
}
