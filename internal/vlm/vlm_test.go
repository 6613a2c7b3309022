package vlm_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

func stage() video.Stage { return video.Stage{Model: "test/vlm", Revision: "7", CostMicroUSD: 50} }

// protocols returns the describers of a server, by protocol.
func protocols(s *vlmtest.Server, o vlm.Options) map[string]vlmtest.Describer {
	at := func(path string) vlm.Options { o := o; o.URL = s.URL + path; return o }
	batched := at("")
	batched.Batch = 8
	return map[string]vlmtest.Describer{
		"openai": vlm.NewOpenAI(at("/v1")), "cogniverse": vlm.NewCogniverse(at("/generate_description")),
		"cogniverse batch": vlm.NewCogniverse(batched),
	}
}

func TestDescribers(t *testing.T) {
	t.Parallel()
	for name := range protocols(&vlmtest.Server{}, vlm.Options{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vlmtest.Run(t, stage(), func(t *testing.T) vlmtest.Describer {
				return protocols(vlmtest.Start(t), vlm.Options{})[name]
			})
		})
	}
	t.Run("preview", func(t *testing.T) {
		t.Parallel()
		vlmtest.Run(t, video.LocalPreview().Describe, func(t *testing.T) vlmtest.Describer {
			d, err := preview.NewDescriber(t.Context(), preview.Options{Tesseract: preview.NoTesseract})
			require.NoError(t, err)
			return d
		})
	})
}

// TestFaults: every failure of the server is a fault of the right class and never a caption;
// the next call, without a failure, succeeds.
func TestFaults(t *testing.T) {
	t.Parallel()
	classes := map[vlmtest.Fault]fault.Class{
		vlmtest.TooMany: fault.Overload, vlmtest.Down: fault.Overload, vlmtest.Denied: fault.Auth, vlmtest.BadRequest: fault.Input,
	}
	for protocol := range protocols(&vlmtest.Server{}, vlm.Options{}) {
		faults := append(vlmtest.Faults(), vlmtest.Denied, vlmtest.BadRequest, vlmtest.Drip)
		if protocol == "openai" {
			faults = append(faults, vlmtest.NoChoice)
		}
		if protocol == "cogniverse batch" {
			faults = append(faults, vlmtest.Stray, vlmtest.Lost, vlmtest.OneError)
		}
		for _, f := range faults {
			t.Run(protocol+"/"+string(f), func(t *testing.T) {
				t.Parallel()
				s := vlmtest.Start(t)
				var timeout time.Duration
				if f == vlmtest.Drip {
					timeout = 300 * time.Millisecond
				}
				d := protocols(s, vlm.Options{Timeout: timeout, KeyVariable: "VLM_KEY"})[protocol]
				s.Next(f)
				_, err := d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
				require.Error(t, err)
				want := classes[f]
				if want == "" {
					want = fault.Transport
				}
				require.Equal(t, want, fault.ClassOf(err), "%v", err)
				switch f {
				case vlmtest.TooMany:
					require.Equal(t, time.Second, fault.RetryAfter(err))
				case vlmtest.Denied:
					require.ErrorContains(t, err, "VLM_KEY")
				default:
				}
				if f == vlmtest.Drip {
					return
				}
				c, err := d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
				require.NoError(t, err)
				require.Contains(t, c.Text, "A picture of")
			})
		}
	}
}

// TestOneBadFrameOfABatch: the captions of the other frames, which were paid, are kept.
func TestOneBadFrameOfABatch(t *testing.T) {
	t.Parallel()
	s := vlmtest.Start(t)
	d := protocols(s, vlm.Options{Gather: time.Hour})["cogniverse batch"]
	s.Next(vlmtest.OneError)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, i)})
		})
	}
	wg.Wait()
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	require.Equal(t, 1, failed)
	require.Equal(t, 1, s.Calls())
}

func TestStructured(t *testing.T) {
	t.Parallel()
	s := vlmtest.Start(t)
	d := vlm.NewOpenAI(vlm.Options{URL: s.URL + "/v1", Prices: map[string]money.Price{"test/vlm": {Input: 0.5, Output: 5}}})
	st := stage()
	st.Structured, st.Prompt = true, "What is there?"
	c, err := d.Describe(t.Context(), video.DescribeRequest{Stage: st, JPEG: vlmtest.Picture(t, 1)})
	require.NoError(t, err)
	require.Equal(t, "EXIT", c.OnScreenText)
	require.Equal(t, []string{"door"}, c.Objects)
	require.Equal(t, 400, c.PromptTokens)
	require.EqualValues(t, 300, c.CostMicroUSD, "400 × 0.5 + 20 × 5 micro-dollars")
	require.Equal(t, []string{"What is there?"}, s.Prompts())
}

func TestChecks(t *testing.T) {
	t.Parallel()
	s := vlmtest.Start(t)
	d := vlm.NewOpenAI(vlm.Options{URL: s.URL + "/v1"})
	require.NoError(t, d.Check(t.Context(), []string{"test/vlm"}))
	require.ErrorContains(t, d.Check(t.Context(), []string{"gpt"}), "it serves test/vlm, Qwen")
	require.NoError(t, vlm.NewCogniverse(vlm.Options{URL: s.URL}).Check(t.Context(), nil))
	require.Error(t, vlm.NewCogniverse(vlm.Options{URL: "http://127.0.0.1:1"}).Check(t.Context(), nil))
}

// BenchmarkSaturation keeps an endpoint with 64 slots busy without knowing their number.
// Latencies are lognormal with a hundredth of the 2 s that the design assumes, so that HTTP
// is real but the benchmark short.
//
//	saturation   answers/s of the discovered limit ÷ answers/s of the endpoint with 64 callers (goal 0.95)
func BenchmarkSaturation(b *testing.B) {
	const slots, warm, frames = 64, 600, 3000
	jpeg := vlmtest.Picture(b, 1)
	rate := func(maxInFlight int) float64 {
		s := vlmtest.Start(b)
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(1, 2))
		s.Work(slots, func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return time.Duration(20e6 * math.Exp(0.5*random.NormFloat64()))
		}, false)
		d := vlm.NewOpenAI(vlm.Options{URL: s.URL + "/v1", MaxInFlight: maxInFlight})
		var start time.Time
		n, open := 0, 0
		ended := make(chan error)
		for n < warm+frames {
			for open < d.Limit("") {
				open++
				go func() {
					_, err := d.Describe(b.Context(), video.DescribeRequest{Stage: stage(), JPEG: jpeg})
					ended <- err
				}()
			}
			require.NoError(b, <-ended)
			open--
			if n++; n == warm {
				start = time.Now()
			}
		}
		took := time.Since(start)
		for range open {
			require.NoError(b, <-ended)
		}
		return frames / took.Seconds()
	}
	for b.Loop() {
		alone := rate(slots)
		found := rate(0)
		b.ReportMetric(found, "frames/s")
		b.ReportMetric(found/alone, "saturation")
	}
}
