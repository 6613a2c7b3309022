package miprotest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Simulated is a student whose accuracy is a fixed function of instruction, demo set and
// example, so the true accuracy of every choice is known.
type Simulated struct {
	Instructions [][]string           // by predictor, the original first
	Sets         [][][]*prompt.Object // by predictor, the empty one first
	Job          *mipro.Job           // of the last plan

	seed                uint64
	instruction, demos  [][]float64   // effects, by predictor
	both                [][][]float64 // by predictor, instruction, demo set
	predictors          int
	difficulty, success float64
}

// Simulate makes a student for a program with one or more predictors.
func Simulate(seed uint64, predictors int) *Simulated {
	const instructions, sets = 3, 6
	rng := rand.New(rand.NewPCG(seed, 7))
	s := &Simulated{seed: seed, predictors: predictors, difficulty: 0.25, success: 0.45}
	for p := range predictors {
		effects := func(n int, size float64) []float64 {
			list := make([]float64, n)
			for i := 1; i < n; i++ { // the original has no effect
				list[i] = size * rng.NormFloat64()
			}
			return list
		}
		s.instruction = append(s.instruction, effects(instructions, 0.06))
		s.demos = append(s.demos, effects(sets, 0.08))
		var both [][]float64
		var texts []string
		for i := range instructions {
			both = append(both, effects(sets, 0.04))
			texts = append(texts, fmt.Sprintf("instruction %d of %d", i, p))
		}
		s.both = append(s.both, both)
		s.Instructions = append(s.Instructions, texts)
		var all [][]*prompt.Object
		for d := range sets {
			all = append(all, []*prompt.Object{python.NewObject("query", fmt.Sprintf("set %d of %d", d, p), "agent", "x", "answer", "y")})
		}
		s.Sets = append(s.Sets, all)
	}
	return s
}

func (s *Simulated) effect(p, i, d int) float64 {
	return s.instruction[p][i] + s.demos[p][d] + s.both[p][i][d]
}

// uniform is a pseudo-random number from 0 to 1 that depends only on its arguments.
func (s *Simulated) uniform(of ...any) float64 {
	h := fnv.New64a()
	fmt.Fprint(h, append([]any{s.seed}, of...)...)
	return float64(rand.New(rand.NewPCG(h.Sum64(), 3)).Uint64()>>11) / (1 << 53)
}

func (s *Simulated) right(effects float64, key string, row int) bool {
	chance := s.success + effects + s.difficulty*(2*s.uniform("difficulty", row)-1)
	return s.uniform("luck", key, row) < min(max(chance, 0.02), 0.98)
}

// Worth is the accuracy of a choice on held-out examples.
func (s *Simulated) Worth(choice map[string]int) float64 {
	effects := 0.0
	for p := range s.predictors {
		effects += s.effect(p, choice[fmt.Sprintf("%d_predictor_instruction", p)], choice[fmt.Sprintf("%d_predictor_demos", p)])
	}
	sum := 0.0
	for row := range 500 {
		sum += min(max(s.success+effects+s.difficulty*(2*s.uniform("difficulty", 1_000_000+row)-1), 0.02), 0.98)
	}
	return sum / 500
}

var (
	instructionUsed = regexp.MustCompile(`instruction (\d+) of (\d+)`)
	setUsed         = regexp.MustCompile(`set (\d+) of \d+`)
	rowAsked        = regexp.MustCompile(`row (\d+)`)
	pathAsked       = regexp.MustCompile(`path ((?:\d+-\d+,)*)`)
)

func digits(text string) int {
	n, _ := strconv.Atoi(text) // of the match of a pattern
	return n
}

// Answer returns the student's answer: every predictor passes on the choices so far, and
// the last answer is right or wrong depending on all of them.
func (s *Simulated) Answer(call mipro.Call) string {
	var p, i, d, row int
	system, last := call.Request.Messages[0].Content, call.Request.Messages[len(call.Request.Messages)-1].Content
	if m := instructionUsed.FindStringSubmatch(system); m != nil {
		i, p = digits(m[1]), digits(m[2])
	} else if strings.Contains(system, "produce the fields `answer`") {
		p = s.predictors - 1 // the original instruction
	}
	if m := setUsed.FindStringSubmatch(fmt.Sprint(texts(call.Request.Messages))); m != nil {
		d = digits(m[1])
	}
	row = digits(rowAsked.FindStringSubmatch(last)[1])
	path := ""
	if m := pathAsked.FindStringSubmatch(last); m != nil {
		path = m[1]
	}
	path += fmt.Sprintf("%d-%d,", i, d)
	if p < s.predictors-1 {
		return "[[ ## reasoning ## ]]\nr\n[[ ## agent ## ]]\npath " + path
	}
	effects := 0.0
	for q, step := range strings.Split(strings.TrimSuffix(path, ","), ",") {
		i, d, _ := strings.Cut(step, "-")
		effects += s.effect(q, digits(i), digits(d))
	}
	if s.right(effects, path, row) {
		return "[[ ## answer ## ]]\nright"
	}
	return "[[ ## answer ## ]]\nwrong"
}

// Plan plans a job with 40 training and 100 validation rows.
func (s *Simulated) Plan(t testing.TB) *mipro.Plan {
	t.Helper()
	program := OneStep
	if s.predictors == 2 {
		program = TwoSteps
	}
	j := Job(t, program, fmt.Sprintf(`{"seed": %d}`, s.seed+1))
	j.Train, j.Val = nil, nil
	for row := range 140 {
		example := python.NewObject("query", fmt.Sprintf("row %d", row), "answer", "right")
		if j.Train = append(j.Train, example); row < 40 {
			continue
		}
		j.Val = append(j.Val, example)
	}
	plan, err := mipro.NewPlan(j)
	if err != nil {
		t.Fatal(err)
	}
	s.Job = j
	if len(plan.Val) != 100 || plan.Minibatch != 35 {
		t.Fatalf("%d validation rows, %d per minibatch", len(plan.Val), plan.Minibatch)
	}
	return plan
}

// Play answers all calls of a stage and counts the runs.
func (s *Simulated) Play(t testing.TB, stage Stage) (runs int) {
	t.Helper()
	for calls := stage.Calls(); len(calls) > 0; calls = stage.Calls() {
		for _, call := range calls {
			if err := stage.Take(call.ID, mipro.Answer{Text: s.Answer(call)}); err != nil {
				t.Fatal(err)
			}
			runs++
		}
	}
	return runs / s.predictors
}

// Best is the accuracy of the best choice, which is the best choice of each predictor.
func (s *Simulated) Best() float64 {
	choice := map[string]int{}
	for p := range s.predictors {
		top := -1.0
		for i := range s.instruction[p] {
			for d := range s.demos[p] {
				if e := s.effect(p, i, d); e > top {
					top = e
					choice[fmt.Sprintf("%d_predictor_instruction", p)], choice[fmt.Sprintf("%d_predictor_demos", p)] = i, d
				}
			}
		}
	}
	return s.Worth(choice)
}

// Rival is the program with an instruction and demos that raise the accuracy by gain.
func (s *Simulated) Rival(gain float64) *prompt.Program {
	s.instruction[0][1], s.both[0][1][0] = gain, 0
	program := s.Job.Program.Copy()
	program.Predictors[0].Instructions = s.Instructions[0][1]
	return program
}
