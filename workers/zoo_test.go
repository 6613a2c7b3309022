package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/zootest"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// TestOptimizeZoo optimizes on rows that make the endpoint behave like different real servers,
// in calls of the student or of the judge. The run ends, each row counts once with the score
// that its behaviour implies, and the ledger equals the bill of the server.
func TestOptimizeZoo(t *testing.T) {
	t.Parallel()
	s, endpoint := newStack(t, nil), zootest.Start(t)
	endpoint.Once, endpoint.Say = true, allKnowing
	config := fmt.Sprintf(`{"cogflow": {
		"endpoints": {"zoo": {"kind": "openai", "url": %q, "models": ["student", "teacher", "judge"], "max_in_flight": 16, "timeout": "3s",
			"input_usd_per_mtok": 1, "output_usd_per_mtok": 10}},
		"optimize": {"student": {"model": "student", "max_tokens": 200}, "teacher": {"model": "teacher", "max_tokens": 300}, "judge": {"model": "judge", "max_tokens": 100}}}}`, endpoint.URL+"/v1")
	file := filepath.Join(s.dir, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	s.env = []string{"COGNIVERSE_CONFIG=" + file}

	var rows []map[string]string
	var want []string // models and the behaviours that they meet
	best := 0.0       // score of a student that knows everything
	for i, b := range zootest.All() {
		if b.Wait > time.Second || b.Finish == "length" || !b.Outcome.OfRequest() && !b.Outcome.Passes() {
			continue // the behaviour is slow, or it ends every run
		}
		if best += 0.5; b.Outcome == zootest.Answered || b.Outcome.Passes() {
			best += 1.5 // both parts of the student's row, and the judged part of the judge's row
		}
		if b.Refuses == nil { // otherwise it depends on the parameters of the job
			want = append(want, "student "+b.Name, "judge "+b.Name)
		}
		row := func(student, judge string) map[string]string {
			return map[string]string{"query": fmt.Sprintf("%s topic %d", student, i), "note": judge, "answer": strconv.Itoa(i % 7)}
		}
		rows = append(rows, row(zootest.Mark(i), "plain"), row("plain", zootest.Mark(i)))
	}
	data, err := json.Marshal(rows)
	require.NoError(t, err)
	s.worker(nil)
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("zoo"), "OptimizePrompts", optimize.Input{
		Program: json.RawMessage(`{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`),
		Metric: json.RawMessage(`{"kind":"mean","parts":[{"kind":"exact","field":"answer"},
			{"kind":"judge","program":{"name":"judge","predictors":[{"name":"self","inputs":[{"name":"note"},{"name":"predicted_answer"}],"outputs":[{"name":"score","type":"float"}]}]}}]}`),
		Trainset: data, Valset: data, Testset: data, Mode: "compat",
		Settings: mipro.Settings{Auto: "none", NumCandidates: 2, NumTrials: 2, MinibatchSize: 10, MinibatchFullEvalSteps: 2},
	})
	require.NoError(t, err)
	out := await[optimize.Result](s, run, 5*time.Minute)
	require.Equal(t, "optimized", out.Status)
	require.InDelta(t, 100*best/float64(len(rows)), out.DefaultScore, 0.01, "%v of %d rows", best, len(rows))

	a := &accountant{stack: s}
	entries, met := a.ledger(), map[string]bool{}
	var spent int64
	for _, e := range entries {
		spent += e.Cost
	}
	billed := map[string]zootest.Request{} // by entry; a request with a refused parameter costs nothing and is repeated
	for _, r := range endpoint.Requests() {
		require.Contains(t, entries, r.Entry, "the ledger does not know %+v", r)
		met[r.Model+" "+r.Behaviour.Name] = true
		if before, again := billed[r.Entry]; again {
			require.NotNil(t, before.Behaviour.Refuses, "%+v", before)
			r.Billed += before.Billed
		}
		billed[r.Entry] = r
	}
	for entry, r := range billed {
		if e := entries[entry]; r.Known {
			assert.Equal(t, r.Billed, e.Cost, "%s was booked as %+v", r.Behaviour.Name, e)
		} else {
			assert.GreaterOrEqual(t, e.Cost, r.Billed, "%s was booked as %+v", r.Behaviour.Name, e)
		}
	}
	require.Len(t, billed, len(entries), "no entry without a request")
	for _, behaviour := range want {
		require.True(t, met[behaviour], behaviour)
	}
	require.InDelta(t, float64(spent)/1e6, out.CostUSD, 1e-6)
	require.Equal(t, len(entries), out.Calls)
	t.Logf("%d rows, %d calls, %d behaviours met", len(rows), out.Calls, len(met))
}

// allKnowing answers each topic correctly, in the format of DSPy's chat adapter.
func allKnowing(body []byte) string {
	var c struct {
		Messages []struct {
			Content string `json:"content"`
		} `json:"messages"`
	}
	if json.Unmarshal(body, &c) != nil || len(c.Messages) == 0 {
		return ""
	}
	last := c.Messages[len(c.Messages)-1].Content
	answer := "ok"
	if topics := lmtest.TopicAsked.FindAllStringSubmatch(last, -1); topics != nil {
		n, _ := strconv.Atoi(topics[len(topics)-1][1])
		answer = strconv.Itoa(n % 7)
	}
	text := ""
	for _, m := range lmtest.WantedField.FindAllStringSubmatch(last, -1) {
		switch m[1] {
		case "completed":
		case "score":
			text += "[[ ## score ## ]]\n1\n\n"
		default:
			text += fmt.Sprintf("[[ ## %s ## ]]\n%s\n\n", m[1], answer)
		}
	}
	return text + "[[ ## completed ## ]]"
}
