package ingest

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/video"
)

// models are fake models that count their calls.
type models struct {
	mu    sync.Mutex                                    // a call may go on after its attempt has ended
	says  func(ctx context.Context, shown string) error // nil = an answer
	asked map[string]int                                // calls by the content of the request
}

func (m *models) say(says func(ctx context.Context, shown string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.says = says
}

const (
	atOnce  = 3 // calls that the models take
	microUS = 5 // cost of a call
)

func (*models) Limit(string) int             { return atOnce }
func (*models) TextsPerCall(video.Stage) int { return 1 }

func (m *models) ask(ctx context.Context, shown string) error {
	m.mu.Lock()
	m.asked[shown]++
	says := m.says
	m.mu.Unlock()
	if says == nil {
		return nil
	}
	return says(ctx, shown)
}

// calls is the number of calls.
func (m *models) calls() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, about := range m.asked {
		n += about
	}
	return n
}

func (m *models) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	if r.Tenant != "default" { // an endpoint may gather frames, of one tenant only
		return video.Caption{}, fault.New(fault.Auth, "describe", "d", "not a frame of this tenant")
	}
	shown := string(bytes.Join(r.Pictures(), nil))
	return video.Caption{Text: "what " + shown + " shows", CostMicroUSD: microUS}, m.ask(ctx, shown)
}

func (m *models) EmbedPictures(ctx context.Context, r video.PictureRequest) (video.Embedding, error) {
	return video.Embedding{Dim: 2, Rows: 1, Floats: []float32{1, 0}}, m.ask(ctx, string(bytes.Join(r.JPEGs, nil)))
}

func (m *models) EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error) {
	return []video.Embedding{{Dim: 2, Rows: 1, Floats: []float32{1, 0}}}, m.ask(ctx, r.Texts[0])
}

func (m *models) Transcribe(ctx context.Context, r video.TranscribeRequest) (video.Transcript, error) {
	return video.Transcript{Segments: []video.Segment{{EndMS: 1, Text: string(r.FLAC)}}, CostMicroUSD: microUS}, m.ask(ctx, string(r.FLAC))
}

// items is how many frames or pieces of sound an asked video has.
const items = 6

// askedVideo is an extracted video, and one activity that calls models about it.
type askedVideo struct {
	t      *testing.T
	a      *Activities
	store  *activitytest.Store
	models *models
	p      video.Profile
	prefix string
	ref    VideoRef
	do     func(ctx context.Context, in ChunkInput) (ChunkResult, error)
	folder string // of the answers
	speech bool   // the activity is about speech, not about frames
}

// kinds are the activities that ask models about a video.
func kinds() map[string]func(v *askedVideo) {
	return map[string]func(v *askedVideo){
		"describe": func(v *askedVideo) { v.do, v.folder = v.a.DescribeChunk, "default/captions/" },
		"embed pictures": func(v *askedVideo) {
			v.p.Embed.Of = video.OfFrame
			v.do, v.folder = v.a.EmbedChunk, "default/embeddings/"
		},
		"embed texts": func(v *askedVideo) { v.do, v.folder = v.a.EmbedChunk, "default/embeddings/" },
		"embed speech": func(v *askedVideo) {
			v.p = v.p.Pinned()
			v.do, v.folder, v.speech = v.a.EmbedSpeech, "default/embeddings/", true
		},
		"transcribe": func(v *askedVideo) {
			v.do = func(ctx context.Context, in ChunkInput) (ChunkResult, error) {
				return v.a.Transcribe(ctx, TranscribeInput{VideoRef: in.VideoRef, Job: in.Job})
			}
			v.folder, v.speech = "default/transcripts/", true
		},
	}
}

