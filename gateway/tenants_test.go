package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/gateway/jobs"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
	"github.com/cogniverse/cogflow/internal/gateway/uploads"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// tenants is a gateway with keys of two tenants. One of them has something of each kind.
type tenants struct {
	*gateway
	t     *testing.T
	keys  map[string]string
	turns int
}

// ask makes a request of a tenant, and returns its id.
func (s *tenants) ask(who, method, path, body string, header ...string) (id string, status int, text string) {
	s.t.Helper()
	s.turns++
	id = fmt.Sprintf("%s-%d", who, s.turns)
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url(s.t, "keyed")+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", id)
	r.Header.Set("Authorization", "Bearer "+s.keys[who])
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	require.NoError(s.t, err)
	return id, got.StatusCode, string(data)
}

// workers reports whether an operation asks workers, which other tests start and kill on the same server
// of Temporal. They get the tenant in the input, and their tests show that an input reaches no other
// tenant. Model servers and pools belong to no tenant.
func workers(path string) bool {
	for _, of := range []string{"/programs/", "/roles/", "/activate", "/models/", "/pools/", "/model-servers/"} {
		if strings.Contains(path, of) {
			return true
		}
	}
	return false
}

// TestOtherTenants: no operation of the API reaches a job, a log of events, a result, a report, a frame,
// an upload, an adapter or a budget of another tenant. Each refusal is in the log.
func TestOtherTenants(t *testing.T) {
	t.Parallel()
	address, _ := temporal(t)
	b := serves(t, text(200, "application/json", answered))
	g := startGateway(t, `"gateway":{"listeners":{"keyed":{"address":"127.0.0.1:0"},"of-other":{"address":"localhost:0","tenant":"other"}}},"endpoints":{`+endpoint(b, "a", "")+`}`,
		"TEMPORAL_ADDRESS", address)
	s := &tenants{gateway: g, t: t, keys: map[string]string{}}
	store, err := keys.OpenExisting(t.Context(), filepath.Join(g.dir, "ledger.db"))
	require.NoError(t, err)
	for _, who := range []tenant.ID{"acme", "other"} {
		s.keys[string(who)], _, err = store.Create(t.Context(), who, "", 0)
		require.NoError(t, err)
	}
	require.NoError(t, store.Close())
	ids := s.own()

	// Each operation that names a thing, with a thing of the other tenant.
	_, _, document := s.ask("other", http.MethodGet, "/openapi.json", "")
	var api struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	require.NoError(t, json.Unmarshal([]byte(document), &api))
	refused, tried := map[string]bool{}, 0
	for path, operations := range api.Paths {
		full := ids.Replace(path)
		if full == path || workers(path) {
			continue
		}
		require.NotContains(t, full, "{", "the test has a thing for each parameter")
		for method, operation := range operations {
			id, status, text := s.ask("other", strings.ToUpper(method), full, "{}", "Upload-Offset", "3")
			require.Equal(t, http.StatusNotFound, status, "%s %s: %s", operation.OperationID, full, text)
			require.NotContains(t, text, "acme", operation.OperationID)
			refused[id] = true
			tried++
		}
	}
	require.Greater(t, tried, 20)

	// Lists, and what names a tenant.
	for path, never := range map[string]string{"/jobs": "acme", "/costs": `"calls":1`, "/budgets": "777"} {
		_, status, text := s.ask("other", http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, status, text)
		require.NotContains(t, text, never, path)
		_, status, text = s.ask("other", http.MethodGet, path+"?tenant=acme", "")
		require.NotContains(t, text, never, path)
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, status, text)
	}
	for path, body := range map[string]string{
		"/jobs/ingest": `{"source":"/srv/x","tenant":"acme"}`, "/search": `{"query":"x","tenant":"acme"}`, "/jobs/search": `{"query":"x","tenant":"acme"}`,
		"/uploads": `{"name":"n","size":1,"sha256":"` + strings.Repeat("a", 64) + `","tenant":"acme"}`,
	} {
		id, status, text := s.ask("other", http.MethodPost, path, body)
		if status == http.StatusOK || status == http.StatusAccepted || status == http.StatusCreated {
			t.Errorf("%s: %d %s", path, status, text)
		}
		refused[id] = true
	}
	id, status, text := s.ask("other", http.MethodPut, "/budgets", `{"tenant":"acme","usd":1}`)
	require.Equal(t, http.StatusBadRequest, status, text)
	refused[id] = true

	// Operators in filters.
	for _, filter := range []string{
		"state=running'%20OR%20'1'%3D'1", "type=IngestVideo'%20OR%20CogTenant%3D'acme", "type=%25", "state=Running", "state=running&state=failed", "State=running", "cursor=AAAA",
		"limit=1%20OR%201", "limit=-1", "limit=501", "query=CogTenant%3D'acme'", "type=ingest%27%00", "%74enant=acme", "type=ingest;tenant=acme",
	} {
		id, status, text := s.ask("other", http.MethodGet, "/jobs?"+filter, "")
		require.NotContains(t, text, ids.job, filter)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", filter, text)
		refused[id] = true
	}

	// A key at the listener of another tenant.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url(t, "of-other")+"/jobs", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.keys["acme"])
	r.Header.Set("X-Request-Id", "other-listener")
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	require.Equal(t, http.StatusForbidden, got.StatusCode)

	for line := range strings.Lines(g.out.String()) {
		var l struct {
			Request string `json:"request_id"`
			Error   string `json:"error"`
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Error != "" {
			delete(refused, l.Request)
		}
	}
	require.Empty(t, refused, "refusals that are not in the log")
	for _, secret := range s.keys {
		require.NotContains(t, g.out.String(), secret)
	}
	// All of it is still there for its owner.
	for _, path := range []string{"/jobs/{id}", "/uploads/{id}", "/adapters/{name}/{version}"} {
		_, status, text := s.ask("acme", http.MethodGet, ids.Replace(path), "")
		require.Equal(t, http.StatusOK, status, "%s: %s", path, text)
	}
}

