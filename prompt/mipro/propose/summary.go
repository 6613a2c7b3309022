package propose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

const (
	mostSkips = 5
	complete  = "COMPLETE"
)

// summary describes the training examples in two or three sentences: it requests
// observations batch by batch and then summarizes them.
type summary struct {
	plan         *mipro.Plan
	run          *prompt.Execution // the current request; nil = none
	observations string
	batch, skips int
	summing      bool
	text         string // the result; "" with failed
	failed       bool   // proposals are made without a summary
}

func newSummary(plan *mipro.Plan) *summary {
	s := &summary{plan: plan}
	s.run = ask(observeTrends+fmt.Sprintf(dataHints, "conciseness"), []prompt.Field{field("examples", samplesText)},
		"observations", "Somethings that holds true for most or all of the data you observed",
	).Start(python.NewObject("examples", s.examples()), plan.Job.Proposer)
	return s
}

func (s *summary) batchSize() int { return s.plan.Job.Settings.ViewBatch() }

// examples formats a batch as Python formats a list of examples.
func (s *summary) examples() string {
	rows := s.plan.Train[s.batch*s.batchSize() : min((s.batch+1)*s.batchSize(), len(s.plan.Train))]
	names := make([]string, 0, len(s.plan.Job.Program.Inputs()))
	for _, f := range s.plan.Job.Program.Inputs() {
		names = append(names, python.Repr(f.Name))
	}
	slices.Sort(names)
	shown := make([]string, len(rows))
	for i, row := range rows {
		visible := &prompt.Object{}
		for _, k := range row.Keys() {
			if v, _ := row.Get(k); !strings.HasPrefix(k, "dspy_") {
				visible.Set(k, v)
			}
		}
		shown[i] = fmt.Sprintf("Example(%s) (input_keys={%s})", python.Repr(visible), strings.Join(names, ", "))
	}
	return sortInputKeys("[" + strings.Join(shown, ", ") + "]")
}

var inputKeys = regexp.MustCompile(`input_keys=\{([^}]+)\}`)

// sortInputKeys sorts the names of every list of input keys, also within the texts of the
// examples.
func sortInputKeys(text string) string {
	return inputKeys.ReplaceAllStringFunc(text, func(match string) string {
		keys := strings.Split(inputKeys.FindStringSubmatch(match)[1], ",")
		for i := range keys {
			keys[i] = python.Strip(keys[i])
		}
		slices.Sort(keys)
		return "input_keys={" + strings.Join(keys, ", ") + "}"
	})
}

func (s *summary) Call() *mipro.Call {
	if s.run == nil || s.run.Next() == nil {
		return nil
	}
	hot := 1.0
	return &mipro.Call{Role: mipro.Proposer, Request: s.run.Next(), Temperature: &hot}
}

func (s *summary) Take(answer mipro.Answer) {
	s.run.TakeSaid(answer.Said())
	if s.run.Next() != nil {
		return
	}
	outputs, err := s.run.Result()
	s.run = nil
	switch {
	case s.summing && err == nil:
		s.text = stripPrefix(textOf(outputs, "summary"))
	case s.summing || err != nil && s.batch == 0:
		s.failed = true
	case err != nil: // the observations so far are used
		s.sumUp()
	default:
		s.observe(textOf(outputs, "observations"))
	}
}

// observe adds the observations and continues with the next batch.
func (s *summary) observe(text string) {
	if s.batch > 0 && strings.HasPrefix(strings.ToUpper(firstRunes(text, len(complete))), complete) {
		if s.skips++; s.skips >= mostSkips {
			s.sumUp()
			return
		}
	} else {
		s.observations += text
	}
	if s.batch++; s.batch > mipro.MaxBatches || s.batch*s.batchSize() >= len(s.plan.Train) {
		s.sumUp()
		return
	}
	s.run = ask(observeTrends+addOwn+fmt.Sprintf(dataHints, "conciceness"),
		[]prompt.Field{field("examples", samplesText), field("prior_observations", "Some prior observations I made about the data")},
		"observations", "Somethings that holds true for most or all of the data you observed or COMPLETE if you have nothing to add",
	).Start(python.NewObject("examples", s.examples(), "prior_observations", s.observations), s.plan.Job.Proposer)
}

func (s *summary) sumUp() {
	s.summing = true
	s.run = ask(summarize, []prompt.Field{field("observations", "Observations I have made about my dataset")},
		"summary", "Two to Three sentence summary of only the most significant highlights of my observations",
	).Start(python.NewObject("observations", s.observations), s.plan.Job.Proposer)
}

func (s *summary) done() bool { return s.run == nil }

func textOf(outputs *prompt.Object, name string) string {
	v, _ := outputs.Get(name)
	text, _ := v.(string) // outputs of the proposer are texts
	return text
}

func firstRunes(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(n, len(runes))])
}

const (
	space = `[\s\x0b\x1c-\x1f\x{85}\p{Z}]`
	word  = `[\p{L}\p{N}_'\-]+`
)

var prefix = regexp.MustCompile(`^(?:\*|` + space + `)*(?:(?:` + word + space + `+){0,4}` + word + `):` + space + `*`)

// stripPrefix removes a label of up to five words, and quotes around the text.
func stripPrefix(text string) string {
	return strings.Trim(prefix.ReplaceAllString(text, ""), `"`)
}
