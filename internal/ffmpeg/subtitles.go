package ffmpeg

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/video"
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
	words := video.Transcript{Model: video.Subtitles, Language: plain(track.Tags.Language), Segments: cues(out)}
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

var (
	cueTime = regexp.MustCompile(`^(?:(\d+):)?(\d\d):(\d\d)\.(\d\d\d) --> (?:(\d+):)?(\d\d):(\d\d)\.(\d\d\d)`)
	cueTag  = regexp.MustCompile(`<[^>]*>|\{\\[^}]*\}`)
)

// cues reads WebVTT as ffmpeg writes it. What is no cue is passed over. A cue that repeats the
// one before, as rolling captions do, adds only what is new.
func cues(vtt []byte) []video.Segment {
	var out []video.Segment
	var open *video.Segment
	lines := bufio.NewScanner(bytes.NewReader(vtt))
	lines.Buffer(nil, maxSubtitles)
	end := func() {
		if open != nil && open.Text != "" && open.EndMS > open.StartMS {
			out = append(out, *open)
		}
		open = nil
	}
	for lines.Scan() {
		line := lines.Text()
		if at := cueTime.FindStringSubmatch(line); at != nil {
			end()
			open = &video.Segment{StartMS: clockMS(at[1:5]), EndMS: clockMS(at[5:9])}
			continue
		}
		if strings.TrimSpace(line) == "" {
			end()
			continue
		}
		if open != nil {
			text := strings.Join(strings.Fields(html.UnescapeString(cueTag.ReplaceAllString(line, ""))), " ")
			open.Text = strings.TrimSpace(open.Text + " " + strings.ToValidUTF8(text, "\ufffd"))
		}
	}
	end()
	return rolled(out)
}

// rolled removes from each cue the words with which it repeats the cue before.
func rolled(list []video.Segment) []video.Segment {
	var out []video.Segment
	last := ""
	for _, s := range list {
		whole := s.Text
		if rest, ok := strings.CutPrefix(s.Text, last); ok && last != "" {
			s.Text = strings.TrimSpace(rest)
		}
		if last = whole; s.Text != "" {
			out = append(out, s)
		} else if n := len(out); n > 0 {
			out[n-1].EndMS = max(out[n-1].EndMS, s.EndMS)
		}
	}
	return out
}

// clockMS reads hours, minutes, seconds and milliseconds; hours may be missing.
func clockMS(parts []string) int64 {
	var n [4]int64
	for i, p := range parts {
		n[i], _ = strconv.ParseInt(p, 10, 32) // digits, or nothing
	}
	d := time.Duration(n[0])*time.Hour + time.Duration(n[1])*time.Minute + time.Duration(n[2])*time.Second
	return d.Milliseconds() + n[3]
}
