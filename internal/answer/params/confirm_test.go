package params_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/params"
)

// TestOnlyAnAnswerConfirms: a refusal counts for other requests only if the request is answered
// without the parameter. A message can repeat the words of a row, or name a parameter that is
// not the cause.
func TestOnlyAnAnswerConfirms(t *testing.T) {
	t.Parallel()
	const all = params.Temperature | params.Seed | params.JSONSchema
	const row = `status 400: "unsupported content: 'Does the json schema have a temperature and a seed?'"`
	const seed = `status 400: "seed is not supported; temperature and stop are unknown to me, too"`
	for name, c := range map[string]struct {
		refuse func(sent params.Set) string // "" = an answer
		fails  bool
		want   params.Set // learned
	}{
		"a row": {func(params.Set) string { return row }, true, 0},
		"another parameter": {func(sent params.Set) string {
			if sent.Has(params.Seed) {
				return seed
			}
			return ""
		}, false, params.Seed},
		"one after the other": {func(sent params.Set) string {
			switch {
			case sent.Has(params.JSONSchema):
				return "status 400: json_schema is not supported"
			case sent.Has(params.Temperature):
				return "status 400: temperature is not supported"
			}
			return ""
		}, false, params.JSONSchema | params.Temperature},
		"a schema, then its object": {func(sent params.Set) string {
			if sent.Has(params.JSONSchema) || sent.Has(params.JSONObject) {
				return "status 400: response_format is not supported"
			}
			return ""
		}, false, params.JSONSchema | params.JSONObject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &params.Endpoint{}
			_, err := params.Ask(t.Context(), e, "m", func(without params.Set) (string, params.Set, error) {
				sent := all &^ without
				if without.Has(params.JSONSchema) {
					sent |= params.JSONObject &^ without
				}
				if why := c.refuse(sent); why != "" {
					return "", sent, fault.New(fault.Input, "ask", "m", why)
				}
				return "yes", sent, nil
			})
			require.Equal(t, c.fails, err != nil)
			require.Equal(t, c.want, e.Of(t.Context(), "m"))
		})
	}
}

// TestTwoParametersOneMessage: a message that always names two parameters is understood by the
// second request.
func TestTwoParametersOneMessage(t *testing.T) {
	t.Parallel()
	e := &params.Endpoint{}
	ask := func() (attempts int) {
		_, err := params.Ask(t.Context(), e, "m", func(without params.Set) (string, params.Set, error) {
			attempts++
			sent := (params.Temperature | params.Seed) &^ without
			if sent != 0 {
				return "", sent, fault.New(fault.Input, "ask", "m", "status 400: temperature and seed are not supported")
			}
			return "yes", sent, nil
		})
		require.NoError(t, err)
		return attempts
	}
	require.Equal(t, 3, ask())
	require.Equal(t, 2, ask())
	require.Equal(t, 1, ask())
}

// TestClockOfAnotherHost: a refusal that a host with a wrong clock has stored can be cleared, and
// is tried again.
func TestClockOfAnotherHost(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{10 * time.Minute, 100 * 365 * 24 * time.Hour} {
		store := open(t)
		synctest.Test(t, func(t *testing.T) {
			put := func() {
				last := time.Now().Add(ahead)
				text, err := json.Marshal(params.Refusal{Endpoint: "main", Model: "m", Parameter: "seed", Since: last, Last: last})
				require.NoError(t, err)
				_, err = store.Put(t.Context(), params.Prefix(url, "m")+"seed.json", strings.NewReader(string(text)))
				require.NoError(t, err)
			}
			put()
			e := params.NewEndpoint("main", url, 0, &params.Memory{Store: store})
			require.Equal(t, params.Seed, e.Of(t.Context(), "m"))
			_, err := params.Forget(t.Context(), store, func(params.Refusal) bool { return true })
			require.NoError(t, err)
			advance(time.Minute)
			require.Zero(t, e.Of(t.Context(), "m"), "cleared")

			put()
			s := &server{}
			advance(25 * time.Hour)
			require.Equal(t, 1, s.ask(t.Context(), t, e))
			require.True(t, s.calls[0].Has(params.Seed), "tried again")
		})
	}
}
