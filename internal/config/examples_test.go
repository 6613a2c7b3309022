package config

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/configs/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			c, problems := Check(env(EnvFile, name))
			require.Empty(t, problems)
			assert.Empty(t, c.Foreign(), "every profile can be run")
			_, err := c.Profile("")
			require.NoError(t, err)
			trains := c.Training
			assert.True(t, trains.ModelsDir != "" || len(trains.Models) > 0, "it can train")
			for _, s := range trains.Serving {
				assert.Contains(t, trains.Models, s.BaseModel, "adapters are served of what is trained")
			}
		})
	}
}

// TestSixProfiles: what Cogniverse's strategies would do, done by cogflow.
func TestSixProfiles(t *testing.T) {
	t.Parallel()
	c, err := Load(env(EnvFile, "../../examples/configs/all-remote.json"))
	require.NoError(t, err)
	require.Len(t, c.Profiles(), 7)

	p, err := c.Profile("video_colpali_smol500_mv_frame")
	require.NoError(t, err)
	assert.Equal(t, video.FixedRate, p.Sampling.Strategy)
	assert.InDelta(t, 1.0, p.Sampling.FPS, 0)
	assert.Equal(t, 3000, p.Sampling.MaxFrames)
	assert.Equal(t, "Qwen/Qwen2-VL-7B-Instruct", p.Describe.Model)
	assert.Equal(t, "whisper-large-v3", p.Transcribe.Model)
	assert.Equal(t, video.Stage{
		Model: "vidore/colsmol-500m", Of: video.OfFrame, Multi: true, Keep: video.KeepBFloat16, Dim: 128, GPU: []string{"cpu"}, Unpriced: true,
	}, p.Embed)

	p, err = c.Profile("video_colqwen_omni_mv_chunk_30s")
	require.NoError(t, err)
	assert.Equal(t, video.Segments, p.Sampling.Strategy)
	assert.EqualValues(t, 30_000, p.Sampling.WindowMS)
	assert.EqualValues(t, 5_000, p.Sampling.OverlapMS)
	assert.Equal(t, 16, p.Sampling.Stills)
	assert.Empty(t, p.Describe.Model)
	assert.NotEmpty(t, p.Transcribe.Model)
	assert.Equal(t, video.OfSegment, p.Embed.Of)

	for name, dim := range map[string]int{"video_videoprism_base_mv_chunk_30s": 768, "video_videoprism_large_mv_chunk_30s": 1024} {
		p, err = c.Profile(name)
		require.NoError(t, err)
		assert.Equal(t, dim, p.Embed.Dim)
		assert.True(t, p.Embed.Multi)
		assert.Empty(t, p.Transcribe.Model, "Cogniverse ran Whisper here although its profile says no")
	}
	for name, dim := range map[string]int{"video_videoprism_lvt_base_sv_chunk_6s": 768, "video_videoprism_lvt_large_sv_chunk_6s": 1024} {
		p, err = c.Profile(name)
		require.NoError(t, err)
		assert.Equal(t, dim, p.Embed.Dim)
		assert.False(t, p.Embed.Multi)
		assert.EqualValues(t, 6_000, p.Sampling.WindowMS)
		assert.EqualValues(t, 1_000, p.Sampling.OverlapMS)
		assert.Equal(t, 12, p.Sampling.Stills)
	}
}

// TestLaterKeys: the names that later versions of Cogniverse use for the same.
func TestLaterKeys(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{
		"backend": {"type": "vespa", "profiles": {
			"frames": {"type": "video", "embedding_model": "m", "embedding_type": "multi_vector",
				"pipeline_config": {"keyframe_fps": 0.5, "transcribe_audio": true, "generate_descriptions": true},
				"strategies": {"description": {"class": "VLMDescriptionStrategy", "params": {"vlm_endpoint": "http://vlm:8000/v1"}},
					"transcription": {"class": "NoTranscriptionStrategy"}},
				"schema_config": {"embedding_dim": 320}},
			"pages": {"type": "document", "embedding_model": "m", "schema_config": {"embedding_dim": 320}}}},
		"cogflow": {"active_profile": "frames", "endpoints": {"e": {"kind": "pooling", "url": "http://e", "models": ["m"]}},
			"profiles": {"frames": {"describe": {"off": true}}}}}`))
	require.NoError(t, err)
	p, err := c.Profile("")
	require.NoError(t, err)
	assert.Equal(t, 320, p.Embed.Dim)
	assert.InDelta(t, 0.5, p.Sampling.FPS, 0)
	assert.Empty(t, p.Describe.Model, "laid over Cogniverse's own profile")
	assert.Empty(t, p.Transcribe.Model)
	require.Len(t, c.Endpoints, 2)
	assert.Equal(t, OpenAI, c.Endpoints[1].Kind)
	require.Len(t, c.Foreign(), 1)
	assert.Contains(t, c.Foreign()[0].Missing(), "for documents")
}
