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

// A metric command that fails on an answer of a model gives it a score of 0: it fails on
// that answer again and again, and the model wrote it. A command that fails on every example
// is at fault itself, and so is the run: after this many examples, or after a part of the
// search.
const failuresAtMost = 20

// fewScores is the number of scores out of range that fail a stage at its end.
const fewScores = 5

// commandRecord is what a run knows of a metric command. Failures are not stored with the
// scores, which other runs use as well: the command may be corrected for those.
type commandRecord struct {
	mu       sync.Mutex
	read     bool
	works    bool            // it has scored an answer
	failed   map[string]bool // names of answers that it failed on
	examples map[string]bool // of those
	last     error           // that this worker saw
}

// recordsPrefix is where a run records what it knows of its metric commands.
func recordsPrefix(s Spender) string {
	return prefixOf(s.Tenant, s.Job) + "metric-commands/" + string(video.NewFingerprint("run", s.Ledger)[:16]) + "/"
}

const (
	failuresFolder = "failures/" // one object for each answer
	worksName      = "works.json"
)

// records is where those of one command are.
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

// command scores by a configured command. Its score is stored as well: a command may take
// long, and need not return the same score twice.
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

// checkCommands fails a run of which a command has scored nothing, and failed.
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

// broken says that a command failed on every example. It forgets the failures: a run that
// is started again, with the command corrected, asks for those scores. r.mu is held.
func (c *stageRunner) broken(ctx context.Context, r *commandRecord, command string) error {
	why := r.last
	if why == nil { // they are of former attempts
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
