package optimize

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// KindComplete is the ledger's kind of calls of language models.
const KindComplete = "complete"

// stage is a part of an optimization that lists which answers it needs.
type stage interface {
	Calls() []mipro.Call
	Take(id string, answer mipro.Answer) error
}

// Spender names the job and the budget that pay for answers.
type Spender struct {
	Tenant        tenant.ID `json:"tenant"`
	Job           string    `json:"job"`    // of the optimization
	Ledger        string    `json:"ledger"` // job that the ledger counts by
	LimitMicroUSD int64     `json:"limit_micro_usd,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in Spender) Owner() tenant.ID { return in.Tenant }

// Asked counts the answers and calls of an activity.
type Asked struct {
	Answers      int   `json:"answers"` // used, including stored ones
	Calls        int   `json:"calls"`   // made
	CostMicroUSD int64 `json:"cost_micro_usd"`
	// Spend is what the ledger says of the whole run so far, including calls of former
	// attempts and failed ones; nil: it was not asked.
	Spend *video.Spend `json:"spend,omitempty"`
}

// stageRunner gets the answers of a stage, concurrently up to the models' limits.
type stageRunner struct {
	a   *Activities
	o   *optimization
	who Spender

	tickets map[string]int64                                   // by row
	givenUp func(ctx context.Context) (map[string]bool, error) // by fingerprint, as it was at the start

	commands sync.Map // name of a metric command → *commandRecord

	answers, calls, cost atomic.Int64
}

func (a *Activities) runner(o *optimization, s Spender) *stageRunner {
	c := &stageRunner{a: a, o: o, who: s, tickets: map[string]int64{}}
	c.givenUp = c.readGivenUp()
	return c
}

func (c *stageRunner) asked() Asked {
	return Asked{Answers: int(c.answers.Load()), Calls: int(c.calls.Load()), CostMicroUSD: c.cost.Load()}
}

// total returns the counts of the activity, and what the run has spent so far.
func (c *stageRunner) total(ctx context.Context) (Asked, error) {
	spend, err := c.a.Ledger.Job(ctx, c.who.Tenant, c.who.Ledger)
	out := c.asked()
	out.Spend = &spend
	return out, err
}

// answered is one answer on its way to its stage.
type answered struct {
	id     string
	answer mipro.Answer
	err    error
}

// run gets answers until the stage needs no more, or until enough returns true. Stored
// answers cost nothing, so a stage that is begun again quickly catches up.
func (c *stageRunner) run(ctx context.Context, s stage, enough func() bool) error {
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
					var answer mipro.Answer
					panics.Go(func() (err error) {
						answer, err = c.answer(ctx, call, ticket)
						return err
					}, func(err error) { back <- answered{call.ID, answer, err} })
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
			// Nothing new is started, but calls in flight may be answered: they are paid
			// for.
			failed = one.err
		default:
			failed = s.Take(one.id, one.answer)
		}
	}
}

// ticket makes calls run in the order in which a stage lists them. All calls of a row share
// one: its second call comes before the first of a row that began later.
func (c *stageRunner) ticket(call mipro.Call) int64 {
	row, _, _ := strings.Cut(call.ID, "#")
	if _, ok := c.tickets[row]; !ok {
		c.tickets[row] = c.a.Broker.Ticket()
	}
	return c.tickets[row]
}

// answer gets one answer, unless it is stored.
func (c *stageRunner) answer(ctx context.Context, call mipro.Call, ticket int64) (mipro.Answer, error) {
	if call.Role == mipro.Command {
		return c.command(ctx, call)
	}
	model := c.o.Models.of(call.Role)
	completion := model.Completion(*call.Request, call.Temperature, call.Rollout)
	fingerprint := completion.Fingerprint()
	if givenUp, err := c.givenUp(ctx); err != nil || givenUp[string(fingerprint)] {
		c.answers.Add(1)
		return mipro.Answer{}, err
	}
	key := string(c.who.Tenant) + "/lm/" + string(fingerprint) + ".json"
	worst, priced := c.completionCost(model, completion)
	m := &activities.ModelStage{
		Store: c.a.Store, Broker: c.a.Broker, Payer: activities.Payer{Tenant: c.who.Tenant, Job: c.who.Ledger, LimitMicroUSD: c.who.LimitMicroUSD},
		Kind: KindComplete, Stage: video.Stage{Model: model.Name, Revision: model.Revision}, Limits: c.a.LM, Ticket: ticket,
	}
	answerOf := func(answer prompt.CompletionAnswer) func(context.Context) error {
		return func(ctx context.Context) error { return activities.WriteJSON(ctx, c.a.Store, key, answer) }
	}
	paid, err := m.Answered(ctx, activities.Question{
		Fingerprint: fingerprint, Key: key, Cost: worst, Unpriced: !priced,
		Prepare: func(context.Context) (video.Ask, error) {
			return func(ctx context.Context) (video.PaidAnswer, error) {
				answer, err := c.a.LM.Complete(ctx, completion)
				if errors.Is(err, prompt.ErrTooLong) {
					// A candidate whose demos do not fit is a bad candidate, not a failed
					// run: it has no readable answer.
					answer, err = prompt.CompletionAnswer{Reason: err.Error(), CostMicroUSD: money.ChargeOf(err, worst)}, nil
				}
				return video.PaidAnswer{CostMicroUSD: answer.CostMicroUSD, Store: answerOf(answer)}, err
			}, nil
		},
	})
	if errors.Is(err, money.ErrGivenUp) {
		// The same holds for a model that repeatedly returns nothing, or nothing readable.
		// The ledger has what was paid.
		return mipro.Answer{}, c.giveUp(ctx, fingerprint, err)
	}
	if err != nil {
		return mipro.Answer{}, err
	}
	var stored prompt.CompletionAnswer
	if err := activities.ReadJSON(ctx, c.a.Store, key, &stored); err != nil {
		return mipro.Answer{}, err
	}
	c.answers.Add(1)
	if paid.Called {
		c.calls.Add(1)
	}
	c.cost.Add(paid.CostMicroUSD)
	return mipro.Answer{Text: stored.Text}, nil
}

// completionCost is the maximum that a completion can be charged: by this worker's prices,
// which the charge uses as well, otherwise by the prices of the plan.
func (c *stageRunner) completionCost(m prompt.Model, asked prompt.Completion) (microUSD int64, priced bool) {
	if l, ok := c.a.LM.(CompletionReserver); ok {
		if most, priced := l.Reserve(asked); priced {
			return most, true
		}
	}
	if m.Price == nil {
		return 0, false
	}
	return asked.Reserved(*m.Price), true
}

// givenUpPrefix is where a run records the requests that it gave up. They are not answers:
// the endpoint may have been faulty, and other runs request them again.
func (c *stageRunner) givenUpPrefix() string {
	return prefixOf(c.who.Tenant, c.who.Job) + "given-up/" + string(video.NewFingerprint("run", c.who.Ledger)[:16]) + "/"
}

// giveUp makes the question score nothing in this run, even if a stage is begun again after
// another run got an answer.
func (c *stageRunner) giveUp(ctx context.Context, f video.Fingerprint, why error) error {
	c.answers.Add(1)
	return activities.WriteJSON(ctx, c.a.Store, c.givenUpPrefix()+string(f), why.Error())
}

// readGivenUp lists what was given up before this activity, once.
func (c *stageRunner) readGivenUp() func(ctx context.Context) (map[string]bool, error) {
	var mu sync.Mutex
	var known map[string]bool
	return func(ctx context.Context) (map[string]bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != nil {
			return known, nil
		}
		found := map[string]bool{}
		err := c.a.Store.List(ctx, c.givenUpPrefix(), func(o object.Info) error {
			found[path.Base(o.Key)] = true
			return nil
		})
		if err == nil {
			known = found
		}
		return found, err
	}
}

// of is the model of a role.
func (m RoleModels) of(role mipro.Role) prompt.Model {
	switch role {
	case mipro.Teacher:
		return m.Teacher
	case mipro.Proposer:
		return m.Proposer
	case mipro.Judge:
		return m.Judge
	default:
		return m.Student
	}
}