func newAskedVideo(t *testing.T, kind func(v *askedVideo)) *askedVideo {
	t.Helper()
	files, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	calls, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	v := &askedVideo{t: t, store: &activitytest.Store{Store: files}, models: &models{asked: map[string]int{}}, p: video.LocalPreview()}
	v.a = &Activities{
		Store: v.store, Ledger: calls, Describer: v.models, Embedder: v.models, Transcriber: v.models, Runs: alone{},
		Broker: broker.New(broker.Options{Ledger: calls, Spread: time.Millisecond, StoreFor: 1}),
	}
	v.p.Describe = video.Stage{Model: "d", CostMicroUSD: microUS}
	v.p.Embed = video.Stage{Model: "e", Dim: 2, CostMicroUSD: microUS}
	v.p.Transcribe = video.Stage{Model: "t", CostMicroUSD: microUS}
	kind(v)
	v.ref = VideoRef{Tenant: "default", Video: "v", Recipe: storeRecipe(t, files, v.p)}
	v.prefix = video.FramesPrefix("default", "v", v.p.ExtractFingerprint("v"))
	var chunk video.Chunk
	x := video.Extraction{AudioPieces: items, SpeechApart: true}
	for i := range items {
		f := video.Frame{PTSMS: int64(i), SHA256: fmt.Sprint("frame-", i)}
		chunk.Frames = append(chunk.Frames, f)
		v.put(video.FrameKey(v.prefix, f), f.SHA256)
		v.put(video.AudioKey(v.prefix, i), fmt.Sprint("sound-", i))
		if v.folder != "default/captions/" {
			v.json(video.CaptionKey("default", v.p.CaptionFingerprint(f)), video.Caption{Text: fmt.Sprint("caption ", i)})
		}
	}
	for i := range items {
		if v.folder != "default/transcripts/" {
			said := video.Transcript{Segments: []video.Segment{{EndMS: 1, Text: fmt.Sprint("sound-", i)}}}
			v.json(video.TranscriptKey("default", v.p.TranscriptFingerprint("v", i)), said)
		}
	}
	v.json(video.ChunkKey(v.prefix, 0), chunk)
	v.json(video.ExtractionKey(v.prefix), x)
	return v
}

func (v *askedVideo) put(key, text string) {
	v.t.Helper()
	_, err := v.store.Put(v.t.Context(), key, strings.NewReader(text))
	require.NoError(v.t, err)
}

func (v *askedVideo) json(key string, value any) {
	v.t.Helper()
	require.NoError(v.t, activities.WriteJSON(v.t.Context(), v.store, key, value))
}

func (v *askedVideo) in() ChunkInput { return ChunkInput{VideoRef: v.ref, Job: "job"} }

func (v *askedVideo) run() (ChunkResult, error) {
	v.t.Helper()
	return activitytest.Run(v.t, v.do, v.in())
}

// answers is the number of stored answers.
func (v *askedVideo) answers() int {
	v.t.Helper()
	n := 0
	require.NoError(v.t, v.store.List(v.t.Context(), v.folder, countInto(&n)))
	return n
}

// completes runs the activity until all answers are stored, and checks that no stored answer
// was requested again.
func (v *askedVideo) completes() ChunkResult {
	v.t.Helper()
	stored := v.answers()
	before := v.models.calls()
	out, err := v.run()
	require.NoError(v.t, err)
	require.Equal(v.t, items, out.Frames)
	require.Equal(v.t, items-stored, out.Calls, "stored answers are not requested")
	after := v.models.calls()
	require.Equal(v.t, out.Calls, after-before)
	require.Equal(v.t, items, v.answers())
	again, err := v.run() // repeats the run, whose result was lost
	require.NoError(v.t, err)
	require.Zero(v.t, again.Calls)
	require.Zero(v.t, again.CostMicroUSD)
	require.Equal(v.t, out.SpentMicroUSD, again.SpentMicroUSD)
	return out
}

// everyKind runs a test for each activity that asks models about a video.
func everyKind(t *testing.T, test func(v *askedVideo)) {
	t.Helper()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newAskedVideo(t, kind))
		})
	}
}

// TestRequestedOnce: a stored answer is never paid for again, even if the activity runs again.
func TestRequestedOnce(t *testing.T) {
	t.Parallel()
	everyKind(t, func(v *askedVideo) {
		out := v.completes()
		require.EqualValues(v.t, items*microUS, out.CostMicroUSD)
		require.EqualValues(v.t, items*microUS, *out.SpentMicroUSD)
	})
}

// TestResumesFromStoredAnswers: an attempt that fails because of a model keeps its answers, and
// the next attempt requests only the others.
func TestResumesFromStoredAnswers(t *testing.T) {
	t.Parallel()
	everyKind(t, func(v *askedVideo) {
		var answered sync.Map
		v.models.say(func(_ context.Context, shown string) error {
			if strings.HasSuffix(shown, "4") {
				return fault.New(fault.Auth, "ask", "model", "the key has expired")
			}
			answered.Store(shown, true)
			return nil
		})
		_, err := v.run()
		require.Equal(v.t, fault.Auth, activitytest.ClassOf(err), "%v", err)
		require.ErrorContains(v.t, err, "the key has expired")
		v.models.say(func(_ context.Context, shown string) error {
			if _, twice := answered.Load(shown); twice {
				return fault.New(fault.Input, "ask", "model", "it was asked before")
			}
			return nil
		})
		out := v.completes()
		require.Zero(v.t, out.Refused)
		require.EqualValues(v.t, items*microUS, *out.SpentMicroUSD, "a call that is not billed costs nothing")
	})
}

