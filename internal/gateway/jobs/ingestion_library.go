package jobs

import (
	"encoding/json"
	"net/http"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/catalog"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// The routes below are those that Cogniverse's dashboard calls, for a folder of videos. Its job is of the
// type IngestLibrary.

// IngestFolder is a folder to ingest, as Cogniverse's runtime takes it.
type IngestFolder struct {
	Folder string `json:"video_dir" jsonschema:"folder on the workers, s3:// prefix, or list of videos; source of IngestLibrary"`
	IngestTarget
	MaxVideos *int `json:"max_videos,omitempty" jsonschema:"stop after this many videos (default all)"`
	Batch     *int `json:"batch_size,omitempty" jsonschema:"videos at a time, 1 to 256 (default 10)"`
}

// IngestBegun is the answer to the start of a folder.
type IngestBegun struct {
	Job     string `json:"job_id"`
	Status  string `json:"status" jsonschema:"started"`
	Message string `json:"message"`
}

// IngestCounts is the state of a folder.
type IngestCounts struct {
	Job       string   `json:"job_id"`
	Status    string   `json:"status" jsonschema:"started, processing, completed or failed"`
	Processed int      `json:"videos_processed" jsonschema:"videos in the index, unchanged ones included"`
	Total     int      `json:"videos_total"`
	Errors    []string `json:"errors" jsonschema:"of videos that failed, and of the job; the first 50"`
}

// States of folders.
const (
	folderStarted   = "started"
	folderWorks     = "processing"
	folderCompleted = "completed"
	folderFailed    = "failed"
)

// usualBatch is Cogniverse's default of videos at a time.
const usualBatch = 10

func (a *API) folderRoutes() []api.Route {
	return []api.Route{
		{
			Method: http.MethodPost, Path: "/ingestion/start", Name: "ingestFolder", Tag: "ingestion", Summary: "Ingest a folder of videos, as Cogniverse's runtime does",
			Request: IngestFolder{}, Response: IngestBegun{}, MaxBody: maxInput, Errors: []int{http.StatusBadGateway, http.StatusNotFound}, Handle: a.ingestFolder,
		},
		{
			Method: http.MethodGet, Path: "/ingestion/status/{id}", Name: "getIngestedFolder", Tag: "ingestion", Summary: "Counts of the ingestion of a folder, as Cogniverse's runtime answers them",
			Query: []api.Param{{Name: "id", Text: "job_id"}}, Response: IngestCounts{}, Errors: []int{http.StatusNotFound, http.StatusBadGateway}, Handle: a.ingestCounts, First: true,
		},
	}
}

func (a *API) ingestFolder(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	var f IngestFolder
	if err := api.Decode(r, &f); err != nil {
		return err
	}
	in := ingest.LibraryInput{Source: f.Folder, Recursive: true, Concurrency: usualBatch}
	for name, value := range map[string]string{"profile": f.Profile, "backend": f.Backend, "tenant_id": f.Tenant, "org_id": f.Org} {
		if err := field(name, value, c.Tenant, &in.Profile); err != nil {
			return err
		}
	}
	if f.MaxVideos != nil {
		in.MaxVideos = *f.MaxVideos
	}
	if f.Batch != nil {
		in.Concurrency = *f.Batch
	}
	switch {
	case f.Folder == "":
		return api.BadField("video_dir", "is required")
	case in.MaxVideos < 0:
		return api.BadField("max_videos", "must be 0 or more")
	case in.Concurrency < 1 || in.Concurrency > ingest.MaxConcurrency:
		return api.BadField("batch_size", "must be 1 to 256")
	}
	t, _ := catalog.TypeOf("IngestLibrary")
	input, err := json.Marshal(in)
	if err != nil {
		return err
	}
	started, err := a.Start(r.Context(), c, t, input, "")
	if err != nil {
		return err
	}
	message := "the ingestion has started; GET /ingestion/status/" + started.ID + " shows it"
	if started.Attached {
		message = "this folder is being ingested already; GET /ingestion/status/" + started.ID + " shows it"
	}
	api.WriteJSON(w, http.StatusOK, IngestBegun{Job: started.ID, Status: folderStarted, Message: message})
	return nil
}

func (a *API) ingestCounts(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	j, err := a.ingestion(r.Context(), c, r.PathValue("id"), "IngestLibrary")
	if err != nil {
		return err
	}
	out := IngestCounts{Job: j.ID, Status: folderStarted, Errors: []string{}}
	var failures []video.Failure
	switch {
	case j.State == StateCompleted:
		raw, err := a.outcome(r.Context(), j, answerTime)
		if err != nil {
			return err
		}
		var result ingest.LibraryResult
		if err := json.Unmarshal(raw, &result); err != nil {
			return err
		}
		out.Status, out.Processed, out.Total, failures = folderCompleted, result.Indexed+result.Unchanged, result.Videos, result.Failures
	case j.State != StateRunning:
		out.Status = folderFailed
		if j.Error != nil {
			out.Errors = append(out.Errors, j.Error.Message)
		}
	case j.Progress != nil:
		var p ingest.LibraryProgress
		if err := convert(j.Progress, &p); err != nil {
			return err
		}
		out.Status, out.Processed, out.Total, failures = folderWorks, p.Indexed+p.Unchanged, p.Videos, p.Failures
	}
	for _, f := range failures {
		out.Errors = append(out.Errors, safetext.Line(f.URI+": "+f.Reason, safetext.MaxMessage))
	}
	w.Header().Set("Cache-Control", "no-store")
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// convert makes a typed value of one that was decoded from JSON without its type.
func convert(from, into any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}
