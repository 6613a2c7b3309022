package workflows_test

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
)

// pictureEmbedder embeds pictures: two rows, by the length and the first letter of the
// text that stands for a picture.
type pictureEmbedder struct {
	ingest.Embedder
	mu    sync.Mutex
	calls int
}

func (l *pictureEmbedder) EmbedPictures(_ context.Context, r video.PictureRequest) (video.Embedding, error) {
	l.mu.Lock()
	l.calls++
	l.mu.Unlock()
	out := video.Embedding{Dim: 8, Rows: len(r.JPEGs) + 1, Floats: make([]float32, 8*(len(r.JPEGs)+1))}
	for i, jpeg := range r.JPEGs {
		angle := float64(len(jpeg)) + float64(jpeg[0])
		out.Floats[8*i], out.Floats[8*i+1] = float32(math.Cos(angle)), float32(math.Sin(angle))
	}
	out.Floats[8*len(r.JPEGs)+7] = 1
	return out, nil
}

// TestPicturesWithoutCaptions: a profile that embeds frames and calls no describer.
func TestPicturesWithoutCaptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := &pictureEmbedder{Embedder: w.ingest.Embedder}
	w.ingest.Embedder = l
	w.profile.Describe = video.Stage{}
	w.profile.Embed = video.Stage{
		Model: "look", Of: video.OfFrame, Multi: true, Dim: 8, Keep: video.KeepBits, GPU: []string{"cpu"}, CostMicroUSD: 500,
	}
	w.video("harbour.txt", frames("harbour", 9)...)
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	out := videoResult(t, env)
	require.Equal(t, 9, out.Documents)
	require.Zero(t, out.DescribeCalls)
	require.Equal(t, 9, l.calls)
	require.InDelta(t, 0.0045, out.CostUSD, 1e-9)
	for _, key := range w.objects() {
		require.NotContains(t, key, "/captions/")
	}

	// Again, into another profile with the same model: the frames are known.
	w.profile.Name = "again"
	env = w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	require.Equal(t, 9, videoResult(t, env).Documents)
	require.Equal(t, 9, l.calls)
}

// echo transcribes a piece to two segments: its words in the first second, and
// a word that lasts from the third to the fifth.
type echo struct {
	mu      sync.Mutex
	calls   int
	refuses string // sound that it will not listen to
}

func (e *echo) Limit(string) int { return 2 }

func (e *echo) Transcribe(_ context.Context, r video.TranscribeRequest) (video.Transcript, error) {
	e.mu.Lock()
	e.calls++
	e.mu.Unlock()
	if string(r.FLAC) == e.refuses {
		return video.Transcript{}, fault.New(fault.Input, "transcribe", r.Stage.Model, "it will not listen to this")
	}
	return video.Transcript{Model: r.Stage.Model, CostMicroUSD: 7000, Segments: []video.Segment{
		{StartMS: 0, EndMS: 1000, Text: " " + string(r.FLAC)}, {StartMS: 2500, EndMS: 4500, Text: "lighthouse "},
	}}, nil
}

// TestSpeechHasDocumentsOfItsOwn: what is said is found once, at its time, also where there is
// no picture.
func TestSpeechHasDocumentsOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := &echo{}
	w.ingest.Transcriber, w.sound = e, []string{"welcome aboard", "beyond the pictures"}
	w.profile.Transcribe = video.Stage{Model: "ears", Language: "en", GPU: []string{"cpu"}, CostMicroUSD: 9000}
	w.video("harbour.txt", frames("harbour", 9)...)
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	out := videoResult(t, env)
	require.Equal(t, []int{9, 2, 11}, []int{out.Frames, out.Passages, out.Documents})
	require.Equal(t, 2, e.calls)
	require.InDelta(t, 9*0.001+2*0.007, out.CostUSD, 1e-9)
	require.Len(t, w.search("lighthouse"), 2)
	hits := w.search("aboard")
	require.Len(t, hits, 1)
	require.Equal(t, video.SpeechDocument, hits[0].Kind)
	require.Equal(t, "welcome aboard lighthouse", hits[0].Transcript)
	require.Equal(t, []int64{0, 4500}, []int64{hits[0].StartMS, hits[0].EndMS})
	require.Equal(t, []string{"transcript"}, hits[0].Matched)
	require.NotEmpty(t, hits[0].FrameKey, "the frame that is shown then")
	hits = w.search("beyond")
	require.Len(t, hits, 1)
	require.EqualValues(t, 600_000, hits[0].StartMS)
	require.Empty(t, hits[0].FrameKey)

	// A changed describer asks nothing about the sound again.
	w.profile.Describe.Prompt = "be brief"
	env = w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	require.Equal(t, 11, videoResult(t, env).Removed)
	require.Equal(t, 2, e.calls)
}

// TestSamplingOfARun: a run can have another strategy than its profile.
func TestSamplingOfARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 3)...)
	generations := map[string]bool{}
	for _, sampling := range []string{"", "fps", "keyframes", "shots"} {
		env := w.environment()
		env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI(), Sampling: sampling})
		generations[videoResult(t, env).Generation] = true
	}
	require.Len(t, generations, 3, "the profile's own strategy is fps")
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI(), Sampling: "all"})
	require.ErrorContains(t, env.GetWorkflowError(), "must be fps, keyframes, scene, segments or shots")
}

