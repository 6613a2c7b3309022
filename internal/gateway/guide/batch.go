package guide

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/archive"
	"github.com/cogniverse/cogflow/internal/gateway/media"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Batch is the request of /upload_and_process_frames.
type Batch struct {
	Zip     string            `json:"zip_data" jsonschema:"a ZIP file with JPEG or PNG files and no folders, in base64"`
	Mapping map[string]string `json:"frame_mapping" jsonschema:"for each file, the key of its description"`
	Model   string            `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
}

// Descriptions is the answer of /upload_and_process_frames.
type Descriptions struct {
	Descriptions map[string]string `json:"descriptions"`
	UploadID     string            `json:"upload_id"`
	Processed    int               `json:"processed_frames"`
	Seconds      float64           `json:"duration_seconds"`
	Failures     map[string]string `json:"failures,omitempty" jsonschema:"for each frame without a description, the reason"`
}

const (
	maxBatch       = 96 << 20 // of a request
	maxKey         = 1024
	inFlight       = 8 // frames of a batch; the endpoint has limits of its own
	tenantBatches  = 2
	gatewayBatches = 8 // a batch can take a few hundred MiB of memory
)

func (a *API) batch(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	began := time.Now()
	out, err := a.process(r, c)
	if err != nil {
		return told(w, c, err, failure{UploadID: c.Request})
	}
	if c.ErrorsAs200 { // as the originals did
		for key, reason := range out.Failures {
			out.Descriptions[key] = "Error: " + reason
		}
		out.Processed, out.Failures = len(out.Descriptions), nil
	}
	out.UploadID, out.Seconds = c.Request, seconds(began)
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// process describes the frames of an archive. Each description is stored before the answer, so that
// a caller who sends the same batch again pays only for the frames that have none.
func (a *API) process(r *http.Request, c api.Caller) (Descriptions, error) {
	leave, err := a.batches.enter(c.Tenant)
	if err != nil {
		return Descriptions{}, err
	}
	defer leave()
	frames, out, err := unpack(r)
	if err != nil {
		return Descriptions{}, err
	}
	var mu sync.Mutex
	var first error
	var group panics.Group
	group.SetLimit(inFlight)
	for _, f := range frames {
		group.Go(func() error {
			text, err := a.frame(r.Context(), c, f)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				out.Failures[f.key] = api.Of(err).Message
				if first == nil {
					first = err
				}
				return nil
			}
			out.Descriptions[f.key] = text
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Descriptions{}, err
	}
	if err := r.Context().Err(); err != nil {
		return Descriptions{}, err
	}
	out.Processed = len(out.Descriptions)
	if out.Processed == 0 && first != nil {
		return Descriptions{}, first
	}
	return out, nil
}

// frame is one file of a batch.
type batchFrame struct {
	key, name, model string
	from             *archive.Archive
}

// unpack reads a batch. Files and keys without a partner are failures of their own.
func unpack(r *http.Request) (frames []batchFrame, out Descriptions, err error) {
	out = Descriptions{Descriptions: map[string]string{}, Failures: map[string]string{}}
	data, err := api.ReadJSON(r)
	if err != nil {
		return nil, out, err
	}
	var b Batch
	if err := strictjson.Unmarshal(data, &b); err != nil {
		return nil, out, api.Fail(http.StatusBadRequest, "invalid_json", "the body must be one JSON object: "+err.Error())
	}
	if b.Zip == "" || b.Mapping == nil {
		return nil, out, api.BadField("zip_data", "zip_data and frame_mapping are required")
	}
	packed, err := base64.StdEncoding.DecodeString(b.Zip)
	if err != nil {
		return nil, out, api.BadField("zip_data", "zip_data must be base64")
	}
	from, err := archive.Open(packed)
	if err != nil {
		return nil, out, err
	}
	keys := map[string]bool{}
	for name, key := range b.Mapping {
		if key == "" || len(key) > maxKey || keys[key] {
			return nil, out, api.BadField("frame_mapping", "each file must have a key of its own, of at most "+strconv.Itoa(maxKey)+" bytes")
		}
		keys[key] = true
		if !slices.Contains(from.Names(), name) {
			out.Failures[key] = "the archive has no file of this name"
		}
	}
	for _, name := range from.Names() {
		key, mapped := b.Mapping[name]
		if !mapped {
			return nil, out, api.BadField("frame_mapping", "the file "+strconv.Quote(name)+" of the archive has no key")
		}
		frames = append(frames, batchFrame{key: key, name: name, model: b.Model, from: from})
	}
	if len(frames) == 0 {
		return nil, out, api.BadField("zip_data", "the archive has no frames")
	}
	return frames, out, nil
}

// frame describes one frame, unless its description is stored.
func (a *API) frame(ctx context.Context, c api.Caller, f batchFrame) (string, error) {
	data, err := f.from.Read(f.name)
	if err != nil {
		return "", err
	}
	model := f.model
	if model == "" {
		model = c.Model
	}
	sum := sha256.Sum256(data)
	key := video.CaptionKey(c.Tenant, video.NewFingerprint("guide", model, video.DescribePrompt, strconv.Itoa(video.DescribeMaxTokens), hex.EncodeToString(sum[:])))
	store, err := a.Store(ctx)
	if err != nil {
		return "", err
	}
	var stored video.Caption
	err = activities.ReadJSON(ctx, store, key, &stored)
	if err == nil {
		return stored.Text, nil
	}
	if !activities.Absent(err) {
		return "", err
	}
	url, err := media.Picture("zip_data", base64.StdEncoding.EncodeToString(data), c.MaxPixels)
	if err != nil {
		return "", err
	}
	text, err := a.caption(ctx, c, Frame{Model: f.model}, url)
	if err != nil {
		return "", err
	}
	// The answer is paid: a caller who has gone does not stop that it is stored.
	ctx = context.WithoutCancel(ctx)
	err = activities.CreateJSON(ctx, store, key, video.Caption{Text: strings.ToValidUTF8(text, "\uFFFD"), Model: model})
	if errors.Is(err, object.ErrExists) { // the same frame was described at the same time
		err = activities.ReadJSON(ctx, store, key, &stored)
		return stored.Text, err
	}
	return text, err
}

// batches counts the batches in flight.
type batches struct {
	mu  sync.Mutex
	all int
	by  map[tenant.ID]int
}

func (b *batches) enter(t tenant.ID) (leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all >= gatewayBatches || b.by[t] >= tenantBatches {
		return nil, &api.Error{
			Status: http.StatusServiceUnavailable, Code: api.CodeBusy, RetryAfter: 5 * time.Second,
			Message: "too many batches are in flight; a tenant can have " + strconv.Itoa(tenantBatches),
		}
	}
	if b.by == nil {
		b.by = map[tenant.ID]int{}
	}
	b.all++
	b.by[t]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all--
		if b.by[t]--; b.by[t] == 0 {
			delete(b.by, t)
		}
	}, nil
}
