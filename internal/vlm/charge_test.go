package vlm_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

const reserved = 1_000_000

// TestCharges: a fault of a server is charged as the server bills it.
func TestCharges(t *testing.T) {
	t.Parallel()
	free := map[vlmtest.Fault]bool{vlmtest.TooMany: true, vlmtest.Down: true, vlmtest.Broken: true, vlmtest.Denied: true, vlmtest.BadRequest: true}
	for protocol := range protocols(&vlmtest.Server{}, vlm.Options{}) {
		s := vlmtest.Start(t)
		for _, f := range append(vlmtest.Faults(), vlmtest.Denied, vlmtest.BadRequest, vlmtest.Drip) {
			s.Next(f)
			describe := func(timeout time.Duration) error {
				d := protocols(s, vlm.Options{Timeout: timeout})[protocol]
				_, err := d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
				return err
			}
			var err error
			if f == vlmtest.Drip {
				err = answertest.SentInTime(describe)
			} else {
				err = describe(0)
			}
			require.Error(t, err, f)
			require.Equal(t, !free[f], money.ChargeOf(err, reserved) == reserved, "%s of %s: %v", f, protocol, err)
		}
	}
}

// answering makes an OpenAI whose responses are all equal, with prices of 1 and 10.
func answering(t *testing.T, body string) *vlm.OpenAI {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
	t.Cleanup(s.Close)
	return vlm.NewOpenAI(vlm.Options{URL: s.URL + "/v1/", Prices: map[string]money.Price{"test/vlm": {Input: 1, Output: 10}}})
}

// TestOddAnswers: a paid response is read even if other fields are invalid, and its cost is
// at most the reservation.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	most := stage().DescribeBounds(1)
	for usage, want := range map[string]int64{
		`{"prompt_tokens":400,"completion_tokens":20}`:     600,
		`{"prompt_tokens":400,"completion_tokens":0}`:      400 + 10*7,
		`{"prompt_tokens":400,"completion_tokens":9e18}`:   400 + 10*(512+1024),
		`{"prompt_tokens":25501,"completion_tokens":20}`:   25701, // as gpt-4o-mini counts pictures
		`{"prompt_tokens":9e18,"completion_tokens":"NaN"}`: int64(most.MaxInput) + 10*7,
		`null`: int64(most.Input) + 10*7,
	} {
		d := answering(t, `{"created":1716313435.7,"id":7,"choices":[{"message":{"content":"A tram"},"finish_reason":"stop"}],"usage":`+usage+`}`)
		c, err := d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
		require.NoError(t, err, usage)
		require.Equal(t, "A tram", c.Text)
		require.Equal(t, want, c.CostMicroUSD, usage)
	}
	for _, message := range []string{`"choices":[]`, `"choices":[{"message":{"content":""},"finish_reason":"stop"}]`, `"choices":[{"message":{"content":"x"},"finish_reason":"content_filter"}]`} {
		d := answering(t, `{`+message+`,"usage":{"prompt_tokens":400,"completion_tokens":20}}`)
		_, err := d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
		require.EqualValues(t, 600, money.ChargeOf(err, reserved), "%v", err)
	}
}

// TestReserve: no answer costs more than its reservation.
func TestReserve(t *testing.T) {
	t.Parallel()
	for _, pictures := range []int{1, 4} {
		most := stage().DescribeBounds(pictures)
		r := video.DescribeRequest{Stage: stage(), Stills: slices.Repeat([][]byte{vlmtest.Picture(t, 1)}, pictures)}
		for _, input := range []int{0, 1, most.Input, most.Input + 1, most.MaxInput, most.MaxInput + 1, 1 << 40} {
			for _, output := range []int{0, 1, 512, 513, 512 + 1024, 512 + 1025, 1 << 40} {
				d := answering(t, fmt.Sprintf(`{"choices":[{"message":{"content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`,
					strings.Repeat("A tram. ", 300), input, output))
				reserved, priced := d.Reserve(stage(), pictures)
				require.True(t, priced)
				c, err := d.Describe(t.Context(), r)
				require.NoError(t, err)
				require.Positive(t, c.CostMicroUSD)
				require.LessOrEqual(t, c.CostMicroUSD, reserved, "%d, %d", input, output)
				if input > 1 && input <= most.MaxInput && output == 512 {
					require.EqualValues(t, input+5120, c.CostMicroUSD, "it is charged as counted")
				}
			}
		}
	}
	require.Greater(t, stage().DescribeBounds(4).Input, 4*video.DescribeMaxPixels/(14*14), "each picture is counted")
	unpriced := stage()
	unpriced.Model = "other"
	_, priced := answering(t, "").Reserve(unpriced, 1)
	require.False(t, priced)
}

// TestBatchEntries: a request for several frames carries the entries of all of them. A frame
// that is cancelled before its batch is sent costs nothing; afterwards it does.
func TestBatchEntries(t *testing.T) {
	t.Parallel()
	type request struct{ entries string }
	arrived, release := make(chan request, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- request{r.Header.Get("X-Client-Request-Id")}
		<-release
		_, _ = w.Write([]byte(`{"descriptions":{"frame-0000":"A tram","frame-0001":"A bus"}}`))
	}))
	t.Cleanup(s.Close)
	d := vlm.NewCogniverse(vlm.Options{URL: s.URL, Batch: 3, Gather: time.Hour})
	ask := func(ctx context.Context, entry string) error {
		_, err := d.Describe(money.WithEntry(ctx, entry), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
		return err
	}
	early, cancelEarly := context.WithCancel(t.Context())
	cancelEarly()
	err := ask(early, "c")
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, money.ChargeOf(err, reserved))

	late, cancelLate := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var first, second error
	wg.Go(func() { first = ask(t.Context(), "a") })
	wg.Go(func() { second = ask(late, "b") })
	got := <-arrived
	cancelLate()
	require.ElementsMatch(t, []string{"a", "b"}, strings.Split(got.entries, ","))
	close(release)
	wg.Wait()
	require.NoError(t, first)
	if second != nil { // the response may have arrived first
		require.ErrorIs(t, second, context.Canceled)
		require.EqualValues(t, reserved, money.ChargeOf(second, reserved))
	}
}

// TestBatchFails: the frames of a batch share the request, and each has an error of
// its own. Run it with -race.
func TestBatchFails(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(s.Close)
	d := vlm.NewCogniverse(vlm.Options{URL: s.URL, Batch: 8, MaxInFlight: 1, Gather: time.Hour})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			st := stage()
			st.Model = strconv.Itoa(i)
			_, err := d.Describe(t.Context(), video.DescribeRequest{Stage: st, JPEG: vlmtest.Picture(t, 1)})
			assert.ErrorContains(t, err, strconv.Quote(st.Model))
		})
	}
	group.Wait()
}

// TestOddDescriptions: in the response for a batch, a value that is not a text fails only its
// own frame, and captions have no control characters.
func TestOddDescriptions(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"descriptions":{"frame-0000":" A\u0000 tr\u0007am","frame-0001":{"error":"x"},"frame-0002":null,"frame-0003":7}}`))
	}))
	t.Cleanup(s.Close)
	d := vlm.NewCogniverse(vlm.Options{URL: s.URL, Batch: 4, Gather: time.Hour})
	var good, charged atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			c, err := d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
			charged.Add(money.ChargeOf(err, 1))
			if err == nil {
				assert.Equal(t, "A tram", c.Text)
				good.Add(1)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, good.Load())
	require.EqualValues(t, 3, charged.Load())
}
