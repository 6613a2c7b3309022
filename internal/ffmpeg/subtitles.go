package ffmpeg

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/subtitles"
)

// SubtitlesFile is the name of the subtitles in Extract's directory: a video.Transcript in JSON.
const SubtitlesFile = "subtitles.json"

const (
	opSubtitles  = "read subtitles"
	maxSubtitles = 32 << 20 // bytes; a film has 0.1 MB
)

// extractSubtitles writes the subtitles of a video to dir, as a transcript; false = the track
// has no words.
func (t *Tool) extractSubtitles(ctx context.Context, file *os.File, dir string, m video.Media, track *tracks.Stream) (bool, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return false, fault.Disk(opSubtitles, file.Name(), err)
	}
	args := []string{"-nostdin", "-hide_banner", "-v", "level+error"}
	args = append(append(args, input()...), "-map", fmt.Sprintf("0:%d", track.Index), "-c:s", "webvtt", "-f", "webvtt", "pipe:1")
	said := &complaints{}
	out, err := t.config.Sandbox.Run(ctx, sandbox.Command{
		Path: t.config.FFmpeg, Args: args, Files: []*os.File{file}, ReadOnly: true,
		Limits: t.limits(t.wall(file, plan{media: m})), Stderr: said.add,
	}, maxSubtitles)
	if err != nil {
		return false, refusal(opSubtitles, file, err, said)
	}
	words := video.Transcript{Model: video.Subtitles, Language: plain(track.Tags.Language), Segments: subtitles.Cues(out)}
	if len(words.Segments) == 0 {
		return false, nil
	}
	data, err := json.Marshal(words)
	if err != nil {
		return false, err
	}
	name := filepath.Join(dir, SubtitlesFile)
	return true, fault.Disk("write", name, os.WriteFile(name, data, 0o600))
}
