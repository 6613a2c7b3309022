package optimize

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/activities/optimize/rules"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/ledger"
	report "github.com/cogniverse/cogflow/internal/report/optimize"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/training"
)

// speaker is a language model that answers by a fixed function of the question.
type speaker struct {
	learn bool                                                       // it answers correctly only with a proposed instruction
	ends  func(c prompt.Completion, answer *prompt.CompletionAnswer) // changes answers; set before the first attempt

	mu      sync.Mutex                             // a call may go on after its attempt has ended
	says    func(ctx context.Context, n int) error // failure of the n-th call; nil = an answer
	rejects func(c prompt.Completion) error        // nil = an answer
	asked   int
	same    map[string]int // answers by question
}

func (s *speaker) say(says func(ctx context.Context, n int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says = says
}

func (s *speaker) reject(rejects func(c prompt.Completion) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejects = rejects
}

const (
	atOnce  = 4 // concurrent calls
	microUS = 5 // cost of a call
)

func (*speaker) Limit(string) int { return atOnce }

func (s *speaker) Complete(ctx context.Context, c prompt.Completion) (prompt.CompletionAnswer, error) {
	s.mu.Lock()
	s.asked++
	n, says, rejects := s.asked, s.says, s.rejects
	s.mu.Unlock()
	if rejects != nil {
		if err := rejects(c); err != nil {
			return prompt.CompletionAnswer{}, err
		}
	}
	if says != nil {
		if err := says(ctx, n); err != nil {
			return prompt.CompletionAnswer{}, err
		}
	}
	s.mu.Lock()
	s.same[string(c.Fingerprint())]++
	s.mu.Unlock()
	if strings.HasPrefix(c.Messages[0].Text(), "Reply with the word ok.") {
		return prompt.CompletionAnswer{Text: "ok", CostMicroUSD: microUS}, nil
	}
	text := miprotest.Answer(mipro.Call{Request: &prompt.Request{Messages: c.Messages}, Rollout: c.Rollout}, "")
	if topic := topics.FindAllStringSubmatch(c.Messages[len(c.Messages)-1].Text(), -1); s.learn && len(topic) > 0 {
		n, _ := strconv.Atoi(topic[0][1])
		right := fmt.Sprint(n % 3)
		if !strings.Contains(c.Messages[0].Content, "Text ") {
			right = "wrong"
		}
		text = answers.ReplaceAllString(text, "${1}"+right+"\n")
	}
	answer := prompt.CompletionAnswer{Text: text, CostMicroUSD: microUS}
	if s.ends != nil {
		s.ends(c, &answer)
	}
	return answer, nil
}

// Questions to a student, and its answers.
var (
	topics  = regexp.MustCompile(`topic (\d+)`)
	answers = regexp.MustCompile(`(\[\[ ## answer ## \]\]\n).*\n`)
)

// calls counts all calls, and those that repeated an answered request.
func (s *speaker) calls() (all, repeated int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.same {
		repeated += n - 1
	}
	return s.asked, repeated
}

// optimizing is a planned job, and the activities that work on it.
type optimizing struct {
	t     *testing.T
	a     *Activities
	store *activitytest.Store
	lm    *speaker
	mode  string
	who   Spender
	made  int
	last  Confirmed
}

func examples(t *testing.T, from, to int) json.RawMessage {
	t.Helper()
	var rows []map[string]string
	for i := from; i < to; i++ {
		rows = append(rows, map[string]string{"query": fmt.Sprintf("topic %d", i), "answer": fmt.Sprint(i % 3)})
	}
	text, err := json.Marshal(rows)
	require.NoError(t, err)
	return text
}

func newOptimizing(t *testing.T, mode string) *optimizing {
	t.Helper()
	files, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	calls, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	o := &optimizing{t: t, store: &activitytest.Store{Store: files}, lm: &speaker{same: map[string]int{}}, mode: mode}
	model := func(name string) prompt.Model {
		return prompt.Model{Name: name, MaxTokens: 100, Price: &prompt.Price{Input: 1, Output: 1}}
	}
	o.a = &Activities{
		Store: o.store, Ledger: calls, LM: o.lm, Runs: activitytest.Runs{}, SearchFor: 1, Report: report.Render,
		Broker: broker.New(broker.Options{Ledger: calls, Spread: time.Millisecond, StoreFor: 1}),
		Models: func() (RoleModels, error) {
			return RoleModels{Student: model("student"), Teacher: model("teacher"), Proposer: model("proposer")}, nil
		},
	}
	in := PrepareInput{
		Tenant: "default", Program: json.RawMessage(miprotest.OneStep), Mode: mode, Metric: json.RawMessage(`{"kind":"exact","field":"answer"}`),
		Trainset: examples(t, 0, 12), Valset: examples(t, 12, 28), Testset: examples(t, 28, 52),
	}
	require.NoError(t, json.Unmarshal([]byte(`{"auto":"none","num_candidates":4,"num_trials":9,"minibatch_size":6,"minibatch_full_eval_steps":4}`), &in.Settings))
	if mode == ModeGEPA {
		in.Settings = mipro.Settings{}
		require.NoError(t, json.Unmarshal([]byte(`{"max_metric_calls":60}`), &in.GEPA))
	}
	plan, err := activitytest.Run(t, o.a.PrepareOptimize, in)
	require.NoError(t, err)
	o.who = Spender{Tenant: "default", Job: plan.Job, Ledger: "run"}
	return o
}

// prepare plans another job, with the settings of a short run.
func (o *optimizing) prepare(in PrepareInput) Prepared {
	o.t.Helper()
	if o.mode == ModeGEPA {
		require.NoError(o.t, json.Unmarshal([]byte(`{"max_metric_calls":60}`), &in.GEPA))
	} else {
		require.NoError(o.t, json.Unmarshal([]byte(`{"auto":"none","num_candidates":4,"num_trials":6,"minibatch_size":6,"minibatch_full_eval_steps":4}`), &in.Settings))
	}
	plan, err := activitytest.Run(o.t, o.a.PrepareOptimize, in)
	require.NoError(o.t, err)
	o.who.Job = plan.Job
	return plan
}

// step is the next step after some reflections.
func (o *optimizing) step(reflections int) SearchStep {
	return SearchStep{Spender: o.who, Made: o.made, Reflections: reflections, Final: reflections > 0 && reflections == o.reflections()}
}

// reflections is the number of reflections of the mode.
func (o *optimizing) reflections() int {
	if o.mode != ModeImproved {
		return 0
	}
	return rules.Improved().Reflections
}

// part is one activity of an optimization, and the object that holds its result.
type part struct {
	name, key string
	run       func(o *optimizing) (Asked, error)
}

func (o *optimizing) search(reflections int) (Asked, error) {
	o.t.Helper()
	var all Asked
	for {
		out, err := activitytest.Run(o.t, o.a.SearchTrials, o.step(reflections))
		if err != nil {
			return all, err
		}
		all.Calls += out.Calls
		o.made += len(out.Trials)
		if out.Done {
			return all, nil
		}
	}
}

// parts are the activities in the order of a run.
func (o *optimizing) parts() []part {
	parts := []part{
		{"bootstrap", "sets.json", func(o *optimizing) (Asked, error) {
			return activitytest.Run(o.t, o.a.BootstrapDemos, o.who)
		}},
		{"propose", "instructions.json", func(o *optimizing) (Asked, error) {
			return activitytest.Run(o.t, o.a.ProposeInstructions, o.who)
		}},
		{"search", "trials.json", func(o *optimizing) (Asked, error) { return o.search(0) }},
	}
	if o.mode == ModeGEPA {
		parts = parts[2:]
	}
	for k := range o.reflections() {
		parts = append(parts,
			part{fmt.Sprintf("reflect %d", k+1), reflectedName(k), func(o *optimizing) (Asked, error) {
				return activitytest.Run(o.t, o.a.ReflectOnFailures, o.step(k))
			}},
			part{fmt.Sprintf("search after %d", k+1), "trials.json", func(o *optimizing) (Asked, error) { return o.search(k + 1) }})
	}
	return append(parts, part{"confirm", "confirmation.json", func(o *optimizing) (Asked, error) {
		out, err := activitytest.Run(o.t, o.a.ConfirmBest, ConfirmInput{SearchStep: o.step(o.reflections())})
		o.last = out
		return out.Asked, err
	}})
}

func (o *optimizing) publish() (PublishedProgram, error) {
	return activitytest.Run(o.t, o.a.PublishProgram, PublishInput{SearchStep: o.step(o.reflections()), Name: "quiz", Confirmed: o.last})
}

// trials returns the stored trials as text.
func (o *optimizing) trials() string {
	o.t.Helper()
	text, err := activities.ReadAll(o.t.Context(), o.store, prefixOf("default", o.who.Job)+"trials.json")
	require.NoError(o.t, err)
	return string(text)
}

// everyMode runs a test in all modes, without a better program to find.
func everyMode(t *testing.T, test func(o *optimizing)) {
	t.Helper()
	inEveryMode(t, false, test)
}

func inEveryMode(t *testing.T, better bool, test func(o *optimizing)) {
	t.Helper()
	for _, mode := range []string{ModeCompat, ModeImproved, ModeGEPA} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			o := newOptimizing(t, mode)
			o.lm.learn = better
			test(o)
		})
	}
}

