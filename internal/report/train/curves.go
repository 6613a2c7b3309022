package train

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training"
)

// history is a training run read from its events.
type history struct {
	loss, learning, speed, norm []report.XY
	evals                       []training.Event // of the model during training
	base                        map[string]float64
	metrics                     map[string][]report.XY // of each step, by name, without the gradient norm
	checkpoints                 []int
	resumes                     []resume
	devices                     []string // in order of appearance
	last                        int      // step
	lost                        int      // steps whose loss was not finite
}

// resume is the step and the device from which a new attempt continued.
type resume struct {
	after  int // step
	device string
}

func read(events []training.Event) history {
	s := history{metrics: map[string][]report.XY{}}
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
			for name, v := range e.Metrics {
				if name == "grad_norm" {
					s.norm = append(s.norm, report.XY{X: x, Y: v})
				} else {
					s.metrics[name] = append(s.metrics[name], report.XY{X: x, Y: v})
				}
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

// stepMetrics are the names of the metrics that the trainer reports for each step, the most
// important first.
func (s history) stepMetrics() []string {
	names := slices.Sorted(maps.Keys(s.metrics))
	known := []string{"rewards/margins", "rewards/accuracies", "mean_token_accuracy"}
	slices.SortStableFunc(names, func(a, b string) int { return rankOf(known, a) - rankOf(known, b) })
	return names[:min(len(names), maxMetrics)]
}

// metricNames are the metrics of the evaluations, the most important first.
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

// metricTitle is the title of a metric.
func metricTitle(method training.Method, name string) string {
	switch name {
	case "loss":
		return "Loss"
	case training.MetricAnswerLoss:
		return "Answer loss"
	case "accuracy":
		switch method {
		case training.DPO, training.KTO:
			return "Reward accuracy"
		case training.Embedding:
			return "Triplet accuracy"
		default:
			return "Token accuracy"
		}
	case "margin":
		if method == training.DPO || method == training.KTO {
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
func (s history) held(name string) []report.XY {
	var out []report.XY
	for _, e := range s.evals {
		if v, ok := e.Metrics[name]; ok {
			out = append(out, report.XY{X: float64(e.Step), Y: v})
		}
	}
	return out
}

// start is the model before the first step.
func start(o training.Outcome) string {
	if b := before(o); o.Comparison != nil && o.Comparison.With != "" {
		return b
	}
	return "base model"
}

// ofBase is a metric of the base model, or NaN if it is unknown.
func (s history) ofBase(name string, o training.Outcome) float64 {
	if v, ok := s.base[name]; ok {
		return v
	}
	if v, ok := o.BaseMetrics[name]; ok {
		return v
	}
	return math.NaN()
}

// curves are the plots of a run, each of one quantity: the training loss, the metrics on
// held-out rows, the metrics that the trainer reports for each step, and the throughput.
func curves(s history, method training.Method, o training.Outcome) []*report.Curve {
	var out []*report.Curve
	if len(s.loss) > 0 {
		out = append(out, trainingLoss(s, method))
	}
	out = append(out, heldCurves(s, method, o)...)
	for _, name := range s.stepMetrics() {
		if points := s.metrics[name]; len(points) > 1 {
			out = append(out, stepCurve(s, report.Plot{Title: stepTitle(name)}, "s5", points, true))
		}
	}
	for _, other := range []struct {
		plot   report.Plot
		class  string
		points []report.XY
		noisy  bool
	}{
		{report.Plot{Title: "Learning rate"}, "s3", s.learning, false},
		{report.Plot{Title: "Throughput", Unit: "tokens per second"}, "s4", s.speed, true},
		{report.Plot{Title: "Gradient norm", Log: true}, "s1", s.norm, true},
	} {
		if len(other.points) > 1 {
			out = append(out, stepCurve(s, other.plot, other.class, other.points, other.noisy))
		}
	}
	return out
}

// lossUnit is the unit of the loss; empty = no unit.
func lossUnit(method training.Method) string {
	if method == training.SFT {
		return "nats per token"
	}
	return ""
}

// trainingLoss is the loss on the training rows, with marks for checkpoints and restarts.
func trainingLoss(s history, method training.Method) *report.Curve {
	smoothed := report.Smooth(s.loss)
	c := report.NewCurve(report.Plot{
		Title: "Training loss", Label: "Loss on the rows of each step, over the steps of the optimizer.", Unit: lossUnit(method),
		Height: report.CurveHigh, Last: float64(s.last), Log: true,
	}, s.loss, smoothed)
	c.AddLine("s0 raw", "each step", s.loss)
	c.AddLine("s0", "smoothed", smoothed)
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
		c.Legend = append(c.Legend, report.Key{Class: "swatch kept", Name: report.Plural(len(s.checkpoints), "checkpoint")})
	}
	if len(s.resumes) > 0 {
		c.Legend = append(c.Legend, report.Key{Class: "swatch resume", Name: report.Plural(len(s.resumes), "restart")})
	}
	return c
}

// heldCurves are the plots of the metrics on held-out rows.
func heldCurves(s history, method training.Method, o training.Outcome) []*report.Curve {
	var out []*report.Curve
	var sets []map[string]float64
	for _, e := range s.evals {
		sets = append(sets, e.Metrics)
	}
	for _, name := range metricNames(sets...) {
		held := s.held(name)
		if len(held) == 0 {
			continue
		}
		base := s.ofBase(name, o)
		title := metricTitle(method, name)
		p := report.Plot{Title: "Held-out " + lower(title), Label: title + " on held-out rows over steps.", Height: report.CurveLow, Last: float64(s.last)}
		if name == "loss" {
			p.Unit, p.Log = lossUnit(method), true
		}
		c := report.NewCurve(p, held, []report.XY{{X: 0, Y: base}})
		c.AddDots("s2", "held-out rows", held, float64(o.BestStep), figure)
		c.AddReference(base, start(o)+": "+figure(base))
		if slices.ContainsFunc(held, func(p report.XY) bool { return p.X == float64(o.BestStep) }) {
			c.Legend = append(c.Legend, report.Key{Class: "dot best", Name: "best, step " + report.Count(o.BestStep)})
		}
		out = append(out, c)
	}
	return out
}

// stepCurve is a plot of a quantity of each step; a noisy quantity has a smoothed line as well.
func stepCurve(s history, p report.Plot, class string, points []report.XY, noisy bool) *report.Curve {
	p.Label, p.Height, p.Last = p.Title+" over steps.", report.CurveLow, float64(s.last)
	if !noisy {
		c := report.NewCurve(p, points)
		c.AddLine(class, "each step", points)
		c.Legend = nil // the title already names the line
		return c
	}
	smoothed := report.Smooth(points)
	c := report.NewCurve(p, points, smoothed)
	c.AddLine(class+" raw", "each step", points)
	c.AddLine(class, "smoothed", smoothed)
	return c
}

// stepTitle is the title of a metric that the trainer reports for each step.
func stepTitle(name string) string {
	known := map[string]string{
		"rewards/margins": "Reward margin", "rewards/accuracies": "Reward accuracy", "rewards/chosen": "Reward of chosen answers",
		"rewards/rejected": "Reward of rejected answers", "logps/chosen": "Log-probability of chosen answers",
		"logps/rejected": "Log-probability of rejected answers", "logits/chosen": "Logits of chosen answers",
		"logits/rejected": "Logits of rejected answers", "mean_token_accuracy": "Token accuracy", "entropy": "Entropy",
	}
	return cmp.Or(known[name], report.Clean(name, report.MaxLabel), "Metric without a name") + ", training"
}

// lower writes a title in lower case for use in a sentence; abbreviations stay unchanged.
func lower(title string) string {
	if title == "nDCG" || title == "MRR" {
		return title
	}
	return strings.ToLower(title)
}
