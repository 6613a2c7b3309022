package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/cogniverse/cogflow/activities/captioning"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/asr"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/embed"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/refusing"
)

// models sends each call to the adapter of the endpoint that serves its model.
// The built-in models serve their own names only.
type models struct {
	describers   map[string]ingest.Describer
	embedders    map[string]ingest.Embedder // by model and kind of input
	transcribers map[string]ingest.Transcriber
	checks       []modelCheck
	profiles     []video.Profile
	prices       map[string]money.Price // token prices of models that describe
	redactor     *safetext.Redactor
	servers      modelServers
	book         func(c video.Call) money.Payer // pays for checks; nil = this worker makes no paid calls
	unproven     sync.Map                       // last failure of a paid check, by stage
}

// modelCheck checks an endpoint.
type modelCheck struct {
	endpoint config.Endpoint
	ask      func(ctx context.Context) error
}

// newModels connects the endpoints. describer may be nil.
func newModels(c config.Config, getenv func(string) string, describer *preview.Describer, has parts, servers modelServers) (*models, error) {
	m := &models{
		describers:   map[string]ingest.Describer{},
		embedders:    map[string]ingest.Embedder{preview.EmbedderModel: preview.Embedder{}},
		transcribers: map[string]ingest.Transcriber{}, profiles: c.Profiles(), redactor: program.Redactor(c, getenv), servers: servers,
	}
	m.prices = pricesOf(c, c.Endpoints)
	if describer != nil {
		m.describers[preview.DescriberModel] = describer
	}
	for _, e := range c.Endpoints {
		if err := m.open(c, e, getenv, has.have(askedBy(e.Kind))); err != nil {
			return nil, fmt.Errorf("cogflow.endpoints.%s: %w", e.Name, err)
		}
	}
	return m, nil
}

// open connects one endpoint. Only workers with a pool that calls the endpoint read its key;
// other workers only plan with its limits. A missing key fails the start if a profile uses the endpoint. For
// other endpoints, such as those of language models, it fails the calls.
func (m *models) open(c config.Config, e config.Endpoint, getenv func(string) string, asked bool) error {
	key := ""
	if asked && e.KeyVariable != "" {
		if key = getenv(e.KeyVariable); key == "" {
			missing := missingKey("endpoint", e.Name, e.KeyVariable)
			if profiled(c, e) {
				return missing
			}
			m.refuse(e, missing)
			return nil
		}
	}
	check, err := m.connect(e, key)
	if err == nil && asked {
		m.checks = append(m.checks, modelCheck{e, check})
	}
	return err
}

// profiled reports whether a profile has a stage that this endpoint serves.
func profiled(c config.Config, e config.Endpoint) bool {
	return slices.ContainsFunc(c.Profiles(), func(p video.Profile) bool {
		for _, stage := range []struct {
			of video.Stage
			at func(video.Stage) (config.Endpoint, bool)
		}{{p.Describe, c.Describer}, {p.Embed, c.Embedder}, {p.Transcribe, c.Transcriber}} {
			if found, ok := stage.at(stage.of); ok && found.Name == e.Name {
				return true
			}
		}
		return false
	})
}

// refuse makes every call of an endpoint's models fail with the reason.
func (m *models) refuse(e config.Endpoint, why error) {
	r := refusing.Endpoint{Why: money.NeverSent(why)}
	switch askedBy(e.Kind) {
	case partTranscribers:
		serveBy(m.transcribers, e.Models, ingest.Transcriber(r))
	case partEmbedders:
		for _, model := range e.Models {
			serveBy(m.embedders, []string{of(model, video.OfCaption), of(model, video.OfFrame)}, ingest.Embedder(r))
		}
	default:
		serveBy(m.describers, e.Models, ingest.Describer(r))
	}
}

// of returns the key of an embedder: a model can embed texts at one endpoint and pictures at
// another.
func of(model string, of video.Of) string {
	if of == video.OfCaption {
		return model
	}
	return model + " pictures"
}

