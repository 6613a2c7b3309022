package train

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// published stores a version of an adapter for the base model of the tests.
func (j *trained) published(name string, version int, weights string) {
	j.t.Helper()
	sum := sha256.Sum256([]byte(weights))
	prefix := training.AdapterPrefix("default", name, version)
	_, err := j.store.Put(j.t.Context(), prefix+training.AdapterWeights, strings.NewReader(weights))
	require.NoError(j.t, err)
	require.NoError(j.t, activities.WriteJSON(j.t.Context(), j.store, prefix+training.ManifestName, training.Adapter{
		Name: name, Version: version, Role: name, Kind: training.KindAdapter, Base: training.Model{Name: "m", Revision: "r"},
		Spec:  training.Spec{Method: training.SFT, Model: "m", Revision: "r", LoRA: &training.LoRA{R: 4, Alpha: 4, Dropout: 0.2, TargetModules: []string{"q_proj"}}},
		Files: []training.CheckpointFile{{Name: training.AdapterWeights, Size: int64(len(weights)), SHA256: hex.EncodeToString(sum[:])}},
	}))
}

// TestContinuesAdapter: a plan pins the version, its weights and its shape, and the trainer gets
// exactly these, in every attempt. What is published names it.
func TestContinuesAdapter(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.a.Models, j.a.Prices = small(), estimate.Prices{"cpu": 1}
	j.published("first", 1, "old weights")
	j.published("first", 2, "new weights")
	fresh, err := j.plan(nil)
	require.NoError(t, err)
	require.Nil(t, fresh.Spec.Start)
	plan, err := j.plan(func(in *PlanInput) { in.ContinueFrom = "first@1" })
	require.NoError(t, err)
	require.Equal(t, "first@1", plan.Spec.Start.String())
	require.Equal(t, &training.LoRA{R: 4, Alpha: 4, Dropout: 0.2, TargetModules: []string{"q_proj"}}, plan.Spec.LoRA)
	require.NotEqual(t, fresh.Job, plan.Job)
	for want, change := range map[string]func(in *PlanInput){
		"its rank is 4, the setting lora.r is 8": func(in *PlanInput) { in.Given.R = &in.LoRA.R },
		"requires LoRA, but use_lora is false":   func(in *PlanInput) { in.LoRA = nil },
		"not found":                              func(in *PlanInput) { in.ContinueFrom = "first@3" },
	} {
		_, err := j.plan(func(in *PlanInput) { in.ContinueFrom = "first@1"; change(in) })
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Input, activitytest.ClassOf(err))
	}

	j.a.Prices = estimate.Prices{"cpu": 0}
	j.in.Spec.Start, j.in.Spec.LoRA = plan.Spec.Start, plan.Spec.LoRA
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 4 {
			j.trainer.before = nil
			return fault.New(fault.Transport, "train", "", "the process died")
		}
		return nil
	}
	_, err = j.run()
	require.ErrorContains(t, err, "the process died")
	_, err = j.run()
	require.NoError(t, err)
	require.Equal(t, []int{0, 2}, j.trainer.began)
	require.Equal(t, []string{"old weights", "old weights"}, j.trainer.starts)
	_, err = j.publish(nil)
	require.NoError(t, err)
	var m training.Adapter
	require.NoError(t, activities.ReadJSON(t.Context(), j.store, training.AdapterPrefix("default", "support", 1)+training.ManifestName, &m))
	require.Equal(t, plan.Spec.Start, m.Spec.Start)
	card, err := activities.ReadAll(t.Context(), j.store, training.AdapterPrefix("default", "support", 1)+cardName)
	require.NoError(t, err)
	require.Contains(t, string(card), `| Continues | first\@1 |`)
}

// TestContinuesOnlyPinnedWeights: weights that were changed or deleted since the plan are refused.
func TestContinuesOnlyPinnedWeights(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.in.Spec.Start = &training.Start{Name: "first", Version: 1, SHA256: strings.Repeat("0", 64)}
	_, err := j.run()
	require.ErrorContains(t, err, "first@1")
	require.Equal(t, fault.Input, activitytest.ClassOf(err))
	j.published("first", 1, "other weights")
	_, err = j.run()
	require.ErrorContains(t, err, "its weights have SHA-256")
	require.Equal(t, fault.Input, activitytest.ClassOf(err))
	require.Empty(t, j.trainer.began)
}
