package clips

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// PauseMS is the silence after each sound of Spoken.
const PauseMS = 2000

// Spoken writes a clip to path, unless it is there already: sounds one after the other, each
// with a pause after it, beside a picture without content that lasts for seconds.
func Spoken(ctx context.Context, ffmpeg, path string, seconds int, sounds []string) error {
	dir, err := prepare(filepath.Dir(path))
	if err != nil {
		return err
	}
	if path = filepath.Join(dir, filepath.Base(path)); exists(path) {
		return nil
	}
	var args []string
	var padded, joined strings.Builder
	for i, sound := range sounds {
		args = append(args, "-i", sound)
		fmt.Fprintf(&padded, "[%d]apad=pad_dur=%dms[a%d];", i, PauseMS, i)
		fmt.Fprintf(&joined, "[a%d]", i)
	}
	graph := fmt.Sprintf("%s%sconcat=n=%d:v=0:a=1[a];color=0x304878:s=%dx%d:r=5:d=%d,format=yuv420p[v]",
		padded.String(), joined.String(), len(sounds), width, height, seconds)
	args = append(args, "-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-c:a", "aac", "-preset", "veryfast")
	return encode(ctx, ffmpeg, dir, path, args...)
}
