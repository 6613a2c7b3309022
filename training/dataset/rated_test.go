package dataset

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// ratedRows makes good and bad answers to questions of their own.
func ratedRows(good, bad int) string {
	return manyRows(good, `{"prompt": "ask #", "completion": "say #", "label": true}`) +
		manyRows(bad, `{"prompt": "ask b#", "completion": "say b#", "label": false}`)
}

func problemsOf(c Check) string {
	var all []string
	for _, p := range c.Problems {
		all = append(all, fmt.Sprintf("%s %s: %s", p.Severity, p.Code, p))
	}
	return strings.Join(all, "\n")
}

func TestRatedAnswers(t *testing.T) {
	t.Parallel()
	got, err := prepare(t, CheckOptions{}, ratedRows(30, 30), "")
	require.NoError(t, err)
	assert.Equal(t, training.KTO, got.check.Method)
	assert.Equal(t, "60 rated answers, 40 are enough for kto", got.check.Choice.Reason)
	assert.Equal(t, []int{30, 30, 6}, []int{got.check.Train.Good, got.check.Train.Bad, got.check.HeldOut})
	assert.Empty(t, got.check.Counts["contradiction"])

	_, err = prepare(t, CheckOptions{}, ratedRows(20, 19), "")
	require.ErrorContains(t, err, "39 of 40 rated answers (KTO); add 1 rated answer, or name the method")

	both := ratedRows(20, 20) + `{"prompt": "Ask 3?", "completion": "say 3.", "label": false}` + "\n"
	got, err = prepare(t, CheckOptions{Method: training.KTO}, both, "")
	require.NoError(t, err)
	assert.Contains(t, problemsOf(got.check), `warn contradiction: line 41, field "label": line 4 rates the same answer to the same prompt the other way`)
}

// TestUnpair: pairs train with kto as two rated answers, which stay on one side of the split.
func TestUnpair(t *testing.T) {
	t.Parallel()
	pairs := manyRows(30, `{"prompt": "ask #", "chosen": "good #", "rejected": "bad #"}`)
	got, err := prepare(t, CheckOptions{Method: training.KTO}, pairs, "")
	require.NoError(t, err)
	assert.Equal(t, rows.FormatPreference, got.check.Train.Format)
	assert.Equal(t, training.KTO, got.check.Method)
	assert.Equal(t, []int{30, 60, 30, 30, 6}, []int{got.check.Train.Rows, got.check.Train.Kept, got.check.Train.Good, got.check.Train.Bad, got.check.HeldOut})
	assert.Equal(t, 3, strings.Count(got.held, "true"))
	assert.Contains(t, got.train+got.held, `{"prompt":"ask 7","completion":"good 7","label":true}`+"\n"+`{"prompt":"ask 7","completion":"bad 7","label":false}`)
	got, err = prepare(t, CheckOptions{}, pairs, "")
	require.NoError(t, err)
	assert.Equal(t, training.DPO, got.check.Method, "nobody asked for kto")

	messages := manyRows(30, `{"prompt": [{"role": "user", "content": "ask #"}], "chosen": [{"role": "assistant", "content": "good #"}], "rejected": [{"role": "assistant", "content": "bad #"}]}`)
	got, err = prepare(t, CheckOptions{Method: training.KTO}, messages, "")
	require.NoError(t, err)
	assert.Contains(t, got.train+got.held, `"completion":[{"role":"assistant","content":"bad 7"}],"label":false}`)
}

// TestRatings: one rating is refused, and unequal numbers get advice that ends the warning.
func TestRatings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, eval string
		o          CheckOptions
		want       string // of the problems; empty = none
		refused    bool
	}{
		"as many":            {text: ratedRows(100, 100)},
		"all good":           {text: ratedRows(60, 0), refused: true, want: "all rows are rated good, so nothing tells good answers from bad ones; add rows that are rated bad, or remove label and train with sft"},
		"all bad":            {text: ratedRows(0, 60), refused: true, want: "all rows are rated bad"},
		"the bad one is out": {text: ratedRows(60, 1), o: CheckOptions{ValidationShare: 0.9, Seed: 1}, refused: true, want: "rated good and 0 bad; the others are held out"},
		"three to one": {
			text: ratedRows(90, 30), o: CheckOptions{ValidationShare: -1},
			want: "warn imbalance: 90 rows are rated good and 30 bad: with the weights 1 and 1 good rows count 3.00 times as much as bad ones; 1 to 1.33 is advised; " +
				"set desirable_weight between 0.333 and 0.444, or undesirable_weight between 2.25 and 3",
		},
		"balanced by the first advice":  {text: ratedRows(90, 30), o: CheckOptions{ValidationShare: -1, DesirableWeight: 0.4}},
		"balanced by the second advice": {text: ratedRows(90, 30), o: CheckOptions{ValidationShare: -1, UndesirableWeight: 2.5}},
		"upper end":                     {text: ratedRows(80, 60), o: CheckOptions{ValidationShare: -1}},
		"weights of equal numbers":      {text: ratedRows(60, 60), o: CheckOptions{ValidationShare: -1, UndesirableWeight: 2}, want: "good rows count 0.50 times"},
		"held-out rows of one rating":   {text: ratedRows(60, 60), eval: manyRows(20, `{"prompt": "other #", "completion": "x", "label": true}`), want: "all 20 rows have one rating: the adapter gets no verdict"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.o.Method = training.KTO
			if c.o.Seed == 0 {
				c.o.Seed = 42
			}
			if c.eval == "" && c.o.ValidationShare == 0 {
				c.o.ValidationShare = -1
			}
			got, err := prepare(t, c.o, c.text, c.eval)
			assert.Equal(t, c.refused, err != nil, "%v", err)
			if c.want == "" {
				assert.Empty(t, got.check.Problems)
				return
			}
			assert.Contains(t, problemsOf(got.check), c.want)
		})
	}
}

