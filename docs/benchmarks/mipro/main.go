// Command mipro drives the modes improved and gepa of prompt/mipro for the experiment beside
// it. It reads jobs from stdin, a JSON object each, and writes what it needs
// answered to stdout, for which it then reads the answers: the model is the
// experiment's, the same that DSPy asks. Stages follow each other as the
// activities of an optimization do.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cogniverse/cogflow/activities/optimize/rules"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/bootstrap"
	"github.com/cogniverse/cogflow/prompt/mipro/confirm"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/prompt/mipro/propose"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
)

type job struct {
	Program  json.RawMessage  `json:"program"`
	Metric   json.RawMessage  `json:"metric"`
	Train    []*prompt.Object `json:"train"`
	Val      []*prompt.Object `json:"val"`
	Settings mipro.Settings   `json:"settings"`
	Runs     int              `json:"runs"` // of the student; 0 = as many as DSPy's search. The search leaves a part to the confirmation
	GEPA     *gepa.Options    `json:"gepa"` // mode gepa, with these settings; Runs has no effect
}

type call struct {
	Stage    string           `json:"stage"`
	Role     mipro.Role       `json:"role"`
	Messages []prompt.Message `json:"messages"`
	Rollout  int64            `json:"rollout"`
}

type found struct {
	Predictors []tuned        `json:"predictors"`
	Changed    bool           `json:"changed"`
	Confirmed  prompt.Verdict `json:"verdict"`
}

// tuned is what was found for one predictor.
type tuned struct {
	Instruction string           `json:"instruction"`
	Demos       []*prompt.Object `json:"demos"`
}

// line is what is written: calls to answer, or the end of a job.
type line struct {
	Calls []call `json:"calls,omitempty"`
	Found *found `json:"found,omitempty"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	d := &driver{in: json.NewDecoder(in), out: json.NewEncoder(out)}
	for {
		var j job
		err := d.in.Decode(&j)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read job: %w", err)
		}
		f, err := d.optimize(j)
		if err != nil {
			return err
		}
		if err := d.out.Encode(line{Found: f}); err != nil {
			return err
		}
	}
}

type driver struct {
	in  *json.Decoder
	out *json.Encoder
}

type stage interface {
	Calls() []mipro.Call
	Take(id string, answer mipro.Answer) error
}

// play has the questions of a stage answered.
func (d *driver) play(name string, s stage) error {
	for needed := s.Calls(); len(needed) > 0; needed = s.Calls() {
		var l line
		for _, c := range needed {
			l.Calls = append(l.Calls, call{name, c.Role, c.Request.Messages, c.Rollout})
		}
		if err := d.out.Encode(l); err != nil {
			return err
		}
		var answers []string
		if err := d.in.Decode(&answers); err != nil {
			return fmt.Errorf("read answers: %w", err)
		}
		if len(answers) != len(needed) {
			return fmt.Errorf("%d answers to %d questions", len(answers), len(needed))
		}
		for i, c := range needed {
			if err := s.Take(c.ID, mipro.Answer{Text: answers[i]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// optimize is what the activities of an optimization do in improved mode.
func (d *driver) optimize(j job) (*found, error) {
	program, err := prompt.Read(j.Program)
	if err != nil {
		return nil, err
	}
	m, err := metric.Read(j.Metric, program, j.Train[0].Keys())
	if err != nil {
		return nil, err
	}
	if j.GEPA != nil {
		return d.evolve(j, program, m)
	}
	r := rules.Improved()
	val, aside := confirm.SetAside(j.Val, j.Settings.Draws(), j.Settings.Seed)
	plan, err := mipro.NewPlan(&mipro.Job{Settings: j.Settings, Program: program, Train: j.Train, Val: val, Metric: m, Instructions: r.Instructions})
	if err != nil {
		return nil, err
	}
	runs := cmp.Or(j.Runs, plan.Runs())
	budget := runs - min(len(aside), int(float64(runs)*r.Confirmed))
	best, err := d.search(plan, r, budget)
	if err != nil {
		return nil, err
	}
	return d.confirm(plan, program, best, aside, runs)
}

// evolve is what the activities of an optimization do in mode gepa.
func (d *driver) evolve(j job, program *prompt.Program, m *metric.Metric) (*found, error) {
	val, aside := confirm.SetAside(j.Val, 0, j.Settings.Seed)
	plan, err := gepa.NewPlan(&mipro.Job{Settings: j.Settings, Program: program, Train: j.Train, Val: val, Metric: m}, *j.GEPA)
	if err != nil {
		return nil, err
	}
	s := gepa.New(plan, nil)
	if err := d.play("gepa", s); err != nil {
		return nil, err
	}
	best, _ := s.Best()
	return d.confirm(plan.Base, program, best, aside, plan.Runs())
}

// search is bootstrap, proposals, and the race, with reflections in between.
func (d *driver) search(plan *mipro.Plan, r rules.Rules, budget int) (best *prompt.Program, err error) {
	boot := bootstrap.New(plan)
	if err := d.play("bootstrap", boot); err != nil {
		return nil, err
	}
	proposing := propose.New(plan, boot.Sets())
	if err := d.play("propose", proposing); err != nil {
		return nil, err
	}
	instructions := proposing.Instructions()
	var trials []search.Trial
	for k := 0; ; k++ {
		race, err := d.race(plan, boot.Sets(), instructions, r.Trials(budget, len(plan.Train), len(plan.Val), k), trials)
		if err != nil {
			return nil, err
		}
		best, _ = race.Best()
		if k == r.Reflections {
			return best, nil
		}
		trials = race.Trials()
		reflect := propose.NewReflect(plan, best, propose.Reflection{Examples: r.Rows(budget, len(plan.Train)), Variants: r.ReflectVariants, Number: k + 1})
		if err := d.play("reflect", reflect); err != nil {
			return nil, err
		}
		for i, learned := range reflect.Instructions() {
			instructions[i] = append(instructions[i], learned...)
		}
	}
}

func (d *driver) race(plan *mipro.Plan, sets [][][]*prompt.Object, instructions [][]string, budget int, made []search.Trial) (*search.Race, error) {
	race, err := search.NewRace(plan, sets, instructions, max(budget, 1), made)
	if err != nil {
		return nil, err
	}
	return race, d.play("race", race)
}

// confirm compares the best with the program as it was on rows that no search saw.
func (d *driver) confirm(plan *mipro.Plan, program, best *prompt.Program, rows []*prompt.Object, runs int) (*found, error) {
	f := &found{Changed: best != program}
	for _, p := range best.Predictors {
		f.Predictors = append(f.Predictors, tuned{p.Signature().Objective(), p.Demos})
	}
	if !f.Changed {
		return f, nil
	}
	c := confirm.New(plan, program, best, rows, runs)
	if err := d.play("confirm", c); err != nil {
		return nil, err
	}
	f.Confirmed = c.Verdict()
	return f, nil
}
