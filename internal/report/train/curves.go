package train

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training"
)

// story is a training run read from its events.
type story struct {
	loss, learning, speed, norm []report.XY
	evals                       []training.Event // of the model in the course of training
	base                        map[string]float64
	checkpoints                 []int
	resumes                     []resume
	devices                     []string // in order of appearance
	last                        int      // step
	lost                        int      // steps whose loss was no number
}

// resume is where a new attempt went on.
type resume struct {
	after  int // step
	device string
}

func read(events []training.Event) story {
	s := story{}
	begun := false
	for _, e := range events {
		x := float64(max(0, e.Step))
		switch e.Event {
		case training.EventDevice:
			if begun {
				s.resumes = append(s.resumes, resume{s.last, e.Device})
			}
			begun = true
			if e.Device != "" && !slices.Contains(s.devices, e.Device) {
				s.devices = append(s.devices, e.Device)
			}
		case training.EventStep:
			s.last = max(s.last, e.Step)
			loss := math.NaN()
			if e.Loss != nil {
				loss = *e.Loss
			}
			if !report.Finite(loss) {
				s.lost++
			}
			s.loss = append(s.loss, report.XY{X: x, Y: loss})
			s.learning = append(s.learning, report.XY{X: x, Y: e.LearningRate})
			if e.TokensPerSecond > 0 {
				s.speed = append(s.speed, report.XY{X: x, Y: e.TokensPerSecond})
			}
			if v, ok := e.Metrics["grad_norm"]; ok {
				s.norm = append(s.norm, report.XY{X: x, Y: v})
			}
		case training.EventEval:
			switch e.Of {
			case training.OfBase:
				s.base = e.Metrics
			case training.OfCurrent:
				s.last = max(s.last, e.Step)
				s.evals = append(s.evals, e)
			}
		case training.EventCheckpoint:
			s.last = max(s.last, e.Step)
			s.checkpoints = append(s.checkpoints, e.Step)
		}
	}
	slices.Sort(s.checkpoints)
	s.checkpoints = slices.Compact(s.checkpoints)
	return s
}

// names are the metrics of a method that is evaluated, what matters most first,
// others after them.
func metricNames(sets ...map[string]float64) []string {
	var names []string
	for _, set := range sets {
		for name := range set {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	known := []string{"loss", "accuracy", "margin", "ndcg", "mrr"}
	slices.SortStableFunc(names, func(a, b string) int { return rankOf(known, a) - rankOf(known, b) })
	return names[:min(len(names), maxMetrics)]
}

const maxMetrics = 12

func rankOf(known []string, name string) int {
	if i := slices.Index(known, name); i >= 0 {
		return i
	}
	return len(known)
}

// metricTitle names a metric for people.
func metricTitle(method training.Method, name string) string {
	switch name {
	case "loss":
		return "Loss"
	case "accuracy":
		switch method {
		case training.DPO:
			return "Reward accuracy"
		case training.Embedding:
			return "Triplet accuracy"
		default:
			return "Token accuracy"
		}
	case "margin":
		if method == training.DPO {
			return "Reward margin"
		}
		return "Margin"
	case "ndcg":
		return "nDCG"
	case "mrr":
		return "MRR"
	}
	return report.Clean(name, report.MaxLabel)
}

// held is one metric of the evaluations, over steps.
func (s story) held(name string) []report.XY {
	var out []report.XY
	for _, e := range s.evals {
		if v, ok := e.Metrics[name]; ok {
			out = append(out, report.XY{X: float64(e.Step), Y: v})
		}
	}
	return out
}

// ofBase is a metric of the base model; not a number where it is not known.
func (s story) ofBase(name string, o training.Outcome) float64 {
	if v, ok := s.base[name]; ok {
		return v
	}
	if v, ok := o.BaseMetrics[name]; ok {
		return v
	}
	return math.NaN()
}

func lossCurve(s story, o training.Outcome) *report.Curve {
	if len(s.loss) == 0 {
		return nil
	}
	even, held, base := report.Smooth(s.loss), s.held("loss"), s.ofBase("loss", o)
	c := report.NewCurve("Loss", "Loss over the steps of the optimizer, in training and on held-out rows.", report.CurveHigh, float64(s.last),
		s.loss, even, held, []report.XY{{X: 0, Y: base}})
	c.AddLine("s0 raw", "training, each step", s.loss)
	c.AddLine("s0", "training, smoothed", even)
	c.AddDots("s2", "held out", held, float64(o.BestStep), figure)
	c.AddReference(base, "base model, held out: "+figure(base))
	for _, step := range s.checkpoints {
		if len(s.checkpoints) <= report.CurveBins {
			c.Marks = append(c.Marks, report.Mark{X: report.Percent(c.XAt(float64(step))), Class: "kept", Name: "checkpoint at step " + report.Count(step)})
		}
	}
	for _, r := range s.resumes {
		name := "resumed after step " + report.Count(r.after)
		if r.device != "" {
			name += " on " + report.Clean(r.device, report.MaxName)
		}
		c.Marks = append(c.Marks, report.Mark{X: report.Percent(c.XAt(float64(r.after))), Class: "resume", Name: name})
	}
	if len(s.checkpoints) > 0 {
		c.Legend = append(c.Legend, report.Key{Class: "kept", Name: report.Plural(len(s.checkpoints), "checkpoint")})
	}
	if len(s.resumes) > 0 {
		c.Legend = append(c.Legend, report.Key{Class: "resume", Name: report.Plural(len(s.resumes), "restart")})
	}
	return c
}

// smallCurves are the other metrics, the learning rate and the speed.
func smallCurves(s story, method training.Method, o training.Outcome) []*report.Curve {
	var out []*report.Curve
	var sets []map[string]float64
	for _, e := range s.evals {
		sets = append(sets, e.Metrics)
	}
	for _, name := range metricNames(sets...) {
		held := s.held(name)
		if name == "loss" || len(held) == 0 {
			continue
		}
		base := s.ofBase(name, o)
		title := metricTitle(method, name)
		c := report.NewCurve(title+", held out", title+" on held-out rows over steps.", report.CurveLow, float64(s.last), held, []report.XY{{X: 0, Y: base}})
		c.AddDots("s2", "held out", held, float64(o.BestStep), figure)
		c.AddReference(base, "base model: "+figure(base))
		out = append(out, c)
	}
	for _, other := range []struct {
		title, class string
		points       []report.XY
		rough        bool
	}{
		{"Learning rate", "s3", s.learning, false},
		{"Tokens per second", "s4", s.speed, true},
		{"Gradient norm", "s1", s.norm, true},
	} {
		if len(other.points) < 2 {
			continue
		}
		even := other.points
		if other.rough {
			even = report.Smooth(other.points)
		}
		c := report.NewCurve(other.title, fmt.Sprintf("%s over steps.", other.title), report.CurveLow, float64(s.last), other.points, even)
		if other.rough {
			c.AddLine(other.class+" raw", "each step", other.points)
			c.AddLine(other.class, "smoothed", even)
		} else {
			c.AddLine(other.class, "each step", even)
			c.Legend = nil
		}
		out = append(out, c)
	}
	return out
}

// lower is a title within a sentence; abbreviations stay as they are.
func lower(title string) string {
	if title == "nDCG" || title == "MRR" {
		return title
	}
	return strings.ToLower(title)
}