func unserved(op, model string) error {
	return money.NeverSent(fault.New(fault.Input, op, model, "no endpoint of this worker serves the model "+strconv.Quote(model)+
		"; add one to cogflow.endpoints and start the worker again"))
}

// These types implement ports of activities by models.
type (
	describing   struct{ *models }
	embedding    struct{ *models }
	transcribing struct{ *models }
)

var _ captioning.Reserver = describing{}

func (m describing) Limit(model string) int {
	if d := m.describers[model]; d != nil {
		return d.Limit(model)
	}
	return 1
}

// Reserve returns the maximum cost of a call of the stage about a number of pictures by its
// tokens; priced is false if the price is not per token.
func (m describing) Reserve(s video.Stage, pictures int) (microUSD int64, priced bool) {
	if d, ok := m.describers[s.Model].(captioning.Reserver); ok {
		return d.Reserve(s, pictures)
	}
	return 0, false
}

func (m describing) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	d := m.describers[r.Stage.Model]
	if d == nil {
		return video.Caption{}, unserved("describe frame", r.Stage.Model)
	}
	return d.Describe(ctx, r)
}

func (m embedding) Limit(model string) int {
	for _, key := range []string{of(model, video.OfFrame), model} {
		if e := m.embedders[key]; e != nil {
			return e.Limit(model)
		}
	}
	return 1
}

// TextsPerCall returns the maximum number of texts in one request to the model's endpoint.
func (m embedding) TextsPerCall(s video.Stage) int {
	if e, ok := m.embedders[of(s.Model, s.Of)].(interface{ TextsPerCall(s video.Stage) int }); ok {
		return e.TextsPerCall(s)
	}
	return math.MaxInt
}

func (m embedding) EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error) {
	e := m.embedders[of(r.Stage.Model, r.Stage.Of)]
	if e == nil {
		return nil, unserved("embed texts", r.Stage.Model)
	}
	return e.EmbedTexts(ctx, r)
}

func (m embedding) EmbedPictures(ctx context.Context, r video.PictureRequest) (video.Embedding, error) {
	e := m.embedders[of(r.Stage.Model, r.Stage.Of)]
	if e == nil {
		return video.Embedding{}, unserved("embed pictures", r.Stage.Model)
	}
	return e.EmbedPictures(ctx, r)
}

func (m transcribing) Limit(model string) int {
	if t := m.transcribers[model]; t != nil {
		return t.Limit(model)
	}
	return 1
}

func (m transcribing) Transcribe(ctx context.Context, r video.TranscribeRequest) (video.Transcript, error) {
	t := m.transcribers[r.Stage.Model]
	if t == nil {
		return video.Transcript{}, unserved("transcribe", r.Stage.Model)
	}
	return t.Transcribe(ctx, r)
}

