package optimize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// failuresAtMost is the number of examples after which a command that failed on all of them
// fails the run; a run with fewer examples fails after a part of the search. A command that
// fails on some answers only gives these a score of 0: a retry would fail in the same way.
const failuresAtMost = 20

// fewScores is the number of scores out of range that fail a stage at its end.
const fewScores = 5

// commandRecord is what a run knows about a metric command. Failures are stored apart from the
// scores, which other runs reuse: these may use a corrected command.
type commandRecord struct {
	mu       sync.Mutex
	read     bool
	works    bool            // it has scored an answer
	failed   map[string]bool // names of answers that it failed on
	examples map[string]bool // the examples of these answers
	last     error           // last failure on this worker
}

// recordsPrefix is the prefix of the records that a run keeps of its metric commands.
func recordsPrefix(s Spender) string {
	return prefixOf(s.Tenant, s.Job) + "metric-commands/" + string(video.NewFingerprint("run", s.Ledger)[:16]) + "/"
}

const (
	failuresFolder = "failures/" // one object for each answer
	worksName      = "works.json"
)

// records is the prefix of the records of one command.
func (c *stageRunner) records(command string) string {
	return recordsPrefix(c.who) + string(video.NewFingerprint("command", command)[:16]) + "/"
}

// record reads the record of a command, once.
func (c *stageRunner) record(ctx context.Context, command string) (*commandRecord, error) {
	found, _ := c.commands.LoadOrStore(command, &commandRecord{failed: map[string]bool{}, examples: map[string]bool{}})
	r := found.(*commandRecord) //nolint:forcetypeassert // nothing else is stored
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read {
		return r, nil
	}
	err := c.a.Store.List(ctx, c.records(command), func(o object.Info) error {
		if path.Base(o.Key) == worksName {
			r.works = true
		} else {
			r.add(path.Base(o.Key))
		}
		return nil
	})
	r.read = err == nil
	return r, err
}

// add records a failure: "answer-example.json".
func (r *commandRecord) add(name string) {
	r.failed[name] = true
	_, example, _ := strings.Cut(name, "-")
	r.examples[example] = true
}

// command scores an answer by a configured command, and stores the score: a command can be
// slow, and may return different scores for the same answer.
func (c *stageRunner) command(ctx context.Context, call mipro.Call) (mipro.Answer, error) {
	r, err := c.record(ctx, call.Command)
	if err != nil {
		return mipro.Answer{}, err
	}
	asked, unwritable := json.Marshal([]any{call.Command, call.Example, call.Outputs})
	if unwritable != nil { // a number that JSON does not have, such as an infinity
		asked = []byte(call.Command + python.Dumps(call.Example) + python.Dumps(call.Outputs))
	}
	question := video.NewFingerprint("metric", string(asked))
	failure := string(question[:32]) + "-" + string(video.NewFingerprint("example", python.Dumps(call.Example))[:32]) + ".json"
	if r.has(failure) {
		return mipro.Answer{}, nil
	}
	if unwritable != nil {
		return mipro.Answer{}, c.scoreless(ctx, r, call.Command, failure, fault.Wrap(fault.Input, "ask metric", call.Command, unwritable))
	}
	key := string(c.who.Tenant) + "/lm/" + string(question) + ".json"
	var stored mipro.Answer
	if err := activities.ReadJSON(ctx, c.a.Store, key, &stored); err == nil {
		return stored, c.scored(ctx, r, call.Command)
	} else if !activities.Absent(err) {
		return mipro.Answer{}, err
	}
	mark, err := c.a.Judges.Score(ctx, call.Command, call.Example, call.Outputs)
	if fault.ClassOf(err) == fault.Input && c.a.Judges.Check(call.Command) == nil {
		return mipro.Answer{}, c.scoreless(ctx, r, call.Command, failure, err)
	}
	if err != nil {
		return mipro.Answer{}, err
	}
	stored = mipro.Answer{Score: mark.Score, Feedback: mark.Feedback, Predictors: mark.Predictors}
	if err := activities.WriteJSON(ctx, c.a.Store, key, stored); err != nil {
		return mipro.Answer{}, err
	}
	return stored, c.scored(ctx, r, call.Command)
}

func (r *commandRecord) has(failure string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed[failure]
}

// scored records that a command works.
func (c *stageRunner) scored(ctx context.Context, r *commandRecord, command string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.works {
		return nil
	}
	err := activities.WriteJSON(ctx, c.a.Store, c.records(command)+worksName, true)
	r.works = err == nil
	return err
}

// scoreless records that a command failed on an answer, unless the command is at fault.
func (c *stageRunner) scoreless(ctx context.Context, r *commandRecord, command, failure string, why error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = why
	r.add(failure)
	if !r.works && len(r.examples) >= failuresAtMost {
		return c.broken(ctx, r, command)
	}
	return activities.WriteJSON(ctx, c.a.Store, c.records(command)+failuresFolder+failure, safetext.Line(why.Error(), safetext.MaxReason))
}

// checkCommands fails a run if one of its commands failed and never returned a score.
func (c *stageRunner) checkCommands(ctx context.Context) error {
	for _, command := range c.o.job.Metric.Commands() {
		r, err := c.record(ctx, command)
		if err != nil {
			return err
		}
		r.mu.Lock()
		if !r.works && len(r.failed) > 0 {
			err = c.broken(ctx, r, command)
		}
		r.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// broken returns the fault of a command that failed on every example. It deletes the recorded
// failures, so that a run that is started again requests these scores. r.mu is held.
func (c *stageRunner) broken(ctx context.Context, r *commandRecord, command string) error {
	why := r.last
	if why == nil { // all failures are of former attempts
		_, reason, err := c.a.commandFailures(ctx, c.who)
		if err != nil {
			return err
		}
		why = errors.New(reason)
	}
	if _, err := activities.DeletePrefix(ctx, c.a.Store, c.records(command)); err != nil {
		return err
	}
	return &fault.Error{
		Class: fault.Input, Op: "score by command", Subject: command,
		Reason: fmt.Sprintf("it failed on each of %d examples; correct it and start again", len(r.examples)), Err: why,
	}
}

// commandFailures counts the answers that metric commands failed on, with the reason of one.
func (a *Activities) commandFailures(ctx context.Context, s Spender) (n int, why string, err error) {
	var one string
	err = a.Store.List(ctx, recordsPrefix(s), func(o object.Info) error {
		if path.Base(o.Key) != worksName {
			n, one = n+1, o.Key
		}
		return nil
	})
	if err == nil && n > 0 {
		err = activities.ReadJSON(ctx, a.Store, one, &why)
	}
	return n, why, err
}
