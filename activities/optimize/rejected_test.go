package optimize

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
)

// badRequest is an answer with status 400 and an unknown message.
func badRequest() error {
	return fault.New(fault.Input, "ask model", "model", `status 400: "E1042"`)
}

// rejections counts what a model rejects.
type rejections struct {
	mu   sync.Mutex
	seen map[string]int // by fingerprint
	last []string       // messages, in the order of the requests
}

// of rejects the requests whose last message has one of these texts.
func (r *rejections) of(err error, texts ...string) func(prompt.Completion) error {
	return func(c prompt.Completion) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		text := c.Messages[len(c.Messages)-1].Text()
		r.last = append(r.last, text)
		if !slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(text, t) }) {
			return nil
		}
		if r.seen == nil {
			r.seen = map[string]int{}
		}
		r.seen[string(c.Fingerprint())]++
		return err
	}
}

// times has how often each rejected request was made.
func (r *rejections) times() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.seen))
}

// controls counts the control requests.
func (r *rejections) controls() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range r.last {
		if strings.HasPrefix(text, "Reply with the word ok.") {
			n++
		}
	}
	return n
}

// TestOneRowIsRejected: a row that its endpoint rejects, billed or not, scores 0 and is
// requested once. The other rows are scored, and the ledger equals the bill.
func TestOneRowIsRejected(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{"free": badRequest(), "billed": money.Charge(badRequest(), 3)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryMode(t, true, func(o *optimizing) {
				var r rejections
				o.lm.reject(r.of(why, "topic 3\n", "topic 13\n", "topic 30\n", "topic 51\n"))
				for _, part := range o.parts() {
					made := o.made
					_, err := part.run(o)
					require.NoError(o.t, err, part.name)
					if part.name == "bootstrap" { // its result was lost
						o.made = made
						_, err = part.run(o)
						require.NoError(o.t, err, part.name)
					}
				}
				require.True(o.t, o.last.Verdict.Promote, "%+v", o.last.Verdict)
				require.Greater(o.t, len(r.times()), 3)
				billed := 0
				for _, n := range r.times() {
					require.Equal(o.t, 1, n, "requested once")
					billed++
				}
				require.Less(o.t, r.controls(), billed)
				asked, _ := o.lm.calls()
				spend, err := o.a.Ledger.Job(o.t.Context(), "default", "run")
				require.NoError(o.t, err)
				want := (asked - billed) * microUS
				if money.IsCharged(why) {
					want += 3 * billed
				}
				require.EqualValues(o.t, want, spend.CostMicroUSD)
				require.Equal(o.t, asked, spend.Calls)
			})
		})
	}
}

// TestEveryRequestIsRejected: whatever the message, the run fails after a few requests, and no
// row gets a score. After a correction it has the result of a run without faults.
func TestEveryRequestIsRejected(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{
		"unknown words":    badRequest(),
		"an empty account": fault.New(fault.Input, "ask model", "model", `status 400: "Your credit balance is too low"`),
		"too long, it says": &fault.Error{
			Class: fault.Input, Op: "ask model", Subject: "model", Reason: "max_tokens must be below the maximum context length", Err: prompt.ErrTooLong,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryMode(t, true, func(o *optimizing) {
				for _, part := range o.parts() {
					made := o.made
					var r rejections
					o.lm.reject(r.of(why, ""))
					before, _ := o.lm.calls()
					_, err := part.run(o)
					after, _ := o.lm.calls()
					require.LessOrEqual(o.t, after-before, 24*2+1, "no request is repeated, nor made in another form")
					if after > before {
						require.Equal(o.t, fault.Input, activitytest.ClassOf(err), "%s: %v", part.name, err)
						require.ErrorContains(o.t, err, why.Error())
						require.ErrorContains(o.t, err, "a short one without a row as well")
						o.made = made
					}
					o.lm.reject(nil)
					_, err = part.run(o)
					require.NoError(o.t, err, part.name)
				}
				o.endsAs(o.whole())
			})
		})
	}
}

// TestAccountIsUsedUp: rejections that begin in the middle of a stage fail the run if no later
// request is answered.
func TestAccountIsUsedUp(t *testing.T) {
	t.Parallel()
	inEveryMode(t, true, func(o *optimizing) {
		for _, part := range o.parts() {
			made := o.made
			before, _ := o.lm.calls()
			o.lm.reject(func(prompt.Completion) error {
				if n, _ := o.lm.calls(); n > before+5 {
					return badRequest()
				}
				return nil
			})
			_, err := part.run(o)
			if after, _ := o.lm.calls(); after > before+5 {
				require.Equal(o.t, fault.Input, activitytest.ClassOf(err), "%s: %v", part.name, err)
			}
			if err != nil && !strings.HasPrefix(part.name, "search") {
				o.made = made
			}
			o.lm.reject(nil)
			_, err = part.run(o)
			require.NoError(o.t, err, part.name)
		}
		o.endsAs(o.whole())
	})
}

// TestProposerIsRejected: a rejected request of the proposer does not affect other instructions.
func TestProposerIsRejected(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	var r rejections
	o.lm.reject(r.of(badRequest(), "creative", "concise", "persona", "high stakes"))
	for _, part := range o.parts() {
		_, err := part.run(o)
		require.NoError(t, err, part.name)
	}
	var instructions [][]string
	require.NoError(t, activities.ReadJSON(t.Context(), o.store, o.a.stored(o.who, "instructions.json"), &instructions))
	require.NotEmpty(t, r.times())
	require.Len(t, instructions[0], 4)
	require.Contains(t, instructions[0][1:], instructions[0][0], "the original instruction replaces the rejected one")
	require.Contains(t, strings.Join(instructions[0], " "), "Text ")
}

// TestRejectedInAnEarlierRun: another run of the job repeats a rejected request only if the
// build changed.
func TestRejectedInAnEarlierRun(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	o.a.Version = "1"
	var r rejections
	o.lm.reject(r.of(badRequest(), "topic 3\n"))
	run := func(version, ledger string) int {
		o.a.Version, o.who.Ledger = version, ledger
		_, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
		require.NoError(t, err)
		n := 0
		for _, times := range r.times() {
			n += times
		}
		return n
	}
	first := run("1", "run")
	require.Positive(t, first)
	require.Equal(t, first, run("1", "redriven"))
	require.Equal(t, first, run("2", "redriven"), "a run that continues under another build has the same result")
	require.Greater(t, run("2", "redriven again"), first)
}
