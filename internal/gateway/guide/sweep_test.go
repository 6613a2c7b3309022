package guide_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/guide"
	"github.com/cogniverse/cogflow/internal/gateway/upstream"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/frames"
)

// served has every model.
type served struct{ guide.Server }

func (served) Served(string, upstream.Use) error { return nil }

// begun are the batches of the jobs that were started. All of them run until they are removed.
type begun struct {
	guide.Jobs
	prefixes map[string]bool
	last     string
	asked    int
}

func (b *begun) Do(_ context.Context, c api.Caller, _ string, input []byte, _ time.Duration) (string, json.RawMessage, error) {
	var in frames.Input
	err := json.Unmarshal(input, &in)
	b.last = video.BatchPrefix(c.Tenant, video.Fingerprint(in.Batch))
	b.prefixes[b.last] = true
	return "job", nil, errors.Join(err, api.Fail(http.StatusConflict, api.CodeUnfinished, "it runs"))
}

func (b *begun) Batches(context.Context) (map[string]bool, error) {
	b.asked++
	return b.prefixes, nil
}

// shaky is a store to which something happens.
type shaky struct {
	guide.Store
	deletes int    // that succeed; then the gateway is killed
	before  func() // runs once before the next conditional write
}

var errKilled = errors.New("the gateway was killed")

func (s *shaky) Delete(ctx context.Context, key string) error {
	if s.deletes == 0 {
		return errKilled
	}
	s.deletes--
	return s.Store.Delete(ctx, key)
}

func (s *shaky) Replace(ctx context.Context, key, sum string, r io.Reader) (object.Info, error) {
	if do := s.before; do != nil {
		s.before = nil
		do()
	}
	return s.Store.Replace(ctx, key, sum, r)
}

// hall is two gateways over one store. The first one sweeps, the second one takes requests.
type hall struct {
	t               *testing.T
	store           guide.Store
	now             time.Time
	jobs            *begun
	shaky           *shaky
	sweeper, server *guide.API
}

const kept = 24 * time.Hour

func openHall(t *testing.T) *hall {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	h := &hall{t: t, store: store, now: time.Now(), jobs: &begun{prefixes: map[string]bool{}}}
	h.shaky = &shaky{Store: store, deletes: -1}
	gateway := func(s guide.Store) *guide.API {
		return &guide.API{
			Server: served{}, Jobs: h.jobs, For: kept, Now: func() time.Time { return h.now },
			Store: func(context.Context) (guide.Store, error) { return s, nil },
		}
	}
	h.sweeper, h.server = gateway(h.shaky), gateway(store)
	return h
}

