// Package adapters has the routes by which published adapters are downloaded. It reads the object
// store and nothing else: training runs publish adapters, and the routes of jobs list and
// activate them.
package adapters

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
)

// Store reads objects.
type Store interface {
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
}

// API has the routes.
type API struct {
	Store func(context.Context) (Store, error) // opens it, or returns the open one
}

// Adapter is a version of an adapter as it can be downloaded.
type Adapter struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Role    string `json:"role" jsonschema:"what it is used for"`
	Kind    string `json:"kind" jsonschema:"adapter, or model for all weights"`
	Files   []File `json:"files"`
}

// File is one file of an adapter.
type File struct {
	Name   string `json:"name" jsonschema:"path below the folder of the adapter, with slashes"`
	Size   int64  `json:"size" jsonschema:"bytes"`
	SHA256 string `json:"sha256"`
	Path   string `json:"path" jsonschema:"where this gateway serves it"`
}

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	params := []api.Param{{Name: "name", Text: "name of the adapter"}, {Name: "version", Text: "version, from 1"}}
	failures := []int{http.StatusNotFound, http.StatusBadGateway}
	file := api.Param{Name: "file", Text: "name of the file, as the adapter lists it"}
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/adapters/{name}/{version}", Name: "getAdapter", Tag: "adapters", Summary: "Files of a published adapter",
			Query: params, Response: Adapter{}, Errors: failures, Handle: a.show,
		},
		{
			Method: http.MethodGet, Path: "/adapters/{name}/{version}/files/{file...}", Name: "getAdapterFile", Tag: "adapters", Summary: "One file of an adapter",
			Query: append(slices.Clone(params), file), Media: "application/octet-stream", Errors: failures, Handle: a.file,
		},
	}
}

func missing() error {
	return api.Fail(http.StatusNotFound, "adapter_not_found", "the tenant has no such adapter, or it has no such file; the type list-adapters of POST /jobs lists its adapters")
}

func (a *API) show(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	_, m, err := a.manifest(r, c)
	if err != nil {
		return err
	}
	out := Adapter{Name: m.Name, Version: m.Version, Role: m.Role, Kind: m.Kind, Files: []File{}}
	at := url.URL{Path: r.URL.Path + "/files/"}
	for _, f := range m.Files {
		out.Files = append(out.Files, File{Name: f.Name, Size: f.Size, SHA256: f.SHA256, Path: at.EscapedPath() + (&url.URL{Path: f.Name}).EscapedPath()})
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// file sends a file that the manifest lists, so that a name leads nowhere else.
func (a *API) file(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	store, m, err := a.manifest(r, c)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(m.Files, func(f training.CheckpointFile) bool { return f.Name == r.PathValue("file") })
	if i < 0 {
		return missing()
	}
	f := m.Files[i]
	content, info, err := store.Get(r.Context(), training.AdapterPrefix(c.Tenant, m.Name, m.Version)+f.Name)
	if err != nil {
		return unlessMissing(err, f.Name)
	}
	defer content.Close()
	if info.Size != f.Size {
		return fault.New(fault.Transport, "read adapter", f.Name, "its size differs from the manifest; restore the object store from a backup, or train again")
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	h.Set("Etag", strconv.Quote(f.SHA256))
	_, err = io.Copy(w, content)
	return err
}

// manifest reads the manifest of the adapter in the path of a request.
func (a *API) manifest(r *http.Request, c api.Caller) (Store, training.Adapter, error) {
	var m training.Adapter
	name := r.PathValue("name")
	version, err := strconv.Atoi(r.PathValue("version"))
	if err != nil || version < 1 || training.CheckName("adapter", name) != nil {
		return nil, m, missing()
	}
	store, err := a.Store(r.Context())
	if err != nil {
		return nil, m, err
	}
	at := training.AdapterPrefix(c.Tenant, name, version) + training.ManifestName
	content, _, err := store.Get(r.Context(), at)
	if err != nil {
		return nil, m, unlessMissing(err, at)
	}
	defer content.Close()
	if err := json.NewDecoder(content).Decode(&m); err != nil {
		return nil, m, fault.Wrap(fault.Transport, "read the manifest", at, err)
	}
	return store, m, nil
}

// unlessMissing classifies a failure of the store.
func unlessMissing(err error, key string) error {
	if errors.Is(err, object.ErrNotFound) {
		return missing()
	}
	return fault.Wrap(fault.Transport, "read", key, err)
}
