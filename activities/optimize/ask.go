package optimize

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// KindComplete is the ledger's kind of calls of language models.
const KindComplete = "complete"

// stage is a part of an optimization that lists the answers that it needs.
type stage interface {
	Calls() []mipro.Call
	Take(id string, answer mipro.Answer) error
}

// Spender names the job and the budget that pay for answers.
type Spender struct {
	Tenant        tenant.ID `json:"tenant"`
	Job           string    `json:"job"`    // of the optimization
	Ledger        string    `json:"ledger"` // id under which the ledger counts the job
	LimitMicroUSD int64     `json:"limit_micro_usd,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in Spender) Owner() tenant.ID { return in.Tenant }

// Asked counts the answers and calls of an activity.
type Asked struct {
	Answers      int   `json:"answers"` // used, including stored ones
	Calls        int   `json:"calls"`   // made
	CostMicroUSD int64 `json:"cost_micro_usd"`
	// Spend is the whole run's spend so far by the ledger, including calls of former attempts
	// and failed calls; nil: the ledger was not read.
	Spend *video.Spend `json:"spend,omitempty"`
	// SpentMicroUSD, in heartbeats, is the cost of the whole run so far by the ledger; nil: it
	// was not read.
	SpentMicroUSD *int64 `json:"spent_micro_usd,omitempty"`
	// Unusable counts the answers of the job so far that could not be used.
	Unusable []outcome.Group `json:"unusable,omitempty"`
}

// stageRunner gets the answers of a stage, concurrently up to the models' limits.
type stageRunner struct {
	a   *Activities
	o   *optimization
	who Spender

	tickets map[string]int64 // by row
	gone    *unanswerable
	used    account
	whole   bool // a text that max_tokens truncated is not an answer

	commands sync.Map // name of a metric command → *commandRecord

	answers, calls, cost atomic.Int64
}

func (a *Activities) runner(o *optimization, s Spender) *stageRunner {
	c := &stageRunner{a: a, o: o, who: s, tickets: map[string]int64{}, used: account{}}
	c.gone = c.unanswerable()
	return c
}

func (c *stageRunner) asked() Asked {
	return Asked{Answers: int(c.answers.Load()), Calls: int(c.calls.Load()), CostMicroUSD: c.cost.Load()}
}

// live are the counts for a heartbeat, which people see. Without an answer of the ledger it has
// no cost; the next one asks again.
func (c *stageRunner) live(ctx context.Context) Asked {
	out := c.asked()
	if micro, err := c.a.Ledger.Spent(ctx, c.who.Tenant, c.who.Ledger, ""); err == nil {
		out.SpentMicroUSD = &micro
	}
	return out
}

// total returns the counts of the activity, and what the run has spent so far.
func (c *stageRunner) total(ctx context.Context) (Asked, error) {
	spend, err := activities.FinalSpend(ctx, c.a.Ledger, c.who.Tenant, c.who.Ledger)
	out := c.asked()
	out.Spend = &spend
	if err == nil {
		var groups []outcome.Group
		groups, err = c.a.groups(ctx, c.who)
		out.Unusable = shown(groups)
	}
	return out, err
}

// answered is one answer on its way to its stage.
type answered struct {
	id          string
	of          string // role and model; "" = a command
	role        string
	model       prompt.Model
	request     prompt.Completion
	fingerprint video.Fingerprint
	ticket      int64
	sent        *atomic.Int64 // logical time at which this activity sent the request; 0 = not sent
	answer      mipro.Answer
	reason      outcome.Reason // why the answer cannot be used; "" = no reason known so far
	sample      string         // example of this reason, for people
	called      bool           // the answer was not stored before
	proves      bool           // the answer shows that the model works: a content filter does not
	rejected    *rejectedError
	err         error
}

// calling holds the calls of a stage whose answers it has not taken yet.
type calling struct {
	stage  stage
	open   map[string]bool    // by id of the call
	flying map[string]waiting // open calls without an answer
	held   heldBack
}

// waiting is a call whose request may not be sent yet.
type waiting struct {
	sent   *atomic.Int64
	cancel context.CancelFunc
}

// run gets answers until the stage needs no more, or until enough returns true. Stored
// answers cost nothing, so a retried stage catches up quickly.
func (c *stageRunner) run(ctx context.Context, s stage, enough func() bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	back := make(chan answered)
	now := calling{stage: s, open: map[string]bool{}, flying: map[string]waiting{}}
	var failed error
	for {
		if failed == nil && !enough() {
			for _, call := range s.Calls() {
				if !now.open[call.ID] {
					c.start(ctx, &now, call, back)
				}
			}
		}
		if len(now.flying) == 0 {
			of := now.held.first()
			if failed != nil || of == "" {
				return c.keep(ctx, failed)
			}
			failed = c.prove(ctx, &now, of)
			continue
		}
		one := <-back
		now.ended(one.id)
		if failed == nil {
			if failed = c.took(ctx, &now, one); failed != nil {
				now.cancelUnsent()
			}
		}
	}
}

func (n *calling) ended(id string) {
	n.flying[id].cancel()
	delete(n.flying, id)
}

// cancelUnsent cancels the calls that are not sent yet. After a failure nothing new is sent,
// but calls in flight continue: they are paid for.
func (n *calling) cancelUnsent() {
	for _, w := range n.flying {
		if w.sent.Load() == 0 {
			w.cancel()
		}
	}
}

// start gets the answer to a call in a goroutine.
func (c *stageRunner) start(ctx context.Context, now *calling, call mipro.Call, back chan<- answered) {
	ctx, cancel := context.WithCancel(ctx)
	sent := &atomic.Int64{}
	now.open[call.ID], now.flying[call.ID] = true, waiting{sent, cancel}
	ticket := c.ticket(call)
	var one answered
	panics.Go(func() error {
		one = c.answer(ctx, call, ticket, sent)
		return one.err
	}, func(err error) {
		one.id, one.err = call.ID, err
		back <- one
	})
}

// took passes an answer to its stage, or holds a rejected call back.
func (c *stageRunner) took(ctx context.Context, now *calling, one answered) error {
	switch {
	case one.rejected != nil:
		if now.held.add(one) {
			return c.prove(ctx, now, one.of)
		}
		return nil
	case one.err != nil:
		return one.err
	}
	if err := c.take(now, one); err != nil {
		return err
	}
	if !one.called || !one.proves {
		return nil
	}
	return c.release(ctx, now, one.of, one.sent.Load())
}

func (c *stageRunner) take(now *calling, one answered) error {
	delete(now.open, one.id)
	var unread error
	one.answer.Unread = func(why error) { unread = why }
	one.answer.Truncated = c.whole && one.reason == outcome.Truncated
	err := now.stage.Take(one.id, one.answer)
	if one.of != "" {
		c.used.add(one, unread)
	}
	if err == nil && one.role == string(mipro.Judge) && c.whole {
		err = c.used.checkScores(one.model.Name, failuresAtMost)
	}
	return err
}

// keep stores the account of a stage that has ended or waits for budget.
func (c *stageRunner) keep(ctx context.Context, failed error) error {
	if failed == nil && c.whole { // a stage with few judged answers is checked only at its end
		failed = c.used.checkScores(c.o.Models.Judge.Name, fewScores)
	}
	if failed != nil && fault.ClassOf(failed) != fault.Budget {
		return failed
	}
	return errors.Join(failed, c.used.save(ctx, c.a.Store, prefixOf(c.who.Tenant, c.who.Job)))
}

// ticket orders calls as a stage lists them. All calls of a row share a ticket: its second
// call precedes the first call of a row that began later.
func (c *stageRunner) ticket(call mipro.Call) int64 {
	row, _, _ := strings.Cut(call.ID, "#")
	if _, ok := c.tickets[row]; !ok {
		c.tickets[row] = c.a.Broker.Ticket()
	}
	return c.tickets[row]
}

// answer gets one answer, unless it is stored.
func (c *stageRunner) answer(ctx context.Context, call mipro.Call, ticket int64, sent *atomic.Int64) answered {
	if call.Role == mipro.Command {
		answer, err := c.command(ctx, call)
		return answered{answer: answer, err: err}
	}
	model := c.o.Models.of(call.Role)
	one := answered{
		of: string(call.Role) + " " + model.Name, role: string(call.Role), model: model, request: model.Completion(*call.Request, call.Temperature, call.Rollout),
		ticket: ticket, sent: sent,
	}
	one.fingerprint = one.request.Fingerprint()
	why, gone, err := c.gone.has(ctx, one.fingerprint)
	switch {
	case err != nil:
		one.err = err
		return one
	case gone:
		one.missing(why)
	default:
		one = c.complete(ctx, one)
	}
	if errors.Is(one.err, money.ErrGivenUp) {
		// The model repeatedly returned an empty or unreadable answer, so the request has none.
		// The ledger has what was paid.
		one.missing(one.err.Error())
		one.err = c.gone.add(ctx, one.fingerprint, one.err)
	}
	if one.err == nil && one.rejected == nil {
		c.answers.Add(1)
	}
	return one
}

// complete gets the answer to a request, unless it is stored.
func (c *stageRunner) complete(ctx context.Context, one answered) answered {
	model, completion := one.model, one.request
	key := string(c.who.Tenant) + "/lm/" + string(one.fingerprint) + ".json"
	worst, priced := c.completionCost(model, completion)
	m := &activities.ModelStage{
		Store: c.a.Store, Broker: c.a.Broker, Payer: activities.Payer{Tenant: c.who.Tenant, Job: c.who.Ledger, LimitMicroUSD: c.who.LimitMicroUSD},
		Kind: KindComplete, Stage: video.Stage{Model: model.Name, Revision: model.Revision}, Limits: c.a.LM, Ticket: one.ticket,
	}
	answerOf := func(answer prompt.CompletionAnswer) func(context.Context) error {
		return func(ctx context.Context) error { return activities.WriteJSON(ctx, c.a.Store, key, answer) }
	}
	attempt := activity.GetInfo(ctx).Attempt
	paid, err := m.Answered(ctx, activities.Question{
		Fingerprint: one.fingerprint, Key: key, Cost: worst, Unpriced: !priced,
		Prepare: func(context.Context) (video.Ask, error) {
			return func(ctx context.Context) (video.PaidAnswer, error) {
				one.sent.Store(c.a.clock.Add(1))
				answer, err := c.a.LM.Complete(ctx, completion)
				return video.PaidAnswer{CostMicroUSD: answer.CostMicroUSD, Store: answerOf(answer)}, c.a.rejection(err, attempt)
			}, nil
		},
	})
	var ok bool
	if one.rejected, ok = errors.AsType[*rejectedError](err); ok {
		return one
	}
	var stored prompt.CompletionAnswer
	if one.err = err; err == nil {
		one.err = activities.ReadJSON(ctx, c.a.Store, key, &stored)
	}
	if one.err != nil {
		return one
	}
	if paid.Called {
		c.calls.Add(1)
		one.called = true
	}
	one.proves = stored.Finish != prompt.FinishFilter
	c.cost.Add(paid.CostMicroUSD)
	one.answer = mipro.Answer{Text: stored.Text}
	one.judged(stored)
	return one
}

// completionCost is the maximum charge of a completion: by this worker's prices, which the
// charge uses as well, otherwise by the prices of the plan.
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
