// Package webvtt reads subtitles as ffmpeg writes them. It runs no program.
package webvtt

import (
	"bufio"
	"bytes"
	"html"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/video"
)

var (
	cueTime = regexp.MustCompile(`^(?:(\d+):)?(\d\d):(\d\d)\.(\d\d\d) --> (?:(\d+):)?(\d\d):(\d\d)\.(\d\d\d)`)
	cueTag  = regexp.MustCompile(`<[^>]*>|\{\\[^}]*\}`)
)

// Cues reads WebVTT as ffmpeg writes it. What is no cue is passed over. A cue that repeats the
// one before, as rolling captions do, adds only what is new.
func Cues(vtt []byte) []video.Segment {
	var out []video.Segment
	var open *video.Segment
	lines := bufio.NewScanner(bytes.NewReader(vtt))
	lines.Buffer(nil, max(len(vtt), bufio.MaxScanTokenSize)+1)
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
