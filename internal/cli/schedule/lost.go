package schedule

import (
	"fmt"
	"time"

	schedulepb "go.temporal.io/api/schedule/v1"

	"github.com/cogniverse/cogflow/internal/cli/format"
)

// lost says how many runs did not happen, and why.
type lost struct {
	Runs   int64  `json:"runs"`
	Reason string `json:"reason"` // overlap, catch_up or buffer
	Text   string `json:"text"`
	Now    bool   `json:"now,omitempty"` // the cause goes on: a run is open
}

// losses explains the counters of a schedule. With overlap skip, a run that never ends stops all
// later ones, so the open run is named.
func (r report) losses(s *schedulepb.Schedule) []lost {
	all := []lost{}
	if n := r.Counts.Skipped; n > 0 {
		l := lost{Runs: n, Reason: "overlap", Text: fmt.Sprintf("%s skipped because another run was open (overlap %s)", runs(n), r.Overlap)}
		if len(r.Running) > 0 {
			l.Now = true
			l.Text += "; open now: " + r.Running[0].WorkflowID
			if started := r.Running[0].Started; started != nil {
				l.Text += " since " + started.Format(time.RFC3339)
			}
		}
		all = append(all, l)
	}
	if n := r.Counts.Missed; n > 0 {
		window := spanWords(s.GetPolicies().GetCatchupWindow().AsDuration())
		all = append(all, lost{Runs: n, Reason: "catch_up", Text: runs(n) + " missed because the server was down for longer than the catch-up of " + window})
	}
	if n := r.Counts.Dropped; n > 0 {
		all = append(all, lost{Runs: n, Reason: "buffer", Text: fmt.Sprintf("%s dropped because the buffer of waiting runs was full (overlap %s)", runs(n), r.Overlap)})
	}
	return all
}

func runs(n int64) string { return format.Count(int(n), "run", "runs") }

// lostText is the cell of `list`.
func (r report) lostText() string {
	text := ""
	add := func(n int64, what string) {
		if n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", n, what)
		}
	}
	add(r.Counts.Skipped, "skipped (another run was open)")
	add(r.Counts.Missed, "missed (outage longer than catch-up)")
	add(r.Counts.Dropped, "dropped (buffer full)")
	return text
}
