package parameters_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/parameters"
)

// models calls every model but n, whose key is missing.
type models struct{ *lm.LM }

func (m models) Usable(model string) error {
	if model == "n" {
		return errors.New("no key")
	}
	return nil
}

func proverOf(s *lmtest.Server, student prompt.Model) *parameters.Prover {
	c := config.Config{Endpoints: []config.Endpoint{{Name: "main", Kind: config.OpenAI, URL: s.URL + "/v1", Models: []string{"m", "n"}}}}
	c.Optimize.Student.Model, c.Optimize.Student.Endpoint = student, "main"
	omitted := parameters.Of(c, &params.Memory{})
	one := lm.New(lm.Options{URL: s.URL + "/v1", Params: omitted["main"], Prices: map[string]prompt.Price{"m": {Input: 1, Output: 10}}})
	return &parameters.Prover{Config: c, LM: models{one}, Omitted: omitted, Job: "health"}
}

// TestProve: a model is asked one question in a process, which is booked at its price, and the
// check says what it accepts and refuses.
func TestProve(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Models = []string{"m"}
	p := proverOf(s, prompt.Model{Name: "m", MaxTokens: 9000, Omit: []string{config.Temperature}})
	for _, refused := range []string{"max_tokens, use max_completion_tokens", "response_format json_schema"} {
		s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":"Unsupported parameter: `+refused+`"}}`))
	}
	var mu sync.Mutex
	var booked []int64
	p.Pay = func(ctx context.Context, c video.Call, _ string, ask func(context.Context) (int64, error)) error {
		cost, err := ask(ctx)
		mu.Lock()
		defer mu.Unlock()
		booked = append(booked, cost)
		require.Greater(t, c.CostMicroUSD, cost, "the maximum is reserved")
		require.Equal(t, "health", c.Job)
		return err
	}
	for range 2 {
		all, err := p.All(t.Context())
		require.NoError(t, err)
		require.Equal(t, parameters.Proof{Model: "m", Accepts: "accepts seed, max_completion_tokens, json_object; refuses max_tokens, json_schema"}, all[0])
		require.Equal(t, "n", all[1].Model)
		require.ErrorContains(t, all[1].Err, "no key")
	}
	require.Len(t, booked, 1)
	require.Positive(t, booked[0])
	require.Len(t, s.Calls(), 3)
	require.Nil(t, s.Calls()[0].Heat, "null in the configuration")
	require.Equal(t, new(256), s.Calls()[0].MaxTokens)

	p.Config.Optimize.Student.Endpoint = "another" // then only other pools call the endpoint
	all, err := p.All(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1, "a missing key of another pool is no failure of this worker")
}

// TestProveFails: a model that does not answer is asked again by the next check.
func TestProveFails(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Models = []string{"m"}
	p := proverOf(s, prompt.Model{})
	s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":"max_tokens is too large"}}`))
	p.Pay = func(ctx context.Context, _ video.Call, _ string, ask func(context.Context) (int64, error)) error {
		_, err := ask(ctx)
		return err
	}
	all, err := p.All(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, all[0].Err, "too large")
	all, err = p.All(t.Context())
	require.NoError(t, err)
	require.Equal(t, parameters.Proof{Model: "m", Accepts: "accepts temperature, seed, max_tokens, json_schema"}, all[0])
}