// post sends a batch of pictures of the given widths.
func (h *hall) post(owner tenant.ID, widths ...int) (status int, prefix string) {
	h.t.Helper()
	var packed bytes.Buffer
	w, mapping := zip.NewWriter(&packed), map[string]string{}
	for _, width := range widths {
		name := strings.Repeat("w", width) + ".jpg"
		mapping[name] = name
		f, err := w.Create(name)
		require.NoError(h.t, err)
		require.NoError(h.t, jpeg.Encode(f, image.NewGray(image.Rect(0, 0, width, 8)), nil))
	}
	require.NoError(h.t, w.Close())
	body, err := json.Marshal(map[string]any{"zip_data": base64.StdEncoding.EncodeToString(packed.Bytes()), "frame_mapping": mapping, "model": "m"})
	require.NoError(h.t, err)
	r := httptest.NewRequestWithContext(h.t.Context(), http.MethodPost, "/upload_and_process_frames", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	h.jobs.last = ""
	route, err := api.NewMux(h.server.Routes()).Find(answer, r)
	if err == nil {
		err = route.Handle(answer, r, api.Caller{Tenant: owner})
	}
	if err != nil {
		api.Write(answer, api.Of(err))
	}
	return answer.Code, h.jobs.last
}

func (h *hall) accepted(owner tenant.ID, widths ...int) (prefix string) {
	h.t.Helper()
	status, prefix := h.post(owner, widths...)
	require.Equal(h.t, http.StatusAccepted, status)
	return prefix
}

// ends ends the job of a batch, whose result is stored.
func (h *hall) ends(prefix string) {
	h.t.Helper()
	_, err := h.store.Put(h.t.Context(), video.BatchAnswersKey(prefix, "s"), strings.NewReader(`{"descriptions":{"a":"b"}}`))
	require.NoError(h.t, err)
	_, err = h.store.Put(h.t.Context(), video.BatchChunkKey(prefix, "s", 0), strings.NewReader(`{}`))
	require.NoError(h.t, err)
	delete(h.jobs.prefixes, prefix)
}

// names are those of the objects of a batch; pictures are the number of its frames.
func (h *hall) names(prefix string) (names []string, pictures int) {
	h.t.Helper()
	require.NoError(h.t, h.store.List(h.t.Context(), prefix, func(i object.Info) error {
		names = append(names, strings.TrimPrefix(i.Key, prefix))
		if path.Ext(i.Key) == ".jpg" {
			pictures++
		}
		return nil
	}))
	return names, pictures
}

func (h *hall) sweep() int {
	h.t.Helper()
	n, err := h.sweeper.Sweep(h.t.Context())
	require.NoError(h.t, err)
	return n
}

// whole requires that both frames of a batch are stored.
func (h *hall) whole(prefix string) {
	h.t.Helper()
	names, pictures := h.names(prefix)
	require.Equal(h.t, 2, pictures, names)
	require.Contains(h.t, names, "manifest.json")
}

// TestSweepBatches: the frames of a batch that has ended are removed a day after the last request with
// them, and its result stays. Batches that run, others with the same frame and those of others stay.
func TestSweepBatches(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	ended, runs := h.accepted("acme", 8, 16), h.accepted("acme", 8, 24)
	other := h.accepted("org:other", 8, 16)
	h.ends(ended)
	require.Zero(t, h.sweep())
	require.Zero(t, h.jobs.asked, "there is nothing to remove")
	h.now = h.now.Add(kept - time.Minute)
	require.Zero(t, h.sweep())
	h.whole(ended)

	h.now = h.now.Add(time.Hour)
	require.Equal(t, 1, h.sweep())
	names, _ := h.names(ended)
	require.Equal(t, []string{"descriptions-s.json"}, names)
	h.whole(runs)
	h.whole(other)
	require.Zero(t, h.sweep(), "a sweep that has nothing to do does nothing")

	require.Equal(t, ended, h.accepted("acme", 8, 16), "the same batch can be sent again")
	h.whole(ended)
	h.ends(runs)
	h.ends(ended)
	require.Equal(t, 1, h.sweep(), "the one that was just sent is held")
	h.whole(ended)
	_, pictures := h.names(runs)
	require.Zero(t, pictures)
}

// TestSweepOlderBatches: frames that an earlier version has stored, and objects that came after a
// removal, are removed by their age.
func TestSweepOlderBatches(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	old := h.accepted("acme", 8)
	h.ends(old)
	require.NoError(t, h.store.Delete(t.Context(), video.BatchHoldKey(old)))
	require.Zero(t, h.sweep())
	h.now = h.now.Add(kept + time.Minute)
	require.Equal(t, 1, h.sweep())
	names, _ := h.names(old)
	require.Equal(t, []string{"descriptions-s.json"}, names)

	_, err := h.store.Put(t.Context(), video.BatchChunkKey(old, "s", 7), strings.NewReader(`{}`)) // an activity that was given up
	require.NoError(t, err)
	require.Equal(t, 1, h.sweep())
	require.NoError(t, h.store.Delete(t.Context(), names[0]))
}

// TestSweepKilled: a batch whose removal was interrupted is refused for a moment, and then whole again
// or removed.
func TestSweepKilled(t *testing.T) {
	t.Parallel()
	for deletes := range 4 {
		h := openHall(t)
		batch := h.accepted("acme", 8, 16)
		h.ends(batch)
		h.now = h.now.Add(kept + time.Minute)
		h.shaky.deletes = deletes
		_, err := h.sweeper.Sweep(t.Context())
		require.ErrorIs(t, err, errKilled)
		status, _ := h.post("acme", 8, 16)
		require.Equal(t, http.StatusServiceUnavailable, status, "the removal may go on")
		h.shaky.deletes = -1
		require.Zero(t, h.sweep(), "another gateway may be at it")

		h.now = h.now.Add(6 * time.Minute)
		if deletes%2 == 0 {
			require.Equal(t, 1, h.sweep())
			names, _ := h.names(batch)
			require.Equal(t, []string{"descriptions-s.json"}, names)
			continue
		}
		require.Equal(t, batch, h.accepted("acme", 8, 16))
		h.whole(batch)
		require.Zero(t, h.sweep())
		h.whole(batch)
	}
}

// TestSweepRace: a batch that another gateway receives while this one is about to remove it stays.
func TestSweepRace(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	batch := h.accepted("acme", 8, 16)
	h.ends(batch)
	h.now = h.now.Add(kept + time.Minute)
	h.shaky.before = func() { require.Equal(t, batch, h.accepted("acme", 8, 16)) }
	require.Zero(t, h.sweep())
	h.whole(batch)
	h.ends(batch)
	require.Zero(t, h.sweep(), "it is held again")
}
