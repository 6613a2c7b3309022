package config

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/limit/memory"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// modelRequests says which parameters the requests to one model have.
type modelRequests struct {
	Endpoint string    `json:"endpoint"`
	Model    string    `json:"model"`
	Refused  []refused `json:"refused"`         // what the model has refused, and all workers omit
	Limit    *learned  `json:"limit,omitempty"` // concurrent calls of its server, as far as workers have learned it
	Uses     []use     `json:"uses"`
}

// learned is a discovered limit, with which workers start.
type learned struct {
	Calls     int       `json:"calls"`     // of all processes together
	Processes int       `json:"processes"` // that called the server when it was learned
	Latency   float64   `json:"latency_s"` // of a call that does not queue
	Last      time.Time `json:"last"`      // when it was confirmed
	Expires   time.Time `json:"expires"`
}

// refused is a parameter that a model has refused.
type refused struct {
	Parameter string    `json:"parameter"`
	Since     time.Time `json:"since"`
	Last      time.Time `json:"last"`
	Again     time.Time `json:"again"` // when it is sent again, to learn whether it is still refused
	Message   string    `json:"message"`
}

// use is a role or a stage of a profile that calls a model.
type use struct {
	Use     string            `json:"use"`
	Sent    map[string]any    `json:"sent"`
	NotSent map[string]string `json:"not_sent,omitempty"` // and why
}

const (
	byNull    = "null in the configuration"
	byModel   = "refused by the model"
	byDialect = "Anthropic has no such parameter"
)

// remembered is what the object store has about a model.
type remembered struct {
	refused []params.Refusal
	limits  []memory.Record
}

// limit returns the limit with which workers start; nil = none, or it is configured.
func (r remembered) limit(e config.Endpoint) *learned {
	newest, _, ok := memory.Newest(r.limits, "", time.Now())
	if !ok || e.MaxInFlight > 0 {
		return nil
	}
	return &learned{newest.Total(), newest.Processes, newest.Latency, newest.Last, newest.Expires()}
}

// requests lists the models of all endpoints. recall returns what is remembered about a model.
func requests(c config.Config, recall func(e config.Endpoint, model string) remembered) []modelRequests {
	out := []modelRequests{}
	for _, e := range slices.Concat(c.Endpoints, c.Optimize.Endpoints) {
		for _, model := range e.Models {
			known := recall(e, model)
			one := modelRequests{Endpoint: e.Name, Model: model, Refused: []refused{}, Limit: known.limit(e), Uses: []use{}}
			var omit params.Set
			for _, r := range known.refused {
				p, _ := params.Named(r.Parameter)
				omit |= p
				one.Refused = append(one.Refused, refused{r.Parameter, r.Since, r.Last, r.Again(), safetext.Line(r.Message, safetext.MaxReason)})
			}
			one.Uses = append(append(one.Uses, roles(c, e, model, omit)...), stages(c, e, model, omit)...)
			out = append(out, one)
		}
	}
	return out
}

// roles lists the roles of optimizations that call a model.
func roles(c config.Config, e config.Endpoint, model string, omit params.Set) (out []use) {
	o := c.Optimize
	all := []struct {
		name string
		of   config.LM
	}{{"student", o.Student}, {"teacher", o.Teacher}, {"proposer", o.Proposer}, {"judge", o.Judge}}
	for _, name := range slices.Sorted(maps.Keys(o.Components)) {
		all = append(all, struct {
			name string
			of   config.LM
		}{"student of " + name, o.Components[name]})
	}
	for _, r := range all {
		if r.of.Missing != "" || r.of.Endpoint != e.Name || r.of.Name != model {
			continue
		}
		u := completion(e, r.of, omit)
		u.Use = r.name
		if _, sends := u.Sent[config.Temperature]; sends && r.name == "proposer" {
			u.Sent[config.Temperature] = "init_temperature of the job, 1 by default"
		}
		out = append(out, u)
	}
	return out
}

// completion describes the requests of a role.
func completion(e config.Endpoint, m config.LM, omit params.Set) use {
	r := chat.Request{Temperature: m.Temperature, MaxTokens: m.MaxTokens}
	if e.MaxCompletionTokens {
		r.MaxTokens, r.MaxCompletionTokens = 0, m.MaxTokens
	}
	if m.Seeded {
		r.Seed = new(int64)
	}
	switch {
	case m.Server.Schema:
		r.Format = python.NewObject("type", "json_schema")
	case m.Server.JSON:
		r.Format = python.NewObject("type", "json_object")
	}
	if m.Thinking != nil {
		r.Template = map[string]any{config.EnableThinking: *m.Thinking}
	}
	not := nulls(m.Omit)
	if e.Dialect == config.DialectAnthropic {
		if m.Seeded {
			not[config.Seed] = byDialect
		}
		r.Seed, r.Format = nil, nil
	}
	return described(r, omit, not)
}

