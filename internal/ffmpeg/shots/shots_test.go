package shots

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/ffmpeg/stills"
)

// drawn is a JPEG with sharp edges, or plain.
func drawn(t *testing.T, sharp bool) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range m.Pix {
		if m.Pix[i] = 90; sharp && i%16 < 8 {
			m.SetGray(i%64, i/64, color.Gray{200})
		}
	}
	var out bytes.Buffer
	require.NoError(t, jpeg.Encode(&out, m, nil))
	return out.Bytes()
}

// small is a small picture of one of several scenes.
func small(scene int) stills.Small {
	s := make(stills.Small, stills.SmallBytes)
	random := rand.New(rand.NewPCG(1, uint64(scene))) //nolint:gosec // the same pictures each time
	for i := range s.Luma() {
		s[i] = byte(random.IntN(256))
	}
	return s
}

// add shows a scene every 200 ms; size says how much detail the picture at a time has.
func add(t *testing.T, d *Detector, scene int, from, until int64, size func(ms int64) int) {
	t.Helper()
	sharp := drawn(t, true)
	for ms := from; ms < until; ms += 200 {
		require.NoError(t, d.Add(Picture{PTSMS: ms, JPEG: slices.Concat(sharp, make([]byte, size(ms))), Small: small(scene)}))
	}
}

// TestBounded: only some pictures of a part are held, and their best are all the same in it.
func TestBounded(t *testing.T) {
	t.Parallel()
	const n = 4
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same sizes each time
	sizes := map[int64]int{}
	size := func(ms int64) int {
		sizes[ms] = random.IntN(100_000)
		return sizes[ms]
	}
	var got []Shot
	d := &Detector{WindowMS: 30_000, Stills: n, Repeats: true, Emit: func(s Shot) error { got = append(got, s); return nil }}
	for ms := int64(0); ms < 70_000; ms += 200 {
		add(t, d, 1, ms, ms+200, size)
		held := len(d.part.all.list)
		if d.held != nil {
			held += len(d.held.all.list)
		}
		require.LessOrEqual(t, held, 2*perStill*n)
	}
	require.NoError(t, d.Finish(70_000, 2))
	require.Len(t, got, 3)
	for _, s := range got {
		require.Len(t, s.Stills, n)
		slice := (s.EndMS - s.StartMS) / n
		for i, still := range s.Stills {
			from := s.StartMS + int64(i)*slice
			require.True(t, still.PTSMS >= from && still.PTSMS < from+slice, "%d in the slice from %d", still.PTSMS, from)
			for ms, bytes := range sizes { // a slot can lie across the border of a slice
				if ms >= from+slice/4 && ms < from+slice-slice/4 {
					require.GreaterOrEqual(t, sizes[still.PTSMS], bytes, "%d is better than %d", ms, still.PTSMS)
				}
			}
		}
	}
}

// TestBorders: the best picture is that of its own part, also where a long shot is split.
func TestBorders(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 3} {
		var got []Shot
		d := &Detector{WindowMS: 2000, Stills: n, Repeats: true, Emit: func(s Shot) error { got = append(got, s); return nil }}
		best := func(ms int64) int {
			if ms == 2000 || ms == 4400 {
				return 500
			}
			return int(ms/100) % 7
		}
		add(t, d, 1, 0, 4400, best) // 400 ms are a part of their own
		add(t, d, 2, 4400, 5400, best)
		require.NoError(t, d.Finish(5400, 3))
		require.Len(t, got, 4)
		for i, want := range [][3]int64{{0, 2000, 1}, {2000, 4000, 1}, {4000, 4400, 1}, {4400, 5400, 2}} {
			require.Equal(t, want, [3]int64{got[i].StartMS, got[i].EndMS, int64(got[i].Number)})
			require.True(t, got[i].Best.PTSMS >= want[0] && got[i].Best.PTSMS < want[1])
			for _, s := range got[i].Stills {
				require.True(t, s.PTSMS >= want[0] && s.PTSMS < want[1])
			}
		}
		require.EqualValues(t, 2000, got[1].Best.PTSMS)
		require.EqualValues(t, 4400, got[3].Best.PTSMS)
	}
}

// TestBlurredStills: slices without a sharp picture have no still.
func TestBlurredStills(t *testing.T) {
	t.Parallel()
	var got []Shot
	d := &Detector{WindowMS: 30_000, Stills: 2, Repeats: true, Emit: func(s Shot) error { got = append(got, s); return nil }}
	add(t, d, 1, 0, 1000, func(int64) int { return 9000 })
	plain := append(drawn(t, false), make([]byte, 1000)...)
	for ms := int64(1000); ms < 2000; ms += 200 {
		require.NoError(t, d.Add(Picture{PTSMS: ms, JPEG: plain, Small: small(1)}))
	}
	require.NoError(t, d.Finish(2000, 0))
	require.Len(t, got, 1)
	require.Len(t, got[0].Stills, 1)
	require.Less(t, got[0].Stills[0].PTSMS, int64(1000))
}
