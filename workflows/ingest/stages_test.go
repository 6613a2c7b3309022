package ingest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows"
)

// TestStages walks a video through the decisions of the stages.
func TestStages(t *testing.T) {
	t.Parallel()
	const chunks = 3 * workflows.ChunksInFlight
	s := stages{available: 2}
	require.False(t, s.idle(true), "it is not extracted")
	for want := range 2 {
		require.True(t, s.canStart())
		require.Equal(t, want, s.start())
	}
	require.False(t, s.canStart(), "no more are extracted")
	require.True(t, s.extract(chunks))
	for range workflows.ChunksInFlight - 2 {
		require.True(t, s.canStart())
		s.start()
	}
	require.False(t, s.canStart(), "the describer has enough")
	for range workflows.ChunksInFlight {
		s.describing--
		require.True(t, s.canStart(), "the describer does not wait for the embedder")
		s.start()
	}
	s.describing = 0
	require.False(t, s.canStart(), "the embedder has enough")

	s.embedded = []int{0, 1}
	require.False(t, s.canIndex(), "what is said is not written down yet")
	require.False(t, s.idle(true))
	s.transcribed = true
	require.True(t, s.canIndex())
	require.Equal(t, []int{0, 1}, s.index())
	require.False(t, s.canIndex())
	require.False(t, s.still(), "it is indexing")

	s.indexing, s.inFlight = false, 0
	require.True(t, s.still())
	require.False(t, s.idle(false), "chunks are left")
	require.True(t, s.idle(true), "the next run does them")
	s.next = chunks
	require.True(t, s.idle(false))
}

// TestStagesOfForgedSignals: announced chunks that do not exist are not started.
func TestStagesOfForgedSignals(t *testing.T) {
	t.Parallel()
	s := stages{available: 9}
	for range 3 {
		s.start()
	}
	require.False(t, s.extract(2))
	require.False(t, s.canStart())
	require.Equal(t, 2, s.next)
}
