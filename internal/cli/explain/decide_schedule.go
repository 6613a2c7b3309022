package explain

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/internal/cli/format"
)

// ofSchedule explains a schedule, or a run of it that does not exist.
func (f facts) ofSchedule() []Cause {
	s, id := f.schedule, quoted(f.schedule.id)
	show := "cogflow schedule show " + id
	prefix := "The schedule " + s.id
	if f.due {
		prefix = "No run has the id " + f.id + ". Its schedule " + s.id
	}
	var all []Cause
	add := func(c Cause) { all = append(all, c) }
	if s.paused {
		text := prefix + " is paused"
		if s.note != "" {
			text += ": " + s.note
		}
		add(Cause{Code: SchedulePaused, Text: sentence(text), Ends: "it is resumed", Do: []string{"cogflow schedule resume " + id, show}})
	} else if s.ended {
		add(Cause{Code: ScheduleEnded, Text: prefix + " has no further runs.", Ends: "nothing; it has ended", Do: []string{show, "cogflow schedule trigger " + id}})
	}
	all = append(all, s.overlaps(prefix)...)
	if s.missed > 0 {
		add(Cause{
			Code: ScheduleMissed, Text: fmt.Sprintf("%s missed %s: the server was down for longer than the catch-up of %s.", prefix, runs(s.missed), format.Span(s.catchUp)),
			Ends: "nothing; later runs are not affected", Do: []string{show, "cogflow schedule trigger " + id},
		})
	}
	if len(all) == 0 {
		c := Cause{Code: ScheduleIdle, Text: prefix + " waits for its next run.", Ends: "the time comes", Do: []string{show, "cogflow schedule trigger " + id}}
		if !s.next.IsZero() {
			c.Until = at(s.next)
		}
		add(c)
	}
	return sorted(all)
}

// overlaps explains runs that were skipped or wait because another run is open.
func (s schedule) overlaps(prefix string) (all []Cause) {
	if s.skipped == 0 && s.buffered == 0 && s.dropped == 0 {
		return nil
	}
	var parts []string
	for _, one := range []struct {
		n    int64
		what string
	}{{s.skipped, "skipped"}, {s.buffered, "waiting"}, {s.dropped, "dropped because too many waited"}} {
		if one.n > 0 {
			parts = append(parts, runs(one.n)+" "+one.what)
		}
	}
	c := Cause{
		Code: ScheduleOverlap, Text: fmt.Sprintf("%s has %s, because another run was open (overlap %s).", prefix, strings.Join(parts, ", "), s.overlap),
		Ends: "no run is open when the next one is due", Do: []string{"cogflow schedule show " + quoted(s.id)},
	}
	if len(s.open) > 0 {
		c.Workflow = s.open[0]
		c.Text += " Open now: " + s.open[0] + "."
		c.Ends = "the open run ends"
		c.Do = append([]string{"cogflow explain " + quoted(s.open[0]), "cogflow cancel " + quoted(s.open[0])}, c.Do...)
	}
	return []Cause{c}
}

// heldUp says that a running job of a schedule holds up later runs.
func (f facts) heldUp() []Cause {
	if len(f.schedule.open) == 0 || f.schedule.open[0] != f.id {
		return nil
	}
	return f.schedule.overlaps("The schedule " + f.schedule.id)
}

func runs(n int64) string { return format.Count(int(n), "run", "runs") }