// stages lists the stages of profiles that call a model.
func stages(c config.Config, e config.Endpoint, model string, omit params.Set) (out []use) {
	for _, p := range c.Profiles() {
		for _, stage := range []struct {
			name     string
			of       video.Stage
			served   func(video.Stage) (config.Endpoint, bool)
			requests func(config.Endpoint, video.Stage, params.Set) use
		}{
			{"describe", p.Describe, c.Describer, caption}, {"embed", p.Embed, c.Embedder, embedding}, {"transcribe", p.Transcribe, c.Transcriber, transcript},
		} {
			if at, ok := stage.served(stage.of); !ok || at.Name != e.Name || stage.of.Model != model {
				continue
			}
			u := stage.requests(e, stage.of, omit)
			u.Use = "profile " + p.Name + ", " + stage.name
			out = append(out, u)
		}
	}
	return out
}

func caption(e config.Endpoint, s video.Stage, omit params.Set) use {
	if e.Kind != config.OpenAI {
		return use{Sent: map[string]any{}}
	}
	not := nulls(s.Omit)
	r := chat.Request{Temperature: &s.Temperature, MaxTokens: s.MaxAnswer()}
	if not[config.Temperature] != "" {
		r.Temperature = nil
	}
	if s.Structured && not[config.ResponseFormat] == "" {
		r.Format = python.NewObject("type", "json_schema")
	}
	return described(r, omit, not)
}

func embedding(e config.Endpoint, _ video.Stage, omit params.Set) use {
	if e.Kind != config.Embeddings {
		return use{Sent: map[string]any{}}
	}
	return single(e, config.EncodingFormat, "float", omit.Has(params.Encoding))
}

func transcript(e config.Endpoint, _ video.Stage, omit params.Set) use {
	return single(e, config.ResponseFormat, "verbose_json", omit.Has(params.Verbose))
}

// single describes requests with one parameter.
func single(e config.Endpoint, name, value string, refused bool) use {
	switch {
	case slices.Contains(e.Omit, name):
		return use{Sent: map[string]any{}, NotSent: map[string]string{name: byNull}}
	case refused:
		return use{Sent: map[string]any{}, NotSent: map[string]string{name: byModel}}
	}
	return use{Sent: map[string]any{name: value}}
}

func nulls(omit []string) map[string]string {
	not := map[string]string{}
	for _, name := range omit {
		not[name] = byNull
	}
	return not
}

// described describes a request without the parameters that its model has refused.
func described(full chat.Request, omit params.Set, not map[string]string) use {
	r := full.Without(omit)
	for _, name := range ((full.Parameters() | full.Without(omit&params.JSONSchema).Parameters()) &^ r.Parameters()).Names() {
		not[name] = byModel
	}
	sent := map[string]any{}
	for _, name := range r.Parameters().Names() {
		switch name {
		case config.Temperature:
			sent[name] = *r.Temperature
		case config.MaxTokens:
			sent[name] = r.MaxTokens
		case "max_completion_tokens":
			sent[name] = r.MaxCompletionTokens
		case config.Seed:
			sent[name] = "number of the rollout"
		case "chat_template_kwargs":
			sent[name] = r.Template
		default:
			sent[config.ResponseFormat] = name
		}
	}
	return use{Sent: sent, NotSent: not}
}

// recall returns what workers have learned about models, from the object store. It creates no store.
func (a app) recall(ctx context.Context, c config.Config) (func(config.Endpoint, string) remembered, func() error) {
	var failed error
	gone := false // the store does not answer
	none := func(config.Endpoint, string) remembered { return remembered{} }
	done := func() error { return failed }
	if u, err := url.Parse(c.Store); err == nil && u.Scheme == "file" {
		if _, err := os.Stat(u.Path); errors.Is(err, fs.ErrNotExist) {
			return none, done
		}
	}
	if len(c.Endpoints)+len(c.Optimize.Endpoints) == 0 {
		return none, done
	}
	store, err := a.Store(ctx)
	if err != nil {
		failed = err
		return none, done
	}
	return func(e config.Endpoint, model string) (known remembered) {
		if gone {
			return known
		}
		var err error
		known.refused, err = params.Read(ctx, store, e.URL, model)
		failed = errors.Join(failed, err)
		if gone = err != nil && len(known.refused) == 0; gone {
			return known
		}
		known.limits, err = memory.Read(ctx, store, e.Server(), model)
		failed = errors.Join(failed, err)
		return known
	}, done
}
