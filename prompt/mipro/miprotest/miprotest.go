// Package miprotest has the jobs and fake models for the tests of all stages.
package miprotest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// TwoSteps is a program of two predictors, as a file.
const TwoSteps = `{"name": "p", "predictors": [
	{"name": "route", "module": "chain_of_thought", "inputs": [{"name": "query"}], "outputs": [{"name": "agent"}]},
	{"name": "reply", "inputs": [{"name": "query"}, {"name": "agent"}], "outputs": [{"name": "answer"}]}]}`

// OneStep is a program of one predictor, as a file.
const OneStep = `{"name": "p", "predictors": [{"name": "self", "inputs": [{"name": "query"}], "outputs": [{"name": "answer"}]}]}`

// Small has the settings of a short run.
const Small = `{"auto": "none", "num_candidates": 4, "num_trials": 9, "minibatch_size": 6, "minibatch_full_eval_steps": 4}`

// Job is a job with 20 training and 20 validation rows and an exact metric.
func Job(t testing.TB, program, settings string) *mipro.Job {
	t.Helper()
	p, err := prompt.Read([]byte(program))
	if err != nil {
		t.Fatal(err)
	}
	m, err := metric.Read([]byte(`{"kind": "exact", "field": "answer"}`), p, []string{"query", "answer"})
	if err != nil {
		t.Fatal(err)
	}
	j := &mipro.Job{Program: p, Metric: m}
	if err := json.Unmarshal([]byte(settings), &j.Settings); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		row := python.NewObject("query", fmt.Sprintf("topic %d", i), "answer", fmt.Sprint(i%3))
		if i < 20 {
			j.Train = append(j.Train, row)
		} else {
			j.Val = append(j.Val, row)
		}
	}
	return j
}

// Answer returns an answer that depends only on the request. It cannot be parsed if the
// request asks for the output named by refuse.
func Answer(call mipro.Call, refuse string) string {
	h := fnv.New64a()
	fmt.Fprint(h, texts(call.Request.Messages), call.Rollout)
	n := h.Sum64()
	last := call.Request.Messages[len(call.Request.Messages)-1].Text()
	wanted := last[strings.LastIndex(last, "Respond with"):]
	if refuse != "" && (strings.Contains(wanted, "`[[ ## "+refuse+" ## ]]`") || strings.Contains(wanted, "`"+refuse+"`")) {
		return "no"
	}
	values := &prompt.Object{}
	for _, m := range regexp.MustCompile("`(?:\\[\\[ ## )?(\\w+)(?: ## \\]\\])?`").FindAllStringSubmatch(wanted, -1) {
		if m[1] == "answer" {
			topic := 0
			if match := regexp.MustCompile(`topic (\d+)`).FindAllStringSubmatch(last, -1); match != nil {
				topic, _ = strconv.Atoi(match[0][1])
			}
			values.Set("answer", fmt.Sprint((topic+int(n%3)/2)%3))
		} else if m[1] != "completed" {
			values.Set(m[1], fmt.Sprintf("Text %d", n%1000))
		}
	}
	if strings.Contains(last, "JSON object") {
		return python.Dumps(values)
	}
	var text strings.Builder
	for _, k := range values.Keys() {
		v, _ := values.Get(k)
		fmt.Fprintf(&text, "[[ ## %s ## ]]\n%v\n\n", k, v)
	}
	return text.String()
}

// texts lists the messages as one text each.
func texts(messages []prompt.Message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = "{" + string(m.Role) + " " + m.Text() + "}"
	}
	return all
}

// Stage is the interface of all stages.
type Stage interface {
	Calls() []mipro.Call
	Take(id string, answer mipro.Answer) error
}

// Play answers the calls of a stage in an order that depends on seed, and counts them.
func Play(t testing.TB, s Stage, seed uint64, refuse string) int {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	asked := map[string]bool{}
	for calls := s.Calls(); len(calls) > 0; calls = s.Calls() {
		rng.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
		for _, call := range calls[:1+rng.IntN(len(calls))] {
			if asked[call.ID] {
				t.Fatalf("asked twice: %s", call.ID)
			}
			asked[call.ID] = true
			if err := s.Take(call.ID, mipro.Answer{Text: Answer(call, refuse)}); err != nil {
				t.Fatal(err)
			}
			if s.Take(call.ID, mipro.Answer{}) == nil {
				t.Fatalf("%s was answered twice", call.ID)
			}
		}
	}
	return len(asked)
}
