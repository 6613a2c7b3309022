package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows/catalog"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// The routes below are those of Cogniverse's runtime that its command line calls, for one file at a
// time. An ingestion is a job of the type IngestVideo; its ingest_id is the id of the job.

// Files keeps uploaded files.
type Files interface {
	// Keep stores a file of a tenant, and returns its SHA-256 and the URI for inputs.
	Keep(ctx context.Context, c api.Caller, name string, content io.Reader) (sha, uri string, err error)
}

// IngestForm is a file with its profile.
type IngestForm struct {
	File string `json:"file" jsonschema:"the video"`
	IngestTarget
}

// IngestTarget is where the documents of an ingestion belong.
type IngestTarget struct {
	Profile string `json:"profile,omitempty" jsonschema:"ingestion profile (default the active one)"`
	Backend string `json:"backend,omitempty" jsonschema:"vespa, or absent: the index is that of the configuration"`
	Tenant  string `json:"tenant_id,omitempty" jsonschema:"that of the caller, or absent"`
	Org     string `json:"org_id,omitempty" jsonschema:"that of the caller's tenant, or absent"`
}

// Ingested is the state of an ingestion, as Cogniverse's runtime answers it.
type Ingested struct {
	ID        string `json:"ingest_id"`
	SHA       string `json:"sha"`
	State     string `json:"state" jsonschema:"queued, processing or complete"`
	Existing  bool   `json:"existing" jsonschema:"the same ingestion ran already"`
	Filename  string `json:"filename"`
	SourceURL string `json:"source_url" jsonschema:"uri for inputs of jobs"`
	Status    string `json:"status" jsonschema:"queued or success"`
	VideoID   string `json:"video_id,omitempty"`
	Chunks    int    `json:"chunks_created"`
	Documents int    `json:"documents_fed"`
}

func (a *API) ingestionRoutes() []api.Route {
	return []api.Route{{
		Method: http.MethodPost, Path: "/ingestion/upload", Name: "uploadAndIngest", Tag: "ingestion", Summary: "Upload a video and ingest it, as Cogniverse's runtime does",
		Request: IngestForm{}, RequestMedia: "multipart/form-data", Response: Ingested{}, MaxBody: a.MostFile, Handle: a.ingestUpload,
		Query: []api.Param{
			{Name: "wait", Text: "true: answer when the video is ingested (default false)"},
			{Name: "wait_timeout", Text: "seconds, 10 to 900 (default 300)"},
			{Name: "force", Text: "true: extract and index again"},
		},
		Errors: []int{http.StatusUnprocessableEntity, http.StatusBadGateway, http.StatusConflict, http.StatusGatewayTimeout, http.StatusNotFound, http.StatusInsufficientStorage},
	}}
}

func (a *API) ingestUpload(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	wait, within, force, err := ingestQuery(r)
	if err != nil {
		return err
	}
	form, err := r.MultipartReader()
	if err != nil {
		return api.Fail(http.StatusUnsupportedMediaType, "invalid_media_type", "the body must be multipart/form-data with a file")
	}
	out, profile, err := a.readForm(r.Context(), form, c)
	if err != nil {
		return err
	}
	t, _ := catalog.TypeOf("IngestVideo")
	input, err := json.Marshal(ingest.VideoInput{URI: out.SourceURL, Profile: profile, Force: force})
	if err != nil {
		return err
	}
	started, err := a.Start(r.Context(), c, t, input, "")
	if err != nil {
		return err
	}
	out.ID, out.Existing, out.State, out.Status = started.ID, started.Attached, ingestQueued, ingestQueued
	if !wait {
		api.WriteJSON(w, http.StatusOK, out)
		return nil
	}
	raw, err := a.outcome(r.Context(), Job{ID: started.ID, RunID: started.RunID, State: StateRunning}, within)
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == CodeUnfinished {
		e.Status, e.Message = http.StatusGatewayTimeout, "the video is not ingested yet; GET /ingestion/"+started.ID+"/status says when"
	} else if ok && e.Code == CodeNoResult {
		e.Status = http.StatusUnprocessableEntity
	}
	if err != nil {
		return err
	}
	var result ingest.VideoResult
	if err := json.Unmarshal(raw, &result); err != nil {
		return err
	}
	out.State, out.Status, out.VideoID, out.Chunks, out.Documents = ingestComplete, "success", result.Video, result.Frames, result.Documents
	out.Existing = out.Existing || result.Status == "unchanged"
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

func ingestQuery(r *http.Request) (wait bool, within time.Duration, force bool, err error) {
	q := r.URL.Query()
	for name, into := range map[string]*bool{"wait": &wait, "force": &force} {
		if text := q.Get(name); text != "" {
			if *into, err = strconv.ParseBool(text); err != nil {
				return false, 0, false, api.BadField(name, "must be true or false")
			}
		}
	}
	const shortest, usual, longest = 10, 300, 900
	seconds := usual
	if text := q.Get("wait_timeout"); text != "" {
		if seconds, err = strconv.Atoi(text); err != nil || seconds < shortest || seconds > longest {
			return false, 0, false, api.BadField("wait_timeout", "must be 10 to 900 seconds")
		}
	}
	return wait, time.Duration(seconds) * time.Second, force, nil
}

// readForm keeps the file of a form. Its fields can be in any order.
func (a *API) readForm(ctx context.Context, form *multipart.Reader, c api.Caller) (out Ingested, profile string, err error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, "", formError(err)
		}
		if part.FormName() == "file" {
			if out.SHA != "" {
				return out, "", api.BadField("file", "is listed twice")
			}
			out.Filename = fileName(part.FileName())
			if out.SHA, out.SourceURL, err = a.Files.Keep(ctx, c, out.Filename, part); err != nil {
				return out, "", formError(err)
			}
			continue
		}
		const longest = 1024
		data, err := io.ReadAll(io.LimitReader(part, longest))
		if err != nil {
			return out, "", formError(err)
		}
		if err := field(part.FormName(), string(data), c.Tenant, &profile); err != nil {
			return out, "", err
		}
	}
	if out.SHA == "" {
		return out, "", api.BadField("file", "is required")
	}
	return out, profile, nil
}

// formError is the error of a form that ends in the middle, or that is too large.
func formError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return api.Fail(http.StatusBadRequest, "invalid_request", "the form ends in the middle of a part")
	}
	return err
}

// fileName is the name of an uploaded file without the folder that some clients send.
func fileName(sent string) string {
	name := path.Base(strings.ReplaceAll(sent, `\`, "/"))
	if name == "." || name == "/" || name == ".." {
		return "file"
	}
	return name
}

// field reads a field of the form. Cogniverse writes the tenant acme also as acme:acme.
func field(name, value string, t tenant.ID, profile *string) error {
	org, _, _ := strings.Cut(string(t), ":")
	switch name {
	case "profile":
		if *profile = value; value == "default" {
			*profile = ""
		}
	case "backend":
		if value != "" && value != "vespa" {
			return api.BadField(name, "must be vespa, or absent: the index is that of the configuration")
		}
	case "tenant_id":
		if value != "" && value != string(t) && value != string(t)+":"+string(t) {
			return api.BadField(name, "must be the tenant of the key or of the listener, or left out")
		}
	case "org_id":
		if value != "" && value != org {
			return api.BadField(name, "must be the organisation of the tenant of the key or of the listener, or left out")
		}
	default:
		return api.BadField(name, "unknown field; use file, profile, backend, tenant_id and org_id")
	}
	return nil
}