// TestRatingsOfOtherMethods: what is a rating depends on the method that is asked for.
func TestRatingsOfOtherMethods(t *testing.T) {
	t.Parallel()
	got, err := prepare(t, CheckOptions{Method: training.SFT}, ratedRows(60, 1), "")
	require.NoError(t, err, "as before there were ratings")
	assert.Contains(t, problemsOf(got.check), `warn rated_bad: line 61, field "label": the answer is rated bad, and it is learned like the others; train with kto, or remove the row`)

	classes := manyRows(60, `{"prompt": "ask #", "completion": "say #", "label": "billing"}`)
	got, err = prepare(t, CheckOptions{}, classes, "")
	require.NoError(t, err)
	assert.Equal(t, training.SFT, got.check.Method, "a label that is no rating")
	_, err = prepare(t, CheckOptions{Method: training.KTO}, classes, "")
	require.ErrorContains(t, err, `line 1, field "label": "billing" is not a rating; write true for a good answer`)

	_, err = prepare(t, CheckOptions{Method: training.DPO}, ratedRows(30, 30), "")
	require.ErrorContains(t, err, "rows of the format unpaired_preference train with kto, not with dpo; train with kto, or write a good and a bad answer")
	_, err = prepare(t, CheckOptions{Method: training.KTO}, manyRows(60, `{"prompt": "ask #", "completion": "say #"}`), "")
	require.ErrorContains(t, err, `train with sft, not with kto; train with sft, or rate each answer with "label": true or false`)
}

func TestRatedRowFaults(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		`{"prompt": "a", "completion": "b"}`:                                                                                `field "label": the field is missing`,
		`{"prompt": "a", "completion": "b", "rating": true}`:                                                                `is "rating" meant? Rename it`,
		`{"prompt": "a", "completion": "b", "label": null}`:                                                                 `field "label": the field is null`,
		`{"prompt": "a", "completion": "b", "label": 0.7}`:                                                                  `0.7 is not a rating`,
		`{"prompt": "a", "completion": "b", "label": true, "kto_tag": false}`:                                               `the row has label and kto_tag`,
		`{"prompt": "a", "completion": " ", "label": true}`:                                                                 `field "completion": the text is empty`,
		`{"completion": "b", "label": true}`:                                                                                `field "prompt": the field is missing`,
		`{"prompt": "a", "label": true}`:                                                                                    `field "completion": the field is missing`,
		`{"prompt": "a", "completion": "b", "system": "s", "label": true}`:                                                  `a prompt that is a text has no system message`,
		`{"prompt": "a", "completion": [{"role": "user", "content": "b"}], "label": true}`:                                  `field "completion[0]": must be a message of the assistant`,
		`{"prompt": [{"role": "assistant", "content": "a"}], "completion": "b", "label": true}`:                             `field "prompt[0]": must be a message of the user`,
		`{"messages": [{"role": "user", "content": "a"}], "label": true}`:                                                   `the assistant says nothing`,
		`{"messages": [{"role": "assistant", "content": "a"}], "label": true}`:                                              `field "messages[0]": must be a message of the user`,
		`{"prompt": "a", "completion": [{"role": "assistant", "content": "b", "weight": 0}], "label": true}`:                `a rated answer has no weight`,
		`{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}], "label": 1}`: `the row has prompt (messages), completion (messages), label`,
	} {
		_, err := prepare(t, CheckOptions{Method: training.KTO}, ratedRows(30, 30)+row+"\n", "")
		require.ErrorContains(t, err, want, row)
		require.ErrorContains(t, err, "line 61", row)
	}
}
