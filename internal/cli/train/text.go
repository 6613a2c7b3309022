package train

import (
	"cmp"
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/cli/pace"
)

// text describes a training run in one line, without its name. The most important parts are
// first, because a narrow terminal cuts the rest.
func (t sample) text() string {
	text := format.Stage(t.stageText(), t.Paused, cmp.Or(t.BlockedBy, t.cold.Waits(t.Waiting)))
	if t.Total > 0 {
		text += fmt.Sprintf(" %d/%d steps", t.Step, t.Total)
		if left := t.left(); left > 0 {
			text += ", ETA " + format.Span(left.Round(time.Second))
		}
		if t.Loss != nil {
			text += ", loss " + format.Metric(*t.Loss)
		}
		if t.TokensPerSecond > 0 {
			text += ", " + speedText(t.TokensPerSecond) + " tokens/s"
		}
	}
	if !t.Started.IsZero() && t.at.Sub(t.Started) >= time.Second {
		text += ", " + format.Span(t.at.Sub(t.Started).Truncate(time.Second)) + " in all"
	}
	if t.CostUSD > 0 {
		text += ", " + format.Dollars(t.CostUSD)
	}
	if t.GPU != "" && t.Stage == "train" {
		text += ", on " + t.GPU
	}
	if t.Trouble != "" {
		text += "; " + t.Trouble
	}
	return text
}

// stageText is the stage and, during training, the phase of the trainer and its duration.
func (t sample) stageText() string {
	does := ""
	switch {
	case t.Stage != "train" || t.Phase == "train":
		return t.Stage
	case t.Phase != "":
		does = phaseText(t.Phase)
	case t.Waiting == "" && !t.Paused: // before the first phase Python loads its libraries
		does = "starting"
	default:
		return t.Stage
	}
	if t.phase >= time.Second {
		does += ", " + format.Span(t.phase.Truncate(time.Second))
	}
	return t.Stage + ": " + does
}

// phaseText describes a phase of the trainer.
func phaseText(phase string) string {
	switch phase {
	case "load":
		return "loading the model"
	case "data":
		return "reading the data"
	case "evaluate":
		return "evaluating"
	case "save":
		return "saving"
	default:
		return phase
	}
}

// left is the remaining time of the steps; 0 = unknown.
func (t sample) left() time.Duration {
	if t.eta != nil {
		return t.eta.Left()
	}
	return time.Duration(t.ETASeconds * float64(time.Second))
}

// After takes over the estimates of the previous moment. Each reported step adds one
// estimate of the trainer; between steps the time left does not change.
func (p *progress) After(last cli.Progress) {
	before := map[string]sample{}
	if l, ok := last.(*progress); ok {
		for _, t := range l.trains {
			before[t.id] = t
		}
	}
	for i := range p.trains {
		t := &p.trains[i]
		old, known := before[t.id]
		eta := pace.ETA{}
		if known && old.eta != nil {
			eta = *old.eta
		}
		if !known || old.Step != t.Step || old.Total != t.Total || t.Paused != old.Paused {
			estimate := time.Duration(t.ETASeconds * float64(time.Second))
			if t.Paused {
				estimate = 0
			}
			eta = eta.Next(t.at, estimate)
		}
		t.eta = &eta
	}
}
