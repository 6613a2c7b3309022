package versions_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/versions"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/optimize"
	"github.com/cogniverse/cogflow/workflows/train"
)

// workers answer by the version that is asked for.
type workers struct{ asked []api.Question }

func (w *workers) Ask(_ context.Context, q api.Question, result any) error {
	w.asked = append(w.asked, q)
	text := `{}`
	if in, ok := q.Input.(optimize.ProgramInput); ok && q.Kind == "ShowProgram" {
		instructions := map[int]string{1: "Answer fast.", 2: "Answer well."}[in.Version]
		text = `{"name":"router","version":` + map[int]string{1: "1", 2: "2"}[in.Version] + `,"score":61,"verdict":{"examples":40,"promote":true},
			"program":{"name":"router","predictors":[{"name":"route","instructions":"` + instructions + `","inputs":[{"name":"q"}],"outputs":[{"name":"a"}]}]}}`
	}
	return json.Unmarshal([]byte(text), result)
}

func do(t *testing.T, w *workers, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	out := httptest.NewRecorder()
	route, err := api.NewMux((&versions.API{Workers: w}).Routes()).Find(out, r)
	if err == nil {
		err = route.Handle(out, r, api.Caller{Tenant: "acme"})
	}
	if err != nil {
		api.Write(out, api.Of(err))
	}
	return out.Code, out.Body.String()
}

// TestChanges: a change is the workflow of the command line, for the caller's tenant.
func TestChanges(t *testing.T) {
	t.Parallel()
	common := func(in any) string {
		data, err := json.Marshal(in)
		require.NoError(t, err)
		return string(data)
	}
	for request, want := range map[string]string{
		"POST /adapters/support/3/activate {\"force\":true}": `ActivateAdapter {"tenant":"acme","priority":1,"name":"support","version":3,"force":true}`,
		"POST /adapters/support/3/activate":                  `ActivateAdapter {"tenant":"acme","priority":1,"name":"support","version":3}`,
		"POST /roles/support/rollback":                       `RollbackAdapter {"tenant":"acme","priority":1,"role":"support"}`,
		"POST /roles/support/deactivate":                     `DeactivateAdapter {"tenant":"acme","priority":1,"role":"support"}`,
		"POST /programs/router/2/promote":                    `PromoteProgram {"tenant":"acme","priority":1,"name":"router","version":2}`,
		"POST /programs/router/2/canary {\"share\":10}":      `CanaryProgram {"tenant":"acme","priority":1,"name":"router","version":2,"share":10}`,
		"POST /programs/router/rollback":                     `RollbackProgram {"tenant":"acme","priority":1,"name":"router"}`,
		"GET /adapters?role=support":                         `ListAdapters {"tenant":"acme","priority":1,"role":"support"}`,
		"GET /programs?name=router":                          `ListPrograms {"tenant":"acme","priority":1,"name":"router"}`,
	} {
		w := &workers{}
		parts := strings.SplitN(request, " ", 3)
		status, answer := do(t, w, parts[0], parts[1], strings.Join(parts[2:], ""))
		require.Equal(t, http.StatusOK, status, request+answer)
		kind, input, _ := strings.Cut(want, " ")
		require.Equal(t, kind, w.asked[0].Kind)
		require.JSONEq(t, input, common(w.asked[0].Input), request)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w := &workers{}
	for _, request := range []string{
		"POST /adapters/support/latest/activate", "POST /adapters/support/0/activate", "POST /adapters/support/03/activate", "POST /adapters/a%2fb/1/activate",
		`POST /adapters/support/3/activate {"tenant":"evil"}`, `POST /adapters/support/3/activate {"Force":true}`, `POST /programs/router/2/canary {"share":101}`, "POST /programs/router/2/canary",
		`POST /programs/router/2/canary {"share":1,"share":2}`, "GET /programs/router/2/diff", "GET /programs/router/2/diff?with=x", "GET /adapters?tenant=evil",
	} {
		parts := strings.SplitN(request, " ", 3)
		status, answer := do(t, w, parts[0], parts[1], strings.Join(parts[2:], ""))
		require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, status, request+answer)
	}
	require.Empty(t, w.asked)
}

// TestDiff compares word by word.
func TestDiff(t *testing.T) {
	t.Parallel()
	status, answer := do(t, &workers{}, http.MethodGet, "/programs/router/2/diff?with=1", "")
	require.Equal(t, http.StatusOK, status, answer)
	var out versions.Compared
	require.NoError(t, json.Unmarshal([]byte(answer), &out))
	require.True(t, out.Changed)
	require.Equal(t, 1, out.Before.Version)
	require.Contains(t, answer, `{"op":"removed","text":"fast"}`)
	require.Contains(t, answer, `{"op":"added","text":"well"}`)
}

// TestRoleChange: the document of changes of roles has every field of the answer.
func TestRoleChange(t *testing.T) {
	t.Parallel()
	one := training.Activation{Name: "a", Version: 1}
	answer, err := json.Marshal(train.ActivateAdapterResult{
		Role: training.Role{Role: "r", Active: &one, Canary: &training.Canary{}, History: []training.Activation{one}}, Loaded: "m",
	})
	require.NoError(t, err)
	var documented versions.RoleChange
	require.NoError(t, strictjson.Unmarshal(answer, &documented))
	again, err := json.Marshal(documented)
	require.NoError(t, err)
	require.JSONEq(t, string(answer), string(again))
}
