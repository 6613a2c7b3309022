package parameters

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Pay makes and books a request that no job pays; see broker.Brokers.Prove.
type Pay func(ctx context.Context, c video.Call, what string, ask func(ctx context.Context) (int64, error)) error

// LM calls language models.
type LM interface {
	Usable(model string) error // why the model cannot be called; nil = it can
	Reserve(c prompt.Completion) (microUSD int64, priced bool)
	Complete(ctx context.Context, c prompt.Completion) (prompt.CompletionAnswer, error)
}

// Prover asks chat models one question with all parameters, so that a person sees which ones they
// accept before a job is paid. A model that has answered is not asked again in this process: a
// worker serves several queues, and each of them is checked.
type Prover struct {
	Config  config.Config
	LM      LM
	Omitted map[string]*params.Endpoint // by endpoint; see Of
	Pay     Pay
	Job     string // of the ledger's entries
	// Asleep says that the server of an endpoint runs only on demand, and not now; nil = none does.
	Asleep func(server string) (detail string, asleep bool, err error)

	proofs sync.Map // by model: *proof
}

// Proof says what a model accepts, or why it does not answer.
type Proof struct {
	Model, Accepts string
	Err            error
}

type proof struct {
	mu   sync.Mutex // one asks
	done bool
}

const (
	patience    = 45 * time.Second
	proofTokens = 256 // a model that thinks needs some
	proofName   = "parameters"
	proofFormat = `{"type":"json_schema","json_schema":{"name":"check","strict":true,"schema":{"type":"object",
		"properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}}}`
)

// All asks the models of all endpoints concurrently, except for endpoints that only other pools
// call: this worker has no key for them.
func (p *Prover) All(ctx context.Context) ([]Proof, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out []Proof
	var endpoints []config.Endpoint
	for _, e := range p.Config.Chat() {
		for _, name := range e.Models {
			if p.LM.Usable(name) != nil && !Optimizes(p.Config, e) {
				continue
			}
			out, endpoints = append(out, Proof{Model: name}), append(endpoints, e)
		}
	}
	var group panics.Group
	for i := range out {
		group.Go(func() error {
			to := &out[i]
			to.Err = panics.Try(func() (err error) { to.Accepts, err = p.one(ctx, endpoints[i], to.Model); return err })
			return nil
		})
	}
	return out, group.Wait()
}

// one asks a model, and says which parameters it accepts.
func (p *Prover) one(ctx context.Context, e config.Endpoint, name string) (string, error) {
	if err := p.LM.Usable(name); err != nil {
		return "", err
	}
	if p.Asleep != nil {
		if detail, asleep, err := p.Asleep(e.Server()); asleep {
			return "not asked: " + detail, err
		}
	}
	question, err := p.question(e, name)
	if err != nil {
		return "", err
	}
	found, _ := p.proofs.LoadOrStore(name, &proof{})
	of := found.(*proof) //nolint:forcetypeassert // only proofs are stored
	of.mu.Lock()
	defer of.mu.Unlock()
	if !of.done {
		most, _ := p.LM.Reserve(question)
		err := p.Pay(ctx, video.Call{
			Tenant: tenant.Default, Job: p.Job, Kind: optimize.KindComplete, Model: name, Fingerprint: question.Fingerprint(), CostMicroUSD: most,
		}, proofName, func(ctx context.Context) (int64, error) {
			said, err := p.LM.Complete(ctx, question)
			return said.CostMicroUSD, err
		})
		if err != nil {
			return "", err
		}
		of.done = true
	}
	sent, omit := parametersOf(e, question), p.Omitted[e.Name].Of(ctx, name)
	detail := "accepts " + cmp.Or(strings.Join(accepted(sent, omit).Names(), ", "), "no parameter")
	if refused := (sent & omit).Names(); len(refused) > 0 {
		detail += "; refuses " + strings.Join(refused, ", ")
	}
	return detail, nil
}

// question is a small question with all parameters, those of the model's role if it has one.
func (p *Prover) question(e config.Endpoint, name string) (prompt.Completion, error) {
	var format prompt.Object
	if err := format.UnmarshalJSON([]byte(proofFormat)); err != nil {
		return prompt.Completion{}, err
	}
	m := prompt.Model{Name: name, Temperature: new(0.1), MaxTokens: proofTokens, Omit: e.Omit}
	o := p.Config.Optimize
	for _, role := range []config.LM{o.Judge, o.Proposer, o.Teacher, o.Student} {
		if role.Name == name && role.Missing == "" {
			m = role.Model
			m.MaxTokens = min(m.MaxTokens, proofTokens)
		}
	}
	m.Seeded = e.Dialect == ""
	return m.Completion(prompt.Request{
		Messages: []prompt.Message{{Role: prompt.User, Content: `Answer with the JSON object {"ok": true} and nothing else.`}},
		Format:   &format,
	}, nil, 1), nil
}

// parametersOf returns the parameters that a completion has before any is refused.
func parametersOf(e config.Endpoint, c prompt.Completion) (s params.Set) {
	if c.Temperature != nil {
		s |= params.Temperature
	}
	if c.Seed != nil {
		s |= params.Seed
	}
	if c.Thinking != nil {
		s |= params.Template
	}
	switch {
	case c.MaxTokens > 0 && e.MaxCompletionTokens:
		s |= params.MaxCompletionTokens
	case c.MaxTokens > 0:
		s |= params.MaxTokens
	}
	if c.Format != nil && e.Dialect == "" {
		s |= params.JSONSchema
	}
	return s
}

// accepted returns the parameters of a request without those that its model refuses, with what is
// sent instead.
func accepted(sent, refused params.Set) params.Set {
	out := sent &^ refused
	if (sent & refused).Has(params.MaxTokens) {
		out |= params.MaxCompletionTokens
	}
	if (sent & refused).Has(params.MaxCompletionTokens) {
		out |= params.MaxTokens
	}
	if (sent & refused).Has(params.JSONSchema) && !refused.Has(params.JSONObject) {
		out |= params.JSONObject
	}
	return out
}
