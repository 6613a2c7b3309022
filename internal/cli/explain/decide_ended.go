package explain

import (
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
)

// ended explains a run that has ended.
func (f facts) ended() Cause {
	id := quoted(f.id)
	c := Cause{Since: at(f.closed), Ends: "nothing; it has ended", Workflow: f.id}
	report := []string{"cogflow report " + id, "cogflow status " + id}
	redrive := []string{"cogflow redrive " + id, "cogflow status " + id, "cogflow logs " + id + " --level warn"}
	when := " " + format.Ago(f.closed, f.now)
	switch f.status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		c.Code, c.Text, c.Do = Completed, "The job finished"+when+".", report
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		c.Code, c.Text, c.Do = Cancelled, "The job was cancelled"+when+".", redrive
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		c.Code, c.Text, c.Do = Terminated, "The job was terminated"+when+".", redrive
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		c.Code, c.Text, c.Do = TimedOut, "The job reached its time limit"+when+".", redrive
	default:
		c.Code, c.Text, c.Do = Failed, "The job failed"+when+".", redrive
	}
	if f.failure != nil && c.Code == Failed {
		c.Text = strings.TrimSuffix(c.Text, ".") + ": " + withClass(*f.failure)
		c.Ends = "nothing; it has ended. " + f.failure.Advice
		if class := fault.Class(f.failure.Class); class == fault.Input || class == fault.Auth { // a retry alone does not help
			c.Do = []string{redrive[1], redrive[2], redrive[0]}
		}
	}
	c.Ends = strings.TrimSpace(c.Ends)
	return c
}

func withClass(f cli.Failure) string {
	if f.Class == "" {
		return f.Message
	}
	return f.Class + " error: " + f.Message
}

// running says how far a run is, its rate and the time left.
func (f facts) running() Cause {
	text := "The job runs."
	if f.doing.line != "" {
		text = sentence("The job runs: " + strings.TrimRight(f.doing.line, ". "))
	}
	c := Cause{Code: Running, Since: at(f.started), Ends: "it finishes", Do: []string{"cogflow watch " + quoted(f.id)}}
	began := f.started
	if f.state != nil && !f.state.Started.IsZero() {
		began = f.state.Started
	}
	elapsed := f.now.Sub(began)
	if d := f.doing; d.total > 0 && d.done > 0 && d.done < d.total && elapsed > 0 {
		left := time.Duration(float64(elapsed) / float64(d.done) * float64(d.total-d.done))
		until := f.now.Add(left)
		c.Until = &until
		text += fmt.Sprintf(" At the rate since its start, about %s are left.", format.Span(left.Round(time.Second)))
	}
	c.Text = text
	return c
}
