package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// KindComplete is how the ledger calls what language models answer.
const KindComplete = "complete"

// stage is a part of an optimization that says which answers it needs.
type stage interface {
	Calls() []mipro.Call
	Take(id string, answer mipro.Answer) error
}

// Spender says who pays for the answers of an activity.
type Spender struct {
	Tenant        tenant.ID `json:"tenant"`
	Job           string    `json:"job"`    // of the optimization
	Ledger        string    `json:"ledger"` // job that the ledger counts by
	LimitMicroUSD int64     `json:"limit_micro_usd,omitempty"`
}

// Asked counts what an activity has asked for.
type Asked struct {
	Answers      int   `json:"answers"` // taken, stored ones included
	Calls        int   `json:"calls"`   // made
	CostMicroUSD int64 `json:"cost_micro_usd"`
}

// crowd has the questions of a stage answered, as many at once as the models take.
type crowd struct {
	a   *Optimize
	o   *optimization
	who Spender

	tickets map[string]int64 // by row

	answers, calls, cost atomic.Int64
}

func (a *Optimize) crowd(o *optimization, s Spender) *crowd {
	return &crowd{a: a, o: o, who: s, tickets: map[string]int64{}}
}

func (c *crowd) asked() Asked {
	return Asked{Answers: int(c.answers.Load()), Calls: int(c.calls.Load()), CostMicroUSD: c.cost.Load()}
}

// answered is one answer on its way back to its stage.
type answered struct {
	id     string
	answer mipro.Answer
	err    error
}

// play answers what the stage needs until it needs nothing more, or enough says
// so. Answers that are stored cost nothing, so a stage that is begun again comes
// quickly to where it was.
func (c *crowd) play(ctx context.Context, s stage, enough func() bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	back := make(chan answered)
	open := map[string]bool{}
	var failed error
	for {
		if failed == nil && !enough() {
			for _, call := range s.Calls() {
				if !open[call.ID] {
					open[call.ID] = true
					ticket := c.ticket(call)
					go func() {
						answer, err := c.answer(ctx, call, ticket)
						back <- answered{call.ID, answer, err}
					}()
				}
			}
		}
		if len(open) == 0 {
			return failed
		}
		one := <-back
		delete(open, one.id)
		switch {
		case failed != nil:
		case one.err != nil:
			// Nothing new is begun, but what is asked may be answered: it is paid for.
			failed = one.err
		default:
			failed = s.Take(one.id, one.answer)
		}
	}
}

// ticket has calls made in the order in which a stage lists them. All of a row have
// one: its second comes before the first of a row that began later.
func (c *crowd) ticket(call mipro.Call) int64 {
	row, _, _ := strings.Cut(call.ID, "#")
	if _, ok := c.tickets[row]; !ok {
		c.tickets[row] = c.a.desk.tickets.Add(1)
	}
	return c.tickets[row]
}

// answer asks one question, unless its answer is stored.
func (c *crowd) answer(ctx context.Context, call mipro.Call, ticket int64) (mipro.Answer, error) {
	if call.Role == mipro.Command {
		return c.command(ctx, call)
	}
	model := c.o.Cast.of(call.Role)
	completion := model.Completion(*call.Request, call.Temperature, call.Rollout)
	fingerprint := completion.Fingerprint()
	key := string(c.who.Tenant) + "/lm/" + string(fingerprint) + ".json"
	worst := int64(0)
	if model.Price != nil {
		worst = completion.Reserved(*model.Price)
	}
	k := newAsker(c.a.Store, c.a.Ledger, &c.a.desk, client{c.who.Tenant, c.who.Ledger, c.who.LimitMicroUSD},
		KindComplete, video.Stage{Model: model.Name, Revision: model.Revision, CostMicroUSD: worst}, c.a.LM)
	k.ticket = ticket
	out, err := k.answered(ctx, question{
		fingerprint: fingerprint, key: key,
		ask: func(ctx context.Context) (func(context.Context) error, int64, error) {
			answer, err := c.complete(ctx, completion)
			if errors.Is(err, prompt.ErrTooLong) || errors.Is(err, prompt.ErrNoText) {
				// A candidate whose demos do not fit is a bad candidate, not a bad
				// run: it has no answer that could be read. The same holds of a model
				// that has nothing to say, however often it is asked.
				answer, err = prompt.CompletionAnswer{Reason: err.Error()}, nil
			}
			if err != nil {
				return nil, 0, err
			}
			return func(ctx context.Context) error { return writeJSON(ctx, c.a.Store, key, answer) }, answer.CostMicroUSD, nil
		},
	})
	if err != nil {
		return mipro.Answer{}, err
	}
	var stored prompt.CompletionAnswer
	if err := readJSON(ctx, c.a.Store, key, &stored); err != nil {
		return mipro.Answer{}, err
	}
	c.answers.Add(1)
	if out.called {
		c.calls.Add(1)
	}
	c.cost.Add(out.cost)
	return mipro.Answer{Text: stored.Text}, nil
}

// How often a question is asked again when the network or the server breaks off,
// before the whole activity begins again from what is stored; and how long it
// waits first, doubling.
const (
	completeAttempts = 6
	completeWait     = 200 * time.Millisecond
)

// complete asks until there is an answer, or something that asking again does not mend.
func (c *crowd) complete(ctx context.Context, completion prompt.Completion) (answer prompt.CompletionAnswer, err error) {
	before, cancel := untilStop(ctx)
	defer cancel()
	wait := completeWait
	for range completeAttempts {
		if answer, err = c.a.LM.Complete(ctx, completion); fault.ClassOf(err) != fault.Transport {
			return answer, err
		}
		if sleep(before, wait+rand.N(wait)) != nil {
			return answer, context.Cause(before) // no call begins in a worker that stops
		}
		wait *= 2
	}
	return answer, err
}

// command scores by a configured command. Its score is stored as well: a command
// may cost time, and need not say the same twice.
func (c *crowd) command(ctx context.Context, call mipro.Call) (mipro.Answer, error) {
	asked, err := json.Marshal([]any{call.Command, call.Example, call.Outputs})
	if err != nil {
		return mipro.Answer{}, fault.Wrap(fault.Input, "ask metric", call.Command, err)
	}
	key := string(c.who.Tenant) + "/lm/" + string(video.NewFingerprint("metric", string(asked))) + ".json"
	var stored mipro.Answer
	if err := readJSON(ctx, c.a.Store, key, &stored); err == nil || !absent(err) {
		return stored, err
	}
	if stored.Score, err = c.a.Judges.Score(ctx, call.Command, call.Example, call.Outputs); err != nil {
		return mipro.Answer{}, err
	}
	text, err := json.Marshal(stored)
	if err == nil {
		_, err = c.a.Store.Put(ctx, key, bytes.NewReader(text))
	}
	return stored, err
}

// of is the model that plays a role.
func (c Cast) of(role mipro.Role) prompt.Model {
	switch role {
	case mipro.Teacher:
		return c.Teacher
	case mipro.Proposer:
		return c.Proposer
	case mipro.Judge:
		return c.Judge
	default:
		return c.Student
	}
}