// TestStagesAgain: a run that loses the result of every activity repeats no call, has the same
// result and publishes one version.
func TestStagesAgain(t *testing.T) {
	t.Parallel()
	everyMode(t, func(o *optimizing) {
		for _, part := range o.parts() {
			made := o.made
			_, err := part.run(o)
			require.NoError(o.t, err, part.name)
			verdict := o.last.Verdict
			asked, _ := o.lm.calls()
			o.made = made // the result was lost
			out, err := part.run(o)
			require.NoError(o.t, err, part.name)
			require.Zero(o.t, out.Calls, part.name)
			again, _ := o.lm.calls()
			require.Equal(o.t, asked, again, part.name)
			require.Equal(o.t, verdict, o.last.Verdict)
		}
		asked, repeated := o.lm.calls()
		require.Zero(o.t, repeated)
		spend, err := o.a.Ledger.Job(o.t.Context(), "default", "run")
		require.NoError(o.t, err)
		require.Equal(o.t, asked, spend.Calls)
		require.EqualValues(o.t, asked*microUS, spend.CostMicroUSD)
		for range 2 {
			out, err := o.publish()
			require.NoError(o.t, err)
			require.Equal(o.t, 1, out.Version)
		}
	})
}

// TestModelFailsMidway: a stage that a failing model ended continues from the stored answers,
// and the run has the result of a run without faults.
func TestModelFailsMidway(t *testing.T) {
	t.Parallel()
	everyMode(t, func(o *optimizing) {
		for _, part := range o.parts() {
			before, _ := o.lm.calls()
			o.lm.say(func(_ context.Context, n int) error {
				if n == before+2 {
					return fault.New(fault.Auth, "ask", "model", "the key has expired")
				}
				return nil
			})
			_, err := part.run(o)
			if after, _ := o.lm.calls(); after > before+1 {
				require.Equal(o.t, fault.Auth, activitytest.ClassOf(err), "%s: %v", part.name, err)
			}
			o.lm.say(nil)
			_, err = part.run(o)
			require.NoError(o.t, err, part.name)
			_, repeated := o.lm.calls()
			require.Zero(o.t, repeated, part.name)
		}
		whole := newOptimizing(o.t, o.mode)
		whole.lm.learn = o.lm.learn
		for _, part := range whole.parts() {
			_, err := part.run(whole)
			require.NoError(o.t, err, part.name)
		}
		require.Equal(o.t, whole.trials(), o.trials())
		require.Equal(o.t, whole.last.Verdict, o.last.Verdict)
	})
}