// things are the parameters of paths, with things of a tenant.
type things struct{ job, upload, video string }

// Replace puts things into a path.
func (i things) Replace(path string) string {
	id := i.job
	if strings.HasPrefix(path, "/uploads/") {
		id = i.upload
	}
	return strings.NewReplacer("{id}", url.PathEscape(id), "{video}", i.video, "{name}", "support", "{version}", "2", "{frame}", "0.jpg", "{file...}", "a.bin", "{file}", "a.bin", "{type}", "{type}").Replace(path)
}

// own makes something of each kind for the tenant acme.
func (s *tenants) own() things {
	t := s.t
	var job jobs.Started
	_, status, text := s.ask("acme", http.MethodPost, "/jobs/ingest", `{"source":"/srv/of-acme"}`)
	require.Equal(t, http.StatusAccepted, status, text)
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	var upload uploads.Upload
	_, status, text = s.ask("acme", http.MethodPost, "/uploads", `{"name":"n","size":9,"sha256":"`+strings.Repeat("a", 64)+`"}`)
	require.Equal(t, http.StatusCreated, status, text)
	require.NoError(t, json.Unmarshal([]byte(text), &upload))
	_, status, text = s.ask("acme", http.MethodPatch, "/uploads/"+upload.ID, "abc", "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	require.Equal(t, http.StatusOK, status, text)
	_, status, text = s.ask("acme", http.MethodPost, chatPath, ask)
	require.Equal(t, http.StatusOK, status, text)
	require.NoError(t, s.books(t).SetBudget(t.Context(), money.Budget{Scope: money.Scope{Tenant: "acme"}, Period: money.Total, MicroUSD: 777_000_000}))
	store, err := blob.Open(t.Context(), "file://"+s.dir+"/store")
	require.NoError(t, err)
	v := video.ID(strings.Repeat("ab", 32))
	prefix := training.AdapterPrefix("acme", "support", 2)
	info, err := store.Put(t.Context(), prefix+"a.bin", strings.NewReader("weights"))
	require.NoError(t, err)
	for key, value := range map[string]any{
		prefix + training.ManifestName: training.Adapter{
			Name: "support", Version: 2, Role: "answers", Kind: training.KindAdapter,
			Files: []training.CheckpointFile{{Name: "a.bin", Size: info.Size, SHA256: info.SHA256}},
		},
		video.SourceKey("acme", v): video.Source{Video: v, URI: "/srv/of-acme/a.mp4", Name: "a.mp4"},
	} {
		data, err := json.Marshal(value)
		require.NoError(t, err)
		_, err = store.Put(t.Context(), key, bytes.NewReader(data))
		require.NoError(t, err)
	}
	return things{job: job.ID, upload: upload.ID, video: string(v)}
}
