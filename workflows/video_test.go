package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

func (w *world) videoURI() string { return w.library() + "/harbour.txt" }

func videoResult(t *testing.T, env *testsuite.TestWorkflowEnvironment) ingest.VideoResult {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var out ingest.VideoResult
	require.NoError(t, env.GetWorkflowResult(&out))
	return out
}

func TestIngestVideoWritesItsReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 9)...)
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
	out := videoResult(t, env)
	require.Equal(t, video.StatusIndexed, out.Status)
	require.Equal(t, 9, out.Documents)
	require.Contains(t, w.objects(), out.Report)
}

func TestBudgetPausesUntilRaised(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 10)...)
	env := w.environment()
	raised := false
	env.RegisterDelayedCallback(func() {
		value, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		var p ingest.VideoProgress
		require.NoError(t, value.Get(&p))
		require.Equal(t, string(fault.Budget), p.Waiting)
		raised = true
		env.UpdateWorkflow(workflows.UpdateBudget, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { require.NoError(t, err) },
			OnComplete: func(_ any, err error) { require.NoError(t, err) },
		}, 1.0)
	}, time.Hour)
	in := ingest.VideoInput{URI: w.videoURI()}
	in.BudgetUSD = 0.004
	env.ExecuteWorkflow("IngestVideo", in)
	out := videoResult(t, env)
	require.True(t, raised)
	require.Equal(t, 10, out.Documents)
	for _, frame := range frames("harbour", 10) {
		require.Equal(t, 1, w.callsOf(frame), "the pause costs no answered call")
	}
}

func TestPauseStartsNothingNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 10)...)
	env := w.environment()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalPause, nil) }, 0)
	env.RegisterDelayedCallback(func() {
		require.Zero(t, w.callsOf("harbour 9"))
		env.SignalWorkflow(workflows.SignalResume, nil)
	}, time.Hour)
	env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
	require.Equal(t, 10, videoResult(t, env).Documents)
}

func TestNoCaptionIsNeverIndexed(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": " ", "disguised error": "Error: Empty description generated"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.video("harbour.txt", frames("harbour", 3)...)
			w.describe = func(r video.DescribeRequest) (video.Caption, error) {
				c := caption(r)
				c.Text = text
				return c, nil
			}
			env := w.environment()
			env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
			require.ErrorContains(t, env.GetWorkflowError(), "none brought a usable answer")
			require.Empty(t, w.search("harbour"))
		})
	}
}

// TestRefusedFrameIsOmitted: a frame that a model refuses is omitted and reported; the video
// does not fail.
func TestRefusedFrameIsOmitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 8)...)
	w.describe = func(r video.DescribeRequest) (video.Caption, error) {
		if string(r.JPEG) == "harbour 6" {
			return video.Caption{}, fault.New(fault.Input, "describe frame with", r.Stage.Model, "it will not look at this")
		}
		return caption(r), nil
	}
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
	out := videoResult(t, env)
	require.Equal(t, 8, out.Frames)
	require.Equal(t, 7, out.Documents)
	require.Equal(t, 1, out.Refused)
	require.Len(t, w.search("harbour"), 7)
	require.Equal(t, 1, w.callsOf("harbour 6"))

	// Asked again and answered, it is there.
	w.describe = nil
	env = w.environment()
	env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI(), Force: true})
	out = videoResult(t, env)
	require.Equal(t, 8, out.Documents)
	require.Zero(t, out.Refused)
	for _, frame := range frames("harbour", 8) {
		if frame != "harbour 6" {
			require.Equal(t, 1, w.callsOf(frame), "the others are stored")
		}
	}
	require.Equal(t, 2, w.callsOf("harbour 6"))
}

func TestManyRefusedFramesFailTheVideoWithTheirTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 8)...)
	w.describe = func(r video.DescribeRequest) (video.Caption, error) {
		if string(r.JPEG) == "harbour 6" || string(r.JPEG) == "harbour 7" {
			return video.Caption{}, fault.New(fault.Input, "describe frame with", r.Stage.Model, "it will not look at this")
		}
		return caption(r), nil
	}
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
	err := env.GetWorkflowError()
	require.ErrorContains(t, err, "describe: frame at ")
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, string(fault.Input), app.Type())
	require.Empty(t, w.search("harbour"), "no partial result is visible")
}

func TestOverloadIsWaitedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", "harbour 0")
	refused := false
	w.describe = func(r video.DescribeRequest) (video.Caption, error) {
		if !refused {
			refused = true
			return video.Caption{}, &fault.Error{Class: fault.Overload, Op: "describe", Reason: "429", RetryAfter: time.Millisecond}
		}
		return caption(r), nil
	}
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
	require.Equal(t, 1, videoResult(t, env).Documents)
	require.Equal(t, 2, w.callsOf("harbour 0"))
}

func TestCancelLeavesNothingVisible(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 8)...)
	env := w.environment()
	w.describe = func(r video.DescribeRequest) (video.Caption, error) {
		if string(r.JPEG) == "harbour 7" {
			env.CancelWorkflow()
			return video.Caption{}, context.Canceled
		}
		return caption(r), nil
	}
	env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
	require.True(t, temporal.IsCanceledError(errors.Unwrap(env.GetWorkflowError())) || temporal.IsCanceledError(env.GetWorkflowError()))
	require.Empty(t, w.search("harbour"))
	for _, key := range w.objects() {
		require.NotContains(t, key, "/claims/", "the claim is released")
	}
}
