package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/flowtest"
)

// maxPayload is what a server takes in one payload.
const maxPayload = 2 << 20

// TestLibraryHandsOnLargestURIs: with the maximum number of videos in flight, the longest URIs
// and the maximum number of listed failures, a library continues as new with a payload that
// the server accepts. If JSON escapes make the URIs longer, or an earlier build has listed longer
// URIs, it waits for some of the videos first.
func TestLibraryHandsOnLargestURIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		uri   string
		waits bool
	}{
		"plain":               {strings.Repeat("u", video.MaxURI), false},
		"escaped":             {strings.Repeat("<", video.MaxURI), true},
		"of an earlier build": {strings.Repeat("u", 16<<10), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handed, inFlight := handedOnWith(t, c.uri)
			require.Less(t, len(handed), maxPayload)
			require.Equal(t, c.waits, inFlight < MaxConcurrency, "%d in flight", inFlight)
			require.NotZero(t, inFlight)
		})
	}
}

// handedOnWith is the continue-as-new state of a library whose first videos failed, with the
// maximum number of videos in flight.
func handedOnWith(t *testing.T, uri string) (input []byte, inFlight int) {
	t.Helper()
	const failed, videos = ingest.MaxFailures, 600
	env := flowtest.NewEnvironment()
	env.RegisterWorkflowWithOptions(Library, workflow.RegisterOptions{Name: "IngestLibrary"})
	begun := 0
	child := func(ctx workflow.Context, _ videoOfLibrary) (VideoResult, error) {
		if begun++; begun <= failed {
			return VideoResult{}, workflows.Typed(fault.New(fault.Input, "read", "", strings.Repeat("<", 400)))
		}
		if begun == failed+MaxConcurrency {
			env.SetContinueAsNewSuggested(true)
		}
		return VideoResult{}, workflow.Sleep(ctx, time.Duration(begun)*time.Hour)
	}
	env.RegisterWorkflowWithOptions(child, workflow.RegisterOptions{Name: "IngestVideo"})
	activities := map[string]any{
		"ResolveProfile": func(context.Context, ingest.ResolveInput) (ingest.Recipe, error) {
			return ingest.Recipe{
				Fingerprint: video.NewFingerprint("recipe"), Profile: strings.Repeat("p", 255), ChunkFrames: 64, Embed: "e", EmbedGPU: []string{"cpu"},
			}, nil
		},
		"ListSource": func(context.Context, ingest.ListSourceInput) (ingest.Listing, error) {
			return ingest.Listing{Prefix: "default/listings/r/", Videos: videos}, nil
		},
		"ReadListing": func(context.Context, ingest.ReadListingInput) (out ingest.ReadListingResult, err error) {
			for range ingest.ListingPage {
				out.URIs = append(out.URIs, uri)
			}
			return out, nil
		},
	}
	for _, name := range []string{"ResolveProfile", "ListSource", "ReadListing"} {
		env.RegisterActivityWithOptions(activities[name], activity.RegisterOptions{Name: name})
	}
	env.ExecuteWorkflow("IngestLibrary", LibraryInput{Source: uri[:min(len(uri), video.MaxURI)], Concurrency: MaxConcurrency})
	require.True(t, env.IsWorkflowCompleted())
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	input = next.Input.GetPayloads()[0].GetData()
	var in struct {
		Resume libraryResume `json:"resume"`
	}
	require.NoError(t, json.Unmarshal(input, &in))
	require.GreaterOrEqual(t, len(in.Resume.Failures), failed, fmt.Sprint(begun))
	return input, len(in.Resume.InFlight)
}