// connect makes the adapter of an endpoint and the function that checks it.
func (m *models) connect(e config.Endpoint, key string) (check func(ctx context.Context) error, err error) {
	switch e.Kind {
	case config.OpenAI, config.CogniverseVLM:
		o := vlm.Options{
			URL: e.URL, Key: key, KeyVariable: e.KeyVariable, Timeout: e.Timeout, MaxInFlight: e.MaxInFlight, Batch: e.Batch, Redactor: m.redactor,
			Prices: m.prices, Shared: m.servers.limit(e), Params: m.servers.params[e.Name],
		}
		var d interface {
			ingest.Describer
			Check(ctx context.Context, models []string) error
		} = vlm.NewOpenAI(o)
		if e.Kind == config.CogniverseVLM {
			d = vlm.NewCogniverse(o)
		}
		serveBy(m.describers, e.Models, ingest.Describer(d))
		check = func(ctx context.Context) error { return d.Check(ctx, e.Models) }
	case config.Transcriptions:
		t := asr.New(asr.Options{URL: e.URL, Key: key, KeyVariable: e.KeyVariable, Timeout: e.Timeout, MaxInFlight: e.MaxInFlight, Redactor: m.redactor, Shared: m.servers.limit(e), Params: m.servers.params[e.Name]})
		serveBy(m.transcribers, e.Models, ingest.Transcriber(t))
		check = func(ctx context.Context) error { return t.Check(ctx, e.Models) }
	case config.Pooling, config.Embeddings:
		o := embed.Options{
			URL: e.URL, Key: key, KeyVariable: e.KeyVariable, Timeout: e.Timeout, MaxInFlight: e.MaxInFlight, NoCanary: e.NoCanary, Redactor: m.redactor, Shared: m.servers.limit(e), Params: m.servers.params[e.Name],
		}
		var x interface {
			ingest.Embedder
			Check(ctx context.Context, s video.Stage) error
		} = embed.NewPooling(o)
		kinds := []video.Of{video.OfFrame, video.OfCaption}
		if e.Kind == config.Embeddings {
			x, kinds = embed.NewTexts(o), []video.Of{video.OfCaption}
		}
		for _, kind := range kinds {
			for _, model := range e.Models {
				serveBy(m.embedders, []string{of(model, kind)}, ingest.Embedder(x))
			}
		}
		check = func(ctx context.Context) error { return m.checkStages(ctx, e, x.Check) }
	default:
		return nil, fault.New(fault.Input, "connect endpoint", e.Name, "unknown kind "+strconv.Quote(string(e.Kind)))
	}
	return check, nil
}

// pricesOf returns the known prices of the models of endpoints.
func pricesOf(c config.Config, endpoints []config.Endpoint) map[string]money.Price {
	out := map[string]money.Price{}
	for _, e := range endpoints {
		for _, m := range e.Models {
			if p := c.Price(m); p != nil {
				out[m] = *p
			}
		}
	}
	return out
}

// serveBy sets by as the adapter of models. The first endpoint of a model takes precedence.
func serveBy[T any](to map[string]T, names []string, by T) {
	for _, name := range names {
		if _, taken := to[name]; !taken {
			to[name] = by
		}
	}
}

// checkJob is the job of the ledger entries of endpoint checks.
const checkJob = "health"

// checkStages checks an embedder with each stage of the profiles that use it. After the
// maximum number of paid checks it returns the last failure.
func (m *models) checkStages(ctx context.Context, e config.Endpoint, check func(context.Context, video.Stage) error) error {
	for _, p := range m.profiles {
		if slices.Contains(e.Models, p.Embed.Model) {
			if err := m.checkStage(ctx, e, p.Embed, check); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *models) checkStage(ctx context.Context, e config.Endpoint, s video.Stage, check func(context.Context, video.Stage) error) error {
	if m.book == nil {
		return check(ctx, s)
	}
	stage := video.NewFingerprint("stage", e.Name, fmt.Sprint(s.Model, s.Revision, s.Dim, s.Multi))
	pay := m.book(video.Call{
		Tenant: tenant.Default, Job: checkJob, Kind: video.KindEmbed, Model: s.Model, Fingerprint: stage, CostMicroUSD: s.CostMicroUSD,
	})
	paid := false
	err := check(money.WithPayer(ctx, func(ctx context.Context, what string, ask func(context.Context) error) error {
		return pay(ctx, what, func(ctx context.Context) error { paid = true; return ask(ctx) })
	}), s)
	if !errors.Is(err, money.ErrGivenUp) {
		if paid && err != nil {
			m.unproven.Store(stage, err)
		}
		return err
	}
	// A check can fail although each of its requests was answered. Then err has no reason.
	if last, ok := m.unproven.Load(stage); ok {
		err = fmt.Errorf("%w; %w", err, last.(error)) //nolint:forcetypeassert // only errors are stored
	}
	return err
}
