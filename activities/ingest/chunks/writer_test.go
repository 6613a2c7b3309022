package chunks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/activities/ingest/chunks"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

const prefix = "default/videos/v/frames/f/"

func open(t *testing.T) *activitytest.Store {
	t.Helper()
	files, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	return &activitytest.Store{Store: files}
}

// picture is a frame with two stills: its own, and the one that it shares with the next window.
func picture(at int64) video.Picture {
	return video.Picture{
		Frame: video.Frame{PTSMS: at, Stills: []video.Still{{PTSMS: at}, {PTSMS: at + 1000}}},
		JPEG:  fmt.Append(nil, "jpeg ", at), Stills: [][]byte{fmt.Append(nil, "jpeg ", at), fmt.Append(nil, "jpeg ", at+1000)},
	}
}

// TestWriter: frames are stored once, before their chunk, and the first chunk and the end of the
// first window are announced at once.
func TestWriter(t *testing.T) {
	t.Parallel()
	s := open(t)
	var announced [][2]int
	w := chunks.NewWriter(t.Context(), s, prefix, 2, func(stored, frames int) { announced = append(announced, [2]int{stored, frames}) })
	for i := range 9 {
		require.NoError(t, w.Add(picture(int64(2000*i))))
	}
	require.NoError(t, w.Finish())
	require.EqualValues(t, 9, w.Frames())
	require.Equal(t, 5, w.Chunks())
	require.Contains(t, announced, [2]int{1, 2})
	require.Contains(t, announced, [2]int{4, 8})
	pictures, size := 0, int64(0)
	require.NoError(t, s.List(t.Context(), prefix, func(o object.Info) error {
		if strings.HasSuffix(o.Key, ".jpg") {
			pictures++
			size += o.Size
		}
		return nil
	}))
	require.Equal(t, 18, pictures)
	require.Equal(t, size, w.Bytes())
	var last video.Chunk
	require.NoError(t, activities.ReadJSON(t.Context(), s, video.ChunkKey(prefix, 4), &last))
	require.Equal(t, video.Chunk{Index: 4, Frames: []video.Frame{picture(16000).Frame}}, last)
}

// TestKeep: a writer continues after the stored chunks, and neither stores nor counts their
// frames again.
func TestKeep(t *testing.T) {
	t.Parallel()
	s := open(t)
	quiet := func(int, int) {}
	first := chunks.NewWriter(t.Context(), s, prefix, 2, quiet)
	for i := range 4 {
		require.NoError(t, first.Add(picture(int64(2000*i))))
	}
	w := chunks.NewWriter(t.Context(), s, prefix, 2, quiet)
	require.NoError(t, w.Keep())
	require.Equal(t, first.Bytes(), w.Bytes())
	for i := range 5 {
		require.NoError(t, w.Add(picture(int64(2000*i))))
	}
	require.NoError(t, w.Finish())
	require.EqualValues(t, 5, w.Frames())
	require.Equal(t, 3, w.Chunks())
}

// TestNoRoom: a chunk with a picture that cannot be stored is not stored.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.NoRoom = func(key string) bool { return strings.HasSuffix(key, "/2000.jpg") }
	w := chunks.NewWriter(t.Context(), s, prefix, 2, func(int, int) {})
	err := w.Add(picture(0))
	if err == nil {
		err = w.Add(picture(2000))
	}
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
	_, err = s.Stat(t.Context(), video.ChunkKey(prefix, 0))
	require.ErrorIs(t, err, object.ErrNotFound)
}
