package vlmtest

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// Describer is the port of the activities; see activities.Describer.
type Describer interface {
	Limit(model string) int
	Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error)
}

// Picture returns a JPEG that differs for every number.
func Picture(tb testing.TB, number int) []byte {
	tb.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 64, 36))
	for i := range 64 * 36 {
		m.Set(i%64, i/64, color.RGBA{uint8(40 * (number % 6)), uint8(40 * (number / 6 % 6)), uint8(40 * (number / 36 % 6)), 255})
	}
	var out bytes.Buffer
	require.NoError(tb, jpeg.Encode(&out, m, &jpeg.Options{Quality: 95}))
	return out.Bytes()
}

// Run tests a describer of a stage. Each subtest opens its own.
func Run(t *testing.T, stage video.Stage, open func(t *testing.T) Describer) {
	ask := func(t *testing.T, d Describer, jpeg []byte) (video.Caption, error) {
		t.Helper()
		return d.Describe(t.Context(), video.DescribeRequest{Stage: stage, JPEG: jpeg})
	}
	for name, test := range map[string]func(t *testing.T, d Describer){
		"a caption": func(t *testing.T, d Describer) {
			c, err := ask(t, d, Picture(t, 3))
			require.NoError(t, err)
			require.NotEmpty(t, c.Text)
			require.Equal(t, stage.Model, c.Model)
			again, err := ask(t, d, Picture(t, 3))
			require.NoError(t, err)
			require.Equal(t, c, again)
			require.GreaterOrEqual(t, d.Limit(stage.Model), 1)
		},
		"each its own": func(t *testing.T, d Describer) {
			var wg sync.WaitGroup
			texts := make([]string, 24)
			for i := range texts {
				wg.Go(func() {
					if c, err := ask(t, d, Picture(t, i)); err == nil {
						texts[i] = c.Text
					}
				})
			}
			wg.Wait()
			for i, text := range texts {
				c, err := ask(t, d, Picture(t, i))
				require.NoError(t, err)
				require.Equal(t, c.Text, text, fmt.Sprint(i))
			}
		},
		"no picture": func(t *testing.T, d Describer) {
			for _, bad := range [][]byte{nil, []byte("<svg/>"), Picture(t, 1)[:40]} {
				_, err := ask(t, d, bad)
				require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			}
		},
		"cancelled": func(t *testing.T, d Describer) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := d.Describe(ctx, video.DescribeRequest{Stage: stage, JPEG: Picture(t, 1)})
			require.ErrorIs(t, err, context.Canceled)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}