// TestSubtitlesTakeThePlaceOfATranscript: they are found as speech is, and nothing is paid.
func TestSubtitlesTakeThePlaceOfATranscript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := &echo{}
	w.ingest.Transcriber, w.sound = e, []string{"welcome aboard"}
	w.subtitles = `{"language":"eng","segments":[{"start_ms":2000,"end_ms":3500,"text":"Mind the gap."}]}`
	w.profile.Transcribe = video.Stage{Model: "ears", GPU: []string{"cpu"}, CostMicroUSD: 9000}
	w.video("harbour.txt", frames("harbour", 9)...)
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	out := videoResult(t, env)
	require.Equal(t, 1, out.Passages)
	require.Zero(t, e.calls)
	require.InDelta(t, 9*0.001, out.CostUSD, 1e-9)
	hits := w.search("gap")
	require.Len(t, hits, 1)
	require.Equal(t, "en", hits[0].Language)
	require.EqualValues(t, 2000, hits[0].StartMS)
	require.Empty(t, w.search("aboard"))
}

// TestRefusedAudioIsOmitted: an audio segment that the model refuses is omitted and reported.
// If the model refuses all segments, the model is at fault.
func TestRefusedAudioIsOmitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ingest.Transcriber, w.sound = &echo{refuses: "noise"}, []string{"welcome aboard", "noise"}
	w.profile.Transcribe = video.Stage{Model: "ears", GPU: []string{"cpu"}}
	w.video("harbour.txt", frames("harbour", 9)...)
	ingest := func() (ingestflow.VideoResult, error) {
		env := w.environment()
		env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI(), Force: true})
		if err := env.GetWorkflowError(); err != nil {
			return ingestflow.VideoResult{}, err
		}
		return videoResult(t, env), nil
	}
	out, err := ingest()
	require.NoError(t, err)
	require.Equal(t, 10, out.Documents)
	require.Equal(t, 1, out.Refused)
	require.Len(t, w.search("aboard"), 1)

	w.ingest.Transcriber = &echo{}
	out, err = ingest()
	require.NoError(t, err)
	require.Zero(t, out.Refused, "it listens now")

	w.ingest.Transcriber, w.profile.Transcribe.Model = &echo{refuses: "hum"}, "other ears"
	w.sound = []string{"hum", "hum"}
	_, err = ingest()
	require.ErrorContains(t, err, "it will not listen to this")
}

// fullIndex is full during the first calls.
type fullIndex struct {
	ingest.Index
	mu   sync.Mutex
	full int // calls that are refused yet
	seen int
}

// fencelessIndex is full during the first claims.
type fencelessIndex struct {
	ingest.Index
	full atomic.Int32 // claims that are refused yet
}

func (x *fencelessIndex) Fence(ctx context.Context, t tenant.ID, profile string, v video.ID, claim int64) (int64, error) {
	if x.full.Add(-1) >= 0 {
		return 0, fault.New(fault.Capacity, "claim video", string(v), "the disk of node 3 is full")
	}
	return x.Index.Fence(ctx, t, profile, v, claim)
}

// TestClaimReportsItsWait: a run whose claim finds the index full shows that in its progress
// and its search attribute, and continues by itself.
func TestClaimReportsItsWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := &fencelessIndex{Index: w.ingest.Index}
	x.full.Store(3)
	w.ingest.Index = x
	w.video("harbour.txt", frames("harbour", 9)...)
	env := w.environment()
	progress := func() (p ingestflow.VideoProgress) {
		value, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		require.NoError(t, value.Get(&p))
		return p
	}
	looked := false
	env.RegisterDelayedCallback(func() {
		require.Contains(t, progress().Waiting, "room in the index or the store: claim video")
		require.Contains(t, progress().Waiting, "the disk of node 3 is full")
		looked = true
	}, time.Minute)
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	require.Equal(t, 9, videoResult(t, env).Documents)
	require.True(t, looked)
	require.Empty(t, progress().Waiting)
}

func (x *fullIndex) Upsert(ctx context.Context, docs []video.Document) error {
	x.mu.Lock()
	x.seen++
	refused := x.seen <= x.full
	x.mu.Unlock()
	if refused {
		return fault.New(fault.Capacity, "feed document", docs[0].ID, "the disk of node 3 is full")
	}
	return x.Index.Upsert(ctx, docs)
}

// TestFullIndexIsWaitedOut: an index that blocks feeding pauses the run, which
// reports that, starts nothing new meanwhile, and continues by itself.
func TestFullIndexIsWaitedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := &fullIndex{Index: w.ingest.Index, full: 3}
	w.ingest.Index = x
	w.video("harbour.txt", frames("harbour", 120)...)
	env := w.environment()
	looked := false
	env.RegisterDelayedCallback(func() {
		value, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		var p ingestflow.VideoProgress
		require.NoError(t, value.Get(&p))
		require.Contains(t, p.Waiting, "the disk of node 3 is full")
		require.Less(t, p.Described, 120, "nothing new is paid for")
		looked = true
	}, time.Minute)
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	require.Equal(t, 120, videoResult(t, env).Documents)
	require.True(t, looked)
	indexed, err := x.Published(t.Context(), video.PublishedFilter{Tenant: tenant.Default})
	require.NoError(t, err)
	require.Equal(t, 120, indexed[0].Documents)
	for _, calls := range w.calls {
		require.Equal(t, 1, calls)
	}
}
