package training

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

func published() (Adapter, Model) {
	base := Model{Name: "smol", Repo: "org/Smol", Revision: "r1", Path: "/here"}
	return Adapter{
		Name: "support", Version: 3, Kind: KindAdapter, Base: Model{Name: "other-name", Repo: "org/Smol", Revision: "r1"},
		Spec:  Spec{Method: SFT, LoRA: &LoRA{R: 16, Alpha: 32, Dropout: 0.1, TargetModules: []string{"q_proj", "v_proj"}}},
		Files: []CheckpointFile{{Name: "README.md", SHA256: "c"}, {Name: AdapterWeights, SHA256: "w"}},
	}, base
}

func TestContinue(t *testing.T) {
	t.Parallel()
	a, base := published()
	for _, given := range []LoRASettings{
		{}, {R: new(16), Alpha: new(32), Dropout: new(0.1), TargetModules: []string{"v_proj", "q_proj"}},
	} {
		shape, start, err := a.Continue(DPO, base, given)
		require.NoError(t, err)
		assert.Equal(t, *a.Spec.LoRA, shape)
		assert.Equal(t, Start{Name: "support", Version: 3, SHA256: "w"}, start)
		assert.Equal(t, "support@3", start.String())
	}
	shape, _, err := a.Continue(SFT, base, LoRASettings{Dropout: new(0.0)})
	require.NoError(t, err)
	assert.Zero(t, shape.Dropout)
	assert.InDelta(t, 0.1, a.Spec.LoRA.Dropout, 0, "the published one is not changed")
}

func TestContinueRefuses(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		change func(a *Adapter, base *Model)
		given  LoRASettings
		method Method
	}{
		"its rank is 16, the setting lora.r is 8;":                                         {given: LoRASettings{R: new(8)}},
		"its alpha is 32, the setting lora.alpha is 16;":                                   {given: LoRASettings{Alpha: new(16)}},
		"its target modules are q_proj v_proj, the setting lora.target_modules is q_proj;": {given: LoRASettings{TargetModules: []string{"q_proj"}}},
		"its base model is org/Smol, that of this run is org/Big":                          {change: func(_ *Adapter, b *Model) { b.Repo = "org/Big" }},
		"it was trained on revision r1 of smol, and this worker has r2":                    {change: func(_ *Adapter, b *Model) { b.Revision = "r2" }},
		"it is a whole model, not an adapter":                                              {change: func(a *Adapter, _ *Model) { a.Kind = KindModel }},
		"it was trained with sft, which has another kind of model than embedding":          {method: Embedding},
		"it has no adapter_model.safetensors":                                              {change: func(a *Adapter, _ *Model) { a.Files[1].Name = "adapter_model.bin" }},
	} {
		a, base := published()
		if c.change != nil {
			c.change(&a, &base)
		}
		if c.method == "" {
			c.method = SFT
		}
		_, _, err := a.Continue(c.method, base, c.given)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "support@3")
		assert.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

func TestParseStart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"support@3": "support@3", "support@v3": "support@3"} {
		got, err := ParseStart(text)
		require.NoError(t, err)
		assert.Equal(t, want, got.String())
	}
	for _, bad := range []string{"", "support", "support@", "support@0", "support@latest", "../x@1", "a@1@2"} {
		_, err := ParseStart(bad)
		require.Equal(t, fault.Input, fault.ClassOf(err), bad)
	}
	_, err := ParseStart("support")
	require.ErrorContains(t, err, "must have a version, such as support@1")
}

func TestGivenLoRA(t *testing.T) {
	t.Parallel()
	s := Settings{LoRAR: new(4), LoRADropout: new(0.5), TargetModules: []string{"a"}}
	assert.Equal(t, LoRASettings{R: new(4), Alpha: new(9), Dropout: new(0.5), TargetModules: []string{"a"}}, s.Given(LoRASettings{Alpha: new(9)}))
	assert.Equal(t, LoRASettings{R: new(8), Dropout: new(0.5), TargetModules: []string{"b"}}, s.Given(LoRASettings{R: new(8), TargetModules: []string{"b"}}))
	assert.Equal(t, LoRASettings{}, Settings{}.Given(LoRASettings{}))
}

// TestJobsWithoutStartKeepTheirNames: the spec of a job that continues nothing is as before.
func TestJobsWithoutStartKeepTheirNames(t *testing.T) {
	t.Parallel()
	spec := Spec{Method: SFT, Model: "m", Revision: "r", Dataset: "d", Numerics: FP32}
	id, err := spec.JobID()
	require.NoError(t, err)
	spec.Start = &Start{Name: "a", Version: 1, SHA256: "w"}
	other, err := spec.JobID()
	require.NoError(t, err)
	assert.NotEqual(t, id, other)
}

func TestVerdictNamesWhatItStartedFrom(t *testing.T) {
	t.Parallel()
	var none *Comparison
	assert.Equal(t, "its base", none.Reference())
	c := Comparison{Verdict: "better than its base: mean loss went down", Better: true}
	assert.Equal(t, c, c.Against(nil))
	got := c.Against(&Start{Name: "support", Version: 3})
	assert.Equal(t, "better than support@3, which it continues: mean loss went down", got.Verdict)
	assert.Equal(t, "support@3", got.With)
	c.Verdict = "not shown to be better: chance can explain it; its base"
	assert.Equal(t, c.Verdict, c.Against(&Start{Name: "support", Version: 3}).Verdict)
}
