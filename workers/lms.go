package main

import (
	"context"
	"errors"
	"slices"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/workers/parameters"
)

// lms sends each completion to the endpoint that serves its model.
type lms struct {
	config  config.Config
	byModel map[string]completer
	checks  []modelCheck
}

// completer calls an endpoint, or has the reason why it cannot.
type completer struct {
	*lm.LM
	missing error
}

// newLMs connects the endpoints of language models. A missing key fails only the calls of its
// endpoint, because Cogniverse's file also has models that this worker does not use.
//
// Workers that do not call language models (asks is false) only plan, and require no key.
func newLMs(c config.Config, getenv func(string) string, asks bool, servers modelServers) *lms {
	out := &lms{config: c, byModel: map[string]completer{}}
	redactor := program.Redactor(c, getenv)
	for _, e := range c.Chat() {
		one := completer{}
		key := ""
		if asks && e.KeyVariable != "" {
			if key = getenv(e.KeyVariable); key == "" {
				one.missing = missingKey("endpoint", e.Name, e.KeyVariable)
			}
		}
		one.LM = lm.New(lm.Options{
			URL: e.URL, Key: key, KeyVariable: e.KeyVariable, Timeout: e.Timeout, MaxInFlight: e.MaxInFlight,
			Redactor: redactor, Shared: servers.limit(e), Params: servers.params[e.Name], Dialect: lm.Dialect(e.Dialect), MaxCompletionTokens: e.MaxCompletionTokens, Names: e.Names, Prices: pricesOf(c, []config.Endpoint{e}),
		})
		serveBy(out.byModel, e.Models, one)
		if asks && (one.missing == nil || parameters.Optimizes(c, e)) { // without a key, it is that of another pool
			out.checks = append(out.checks, modelCheck{e, func(ctx context.Context) error { return one.check(ctx, e.Models) }})
		}
	}
	return out
}

func (c completer) check(ctx context.Context, models []string) error {
	if c.missing != nil {
		return c.missing
	}
	return c.Check(ctx, models)
}

// Usable returns the reason why this worker cannot call a model; nil = it can. If no endpoint
// serves the model, Usable returns nil, and the call reports the error.
func (l *lms) Usable(model string) error { return l.byModel[model].missing }

// Limit returns the known concurrency limit of a model.
func (l *lms) Limit(model string) int {
	if one, ok := l.byModel[model]; ok {
		return one.Limit(model)
	}
	return 1
}

var _ optimize.CompletionReserver = (*lms)(nil)

// Reserve returns the maximum cost of a completion by this worker's prices.
func (l *lms) Reserve(c prompt.Completion) (microUSD int64, priced bool) {
	if one, ok := l.byModel[c.Model]; ok {
		return one.Reserve(c)
	}
	return 0, false
}

// Complete calls the model once.
func (l *lms) Complete(ctx context.Context, c prompt.Completion) (prompt.CompletionAnswer, error) {
	one, ok := l.byModel[c.Model]
	switch {
	case !ok:
		return prompt.CompletionAnswer{}, unserved("ask model", c.Model)
	case one.missing != nil:
		return prompt.CompletionAnswer{}, money.NeverSent(one.missing)
	}
	return one.Complete(ctx, c)
}

// Models returns the models of an optimization. It fails if the key of any of them is
// missing, before any model is called.
func (l *lms) Models() (optimize.RoleModels, error) {
	var out optimize.RoleModels
	var errs []error
	for _, r := range []struct {
		to   *prompt.Model
		role func() (prompt.Model, error)
	}{
		{&out.Student, func() (prompt.Model, error) { return l.config.Student("") }},
		{&out.Teacher, l.config.Teacher},
		{&out.Proposer, l.config.Proposer},
		{&out.Judge, l.config.Judge},
	} {
		m, err := r.role()
		if err == nil {
			err = l.byModel[m.Name].missing
		}
		*r.to = m
		if err != nil && !slices.ContainsFunc(errs, func(e error) bool { return reason(e) == reason(err) }) {
			errs = append(errs, err)
		}
	}
	return out, errors.Join(errs...)
}

// reason is the same for roles that lack the same thing.
func reason(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Reason != "" {
		return f.Reason
	}
	return err.Error()
}
