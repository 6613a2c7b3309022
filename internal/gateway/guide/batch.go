package guide

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/upstream"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/frames"
)

// Batch is the request of /upload_and_process_frames.
type Batch struct {
	Zip     string            `json:"zip_data" jsonschema:"a ZIP file with JPEG, PNG or WebP files and no folders, in base64"`
	Mapping map[string]string `json:"frame_mapping" jsonschema:"for each file, the key of its description"`
	Model   string            `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
	Prompt  string            `json:"prompt,omitempty" jsonschema:"what the model is asked about each frame (default that of Cogniverse)"`
	MaxCost float64           `json:"max_cost,omitempty" jsonschema:"hard limit in USD; the job waits when it is reached; 0 = none"`
}

// Descriptions is the answer of /upload_and_process_frames.
type Descriptions struct {
	Descriptions map[string]string `json:"descriptions"`
	UploadID     string            `json:"upload_id" jsonschema:"id of the job"`
	Processed    int               `json:"processed_frames"`
	Seconds      float64           `json:"duration_seconds"`
	Failures     map[string]string `json:"failures,omitempty" jsonschema:"for each frame without a description, the reason"`
}

// Jobs starts jobs and waits for them.
type Jobs interface {
	// Do starts a job, or attaches to the running one with the same input, and waits for its result.
	// id is set also with an error if there is a job. The error of a job that goes on has the code
	// api.CodeUnfinished.
	Do(ctx context.Context, c api.Caller, kind string, input []byte, within time.Duration) (id string, result json.RawMessage, err error)
	// Await waits for the result of a job.
	Await(ctx context.Context, c api.Caller, kind, id string, within time.Duration) (json.RawMessage, error)
	// Batches are the folders of the batches that jobs of all tenants describe now.
	Batches(ctx context.Context) (map[string]bool, error)
}

const (
	batchJob       = "DescribeFrames"
	maxBatch       = 96 << 20 // of a request
	tenantBatches  = 2
	gatewayBatches = 8 // storing a batch can take a few hundred MiB of memory
)

func (a *API) batchRoutes(model []int) []api.Route {
	errs := append([]int{http.StatusTooManyRequests, http.StatusConflict}, model...)
	wait := api.Param{Name: "wait", Text: "how long to wait, such as 30s, at most 3h (default 50s; 3h at listeners of one model, as Cogniverse's client waits)"}
	frames := api.Route{
		Method: http.MethodPost, Path: batchPath, Name: "uploadAndProcessFrames", Tag: tag, Summary: "Describe the frames of an archive, as a job",
		Request: Batch{}, Response: Descriptions{}, Also: map[int]any{http.StatusAccepted: Accepted{}}, Errors: errs, MaxBody: maxBatch, Handle: a.batch,
		Query: []api.Param{wait, {Name: "Prefer", Text: "wait=N: seconds to wait; respond-async: not at all (RFC 7240)", Header: true}},
	}
	hyphens := frames
	hyphens.Path, hyphens.Name = "/upload-and-process-frames", "uploadAndProcessFramesHyphens"
	state := frames
	state.Method, state.Path, state.Name, state.Summary = http.MethodGet, batchPath+"/{id}", "getProcessedFrames", "Descriptions of the frames of a batch"
	state.Request, state.MaxBody, state.Handle = nil, 0, a.result
	state.Query = append([]api.Param{{Name: "id", Text: "id of the job, percent-encoded"}}, frames.Query...)
	return []api.Route{frames, hyphens, state}
}

func (a *API) batch(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	began := time.Now()
	p, err := patienceOf(r, c, briefly)
	if err != nil {
		return told(w, c, err, failure{UploadID: c.Request})
	}
	id, raw, err := a.process(r, c, p)
	return a.answer(w, r, c, p, processed{id: id, raw: raw, err: err, began: began})
}

// result answers the descriptions of a job that another request has started.
func (a *API) result(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	began := time.Now()
	p, err := patienceOf(r, api.Caller{}, 0)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	raw, err := a.Jobs.Await(r.Context(), c, batchJob, id, p.Duration)
	return a.answer(w, r, c, p, processed{id: id, raw: raw, err: err, began: began})
}

// processed is what became of a batch within the time of its caller.
type processed struct {
	id    string // of the job; "" = there is none
	raw   json.RawMessage
	err   error
	began time.Time
}

// answer tells the caller the descriptions, where they will be, or why there are none.
func (a *API) answer(w http.ResponseWriter, r *http.Request, c api.Caller, p patience, done processed) error {
	if p.applied != "" {
		w.Header().Set("Preference-Applied", p.applied)
	}
	var out Descriptions
	err := done.err
	if err == nil {
		out, err = a.descriptions(r.Context(), c, done.raw)
	}
	switch {
	case err == nil:
		out.UploadID, out.Seconds = done.id, seconds(done.began)
		if c.ErrorsAs200 { // as the originals did
			for key, reason := range out.Failures {
				out.Descriptions[key] = "Error: " + reason
			}
			out.Processed, out.Failures = len(out.Descriptions), nil
		}
		api.WriteJSON(w, http.StatusOK, out)
		return nil
	case done.id == "":
		return told(w, c, err, failure{UploadID: c.Request})
	case goesOn(r, err) && (p.asked || !c.ErrorsAs200):
		accept(w, done.id)
		return nil
	}
	w.Header().Set("Location", api.JobPath(done.id))
	return told(w, c, err, failure{UploadID: done.id})
}

// goesOn reports whether the job of a request that ends goes on.
func goesOn(r *http.Request, err error) bool {
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeUnfinished {
		return true
	}
	return fault.ClassOf(context.Cause(r.Context())) == fault.Preempted // the gateway stops
}

// process stores the frames of a request and has a job describe them. What it needs memory for ends
// before the job begins.
func (a *API) process(r *http.Request, c api.Caller, p patience) (id string, raw json.RawMessage, err error) {
	in, err := a.store(r, c)
	if err != nil {
		return "", nil, err
	}
	input, err := json.Marshal(in)
	if err != nil {
		return "", nil, err
	}
	return a.Jobs.Do(r.Context(), c, batchJob, input, p.Duration)
}

func (a *API) store(r *http.Request, c api.Caller) (frames.Input, error) {
	leave, err := a.batches.enter(c.Tenant)
	if err != nil {
		return frames.Input{}, err
	}
	defer leave()
	b, from, err := open(r)
	if err != nil {
		return frames.Input{}, err
	}
	in := frames.Input{Common: workflows.Common{BudgetUSD: b.MaxCost}, Prompt: b.Prompt}
	if in.Model, err = upstream.Chosen(b.Model, c.Model); err != nil {
		return in, err
	}
	if err := a.Server.Served(in.Model, upstream.Chat); err != nil {
		return in, err
	}
	id, err := a.keep(r.Context(), c, b, from)
	in.Batch = string(id)
	return in, err
}

// descriptions reads those that a job has stored.
func (a *API) descriptions(ctx context.Context, c api.Caller, raw json.RawMessage) (Descriptions, error) {
	var result frames.Result
	if err := json.Unmarshal(raw, &result); err != nil {
		return Descriptions{}, err
	}
	if !strings.HasPrefix(result.Descriptions, string(c.Tenant)+"/") {
		return Descriptions{}, errors.New("guide: the descriptions of a job are not below its tenant: " + result.Descriptions)
	}
	store, err := a.Store(ctx)
	if err != nil {
		return Descriptions{}, err
	}
	var all video.BatchAnswers
	err = activities.ReadJSON(ctx, store, result.Descriptions, &all)
	if activities.Absent(err) {
		err = api.Fail(http.StatusConflict, "job_has_no_result", "the descriptions of the job were removed; send the batch again")
	}
	return Descriptions{Descriptions: all.Descriptions, Processed: len(all.Descriptions), Failures: all.Failures}, err
}

// batches counts the batches whose frames are being stored.
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
			Message: "too many batches are being stored; a tenant can have " + strconv.Itoa(tenantBatches),
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
