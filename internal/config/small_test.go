package config

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// TestSmallModels: a server of small models adds its endpoints and the profile local_small;
// without one, the profile says how to get it. A profile of that name in the file is kept.
func TestSmallModels(t *testing.T) {
	t.Parallel()
	const url = "http://127.0.0.1:8092/v1"
	none := func(string) string { return "" }
	set := func(name string) string { return map[string]string{"COGFLOW_SMALL_MODELS": url}[name] }

	without, err := Load(none)
	require.NoError(t, err)
	_, err = without.Profile("local_small")
	require.ErrorContains(t, err, "make small")
	require.Empty(t, without.Endpoints)

	with, err := Load(set)
	require.NoError(t, err)
	p, err := with.Profile("local_small")
	require.NoError(t, err)
	require.Equal(t, video.LocalSmall(), p)
	require.False(t, p.Embed.Unpriced, "it runs on this machine")
	e, ok := with.Embedder(p.Embed)
	require.True(t, ok)
	require.Equal(t, url, e.URL)
	e, ok = with.Transcriber(p.Transcribe)
	require.True(t, ok)
	require.Equal(t, Transcriptions, e.Kind)
	require.Equal(t, "local_preview", with.Active(), "small models are used only where a job names them")

	_, err = Load(file(t, `{"cogflow":{"small_models":"ftp://x"}}`))
	require.ErrorContains(t, err, "not an http address")

	own, err := Load(file(t, `{"cogflow":{"small_models":"`+url+`","profiles":{"local_small":{"sampling":{"strategy":"keyframes"}}}}}`))
	require.NoError(t, err)
	p, err = own.Profile("local_small")
	require.NoError(t, err)
	require.Equal(t, video.Keyframes, p.Sampling.Strategy)
	require.True(t, p.Embed.Preview)
}