// TestStagesWithoutRoom: if the result of a stage cannot be stored, the activity says why. The
// next attempt stores it and makes no call.
func TestStagesWithoutRoom(t *testing.T) {
	t.Parallel()
	everyMode(t, func(o *optimizing) {
		for _, part := range o.parts() {
			made := o.made
			o.store.NoRoom = func(key string) bool { return strings.HasSuffix(key, "/"+part.key) }
			_, err := part.run(o)
			require.Equal(o.t, fault.Capacity, activitytest.ClassOf(err), "%s: %v", part.name, err)
			asked, _ := o.lm.calls()
			o.store.NoRoom, o.made = nil, made
			_, err = part.run(o)
			require.NoError(o.t, err, part.name)
			again, repeated := o.lm.calls()
			require.Zero(o.t, repeated, part.name)
			if !strings.HasPrefix(part.name, "search") { // each step of a search is stored
				require.Equal(o.t, asked, again, part.name)
			}
		}
	})
}

// TestPublishWithoutRoom: a version with a file that could not be stored is not listed, and the
// next attempt completes the same version.
func TestPublishWithoutRoom(t *testing.T) {
	t.Parallel()
	everyMode(t, func(o *optimizing) {
		for _, part := range o.parts() {
			_, err := part.run(o)
			require.NoError(o.t, err, part.name)
		}
		programs := &registry.Programs{Store: o.store}
		for _, name := range []string{registry.StateFile, registry.TrialsFile, training.ManifestName} {
			o.store.NoRoom = func(key string) bool { return strings.HasSuffix(key, "/"+name) }
			_, err := o.publish()
			require.Equal(o.t, fault.Capacity, activitytest.ClassOf(err), "%s: %v", name, err)
			list, err := activitytest.Run(o.t, programs.ListPrograms, registry.ListProgramsInput{Tenant: "default"})
			require.NoError(o.t, err)
			require.Empty(o.t, list.Programs)
		}
		o.store.NoRoom = nil
		out, err := o.publish()
		require.NoError(o.t, err)
		require.Equal(o.t, 1, out.Version)
		detail, err := activitytest.Run(o.t, programs.ShowProgram, registry.ProgramInput{Tenant: "default", Name: "quiz"})
		require.NoError(o.t, err)
		require.Equal(o.t, o.who.Job, detail.Job)
		require.Len(o.t, detail.Files, 4)
		for _, f := range detail.Files {
			info, err := o.store.Stat(o.t.Context(), detail.Prefix+f.Name)
			require.NoError(o.t, err)
			require.Equal(o.t, f.SHA256, info.SHA256)
		}
		page, err := activitytest.Run(o.t, o.a.WriteOptimizeReport, ReportInput{SearchStep: o.step(0), Name: "quiz", Version: 1, RunID: "run"})
		require.NoError(o.t, err)
		html, err := activities.ReadAll(o.t.Context(), o.store, page.Key)
		require.NoError(o.t, err)
		require.Contains(o.t, string(html), "cogflow programs promote quiz@1")
	})
}

