package vlm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/panics/panictest"
	"github.com/cogniverse/cogflow/video"
)

// TestBatchPanics: a panic in the request of a batch is the error of each of its frames.
func TestBatchPanics(t *testing.T) {
	t.Parallel()
	d := vlm.NewCogniverse(vlm.Options{URL: "http://127.0.0.1:1", Batch: 3, Gather: time.Hour})
	var group panics.Group
	for range 3 {
		group.Go(func() error {
			end := make(chan error)
			go func() { // like the goroutine of an activity, which package panics does not guard
				_, err := d.Describe(panictest.Context(t.Context()), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
				end <- err
			}()
			assert.ErrorContains(t, <-end, "internal error: the test asked for it")
			return nil
		})
	}
	assert.NoError(t, group.Wait())
}