// TestStoreWithoutRoom: if an answer cannot be stored, the activity reports the reason, and
// stored answers are not paid for again.
func TestStoreWithoutRoom(t *testing.T) {
	t.Parallel()
	everyKind(t, func(v *askedVideo) {
		var mu sync.Mutex
		left := 2
		v.store.NoRoom = func(key string) bool {
			if !strings.HasPrefix(key, v.folder) {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			left--
			return left < 0
		}
		_, err := v.run()
		require.Equal(v.t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
		require.ErrorContains(v.t, err, "no space left")
		require.Equal(v.t, 2, v.answers())
		asked := v.models.calls()
		require.LessOrEqual(v.t, asked, 2+2*atOnce, "no call starts after a failure")
		v.store.NoRoom = nil
		out := v.completes()
		require.GreaterOrEqual(v.t, *out.SpentMicroUSD, int64(items*microUS), "the ledger includes the calls whose answers were lost")
	})
}

// TestLostAnswer: only a lost answer is requested again.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	everyKind(t, func(v *askedVideo) {
		v.completes()
		var keys []string
		require.NoError(v.t, v.store.List(v.t.Context(), v.folder, keysInto(&keys)))
		require.NoError(v.t, v.store.Delete(v.t.Context(), keys[3]))
		out, err := v.run()
		require.NoError(v.t, err)
		require.Equal(v.t, 1, out.Calls)
		require.Equal(v.t, items, v.answers())
	})
}

// queue records which requests wait for the model.
type queue struct {
	activities.Broker
	entered sync.WaitGroup // requests
	unasked sync.WaitGroup // requests that ended without a call
}

func (q *queue) Do(ctx context.Context, c video.PaidCall) (video.Paid, error) {
	var asked atomic.Bool
	prepare := c.Prepare
	c.Prepare = func(ctx context.Context) (video.Ask, error) {
		ask, err := prepare(ctx)
		return func(ctx context.Context) (video.PaidAnswer, error) {
			asked.Store(true)
			return ask(ctx)
		}, err
	}
	q.entered.Done()
	paid, err := q.Broker.Do(ctx, c)
	if !asked.Load() {
		q.unasked.Done()
	}
	return paid, err
}

// TestCancelMidCall: a cancelled activity starts no calls. After a cancellation by a user, calls
// in flight end and their answers are stored; a draining worker cuts them after its grace
// period.
func TestCancelMidCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		why  error
		kept bool
	}{
		"by a person":   {temporal.NewCanceledError(), true},
		"by the worker": {activities.ErrStopping, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyKind(t, func(v *askedVideo) {
				q := &queue{Broker: v.a.Broker}
				q.entered.Add(items)
				q.unasked.Add(items - atOnce)
				v.a.Broker = q
				var begun sync.WaitGroup
				begun.Add(atOnce)
				full, left := make(chan struct{}), make(chan struct{})
				go func() { q.entered.Wait(); begun.Wait(); close(full) }()
				go func() { q.unasked.Wait(); close(left) }()
				v.models.say(func(ctx context.Context, _ string) error {
					begun.Done() // more than atOnce at a time would panic
					if !c.kept {
						<-ctx.Done()
					}
					<-left // so that no slot is free before the others are cancelled
					if c.kept {
						return nil
					}
					return fault.Wrap(fault.Transport, "ask", "model", ctx.Err())
				})
				err := activitytest.Cancelled(v.t, v.do, v.in(), c.why, full)
				require.Error(v.t, err)
				require.Equal(v.t, atOnce, v.models.calls(), "no call starts after the cancellation")
				v.a.Broker = q.Broker
				v.models.say(nil)
				if c.kept {
					require.Eventually(v.t, func() bool { return v.answers() == atOnce }, waitLimit, tick, "calls in flight are stored")
				}
				v.completes()
			})
		})
	}
}