// TestStageIsCancelled: after a cancellation by a user, calls in flight are answered and stored,
// and not repeated; a worker that stops cuts them off.
func TestStageIsCancelled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		why  error
		kept bool
	}{
		"by a person":   {temporal.NewCanceledError(), true},
		"by the worker": {activities.ErrStopping, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOptimizing(t, ModeImproved)
			full, cancelled := make(chan struct{}), make(chan struct{})
			o.lm.say(func(ctx context.Context, n int) error {
				if n == 2 { // bootstrapping begins with the calls that it certainly needs
					close(full)
				}
				if c.kept {
					<-cancelled
					return nil
				}
				<-ctx.Done()
				return fault.Wrap(fault.Transport, "ask", "model", ctx.Err())
			})
			err := activitytest.Cancelled(t, func(ctx context.Context, in Spender) (Asked, error) {
				context.AfterFunc(ctx, func() { close(cancelled) })
				return o.a.BootstrapDemos(ctx, in)
			}, o.who, c.why, full)
			require.Error(t, err)
			o.lm.say(nil)
			out, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
			require.NoError(t, err)
			asked, repeated := o.lm.calls()
			require.Less(t, out.Calls, asked)
			require.Zero(t, repeated, "answers are stored")
		})
	}
}

// TestJobIsClaimedOnce: one workflow at a time works on a job. A workflow that lost its claim
// neither stores a result nor releases the claim of the other.
func TestJobIsClaimedOnce(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	job := activities.JobInput{Tenant: "default", Job: o.who.Job}
	key := prefixOf("default", o.who.Job) + "claim.json"
	claim := func() (ClaimedJob, error) { return activitytest.Run(t, o.a.ClaimOptimize, ClaimInput{JobInput: job}) }
	finish := func(result string) error {
		return activitytest.Do(t, o.a.FinishOptimize, FinishInput{JobInput: job, Result: json.RawMessage(result)})
	}
	for range 2 { // the first answer was lost
		got, err := claim()
		require.NoError(t, err)
		require.Empty(t, got.Result)
	}
	theirs := `{"workflow":"other","run":"r","number":2}`
	require.NoError(t, activities.WriteManifest(t.Context(), o.store, key, json.RawMessage(theirs)))
	o.a.Runs = activitytest.Runs{"other"}
	_, err := claim()
	require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "claimed by workflow other")
	require.NoError(t, finish(`"mine"`))
	kept, err := activities.ReadAll(t.Context(), o.store, key)
	require.NoError(t, err)
	require.JSONEq(t, theirs, string(kept))
	_, err = o.store.Stat(t.Context(), prefixOf("default", o.who.Job)+"result.json")
	require.ErrorIs(t, err, object.ErrNotFound)

	o.a.Runs = activitytest.Runs{} // the other has ended
	_, err = claim()
	require.NoError(t, err)
	o.store.NoRoom = func(key string) bool { return strings.HasSuffix(key, "/result.json") }
	require.Equal(t, fault.Capacity, activitytest.ClassOf(finish(`"done"`)))
	o.a.Runs = activitytest.Runs{activitytest.Workflow}
	o.store.NoRoom = nil
	require.NoError(t, finish(`"done"`))
	require.NoError(t, finish(`"done"`))
	got, err := claim()
	require.NoError(t, err)
	require.JSONEq(t, `"done"`, string(got.Result))
}
