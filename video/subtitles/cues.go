// Package subtitles reads the text of subtitles, SubRip (.srt) and WebVTT (.vtt), as a transcript,
// and decides which file beside a video has the words of its sound. It opens no file.
package subtitles

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

const clock = `(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3})\d*)?`

var (
	cueTime = regexp.MustCompile(`^\s*` + clock + `\s*-->\s*` + clock + `(?:\s|$)`)
	// likeTime matches what can only be meant as the time of a cue.
	likeTime = regexp.MustCompile(`^\s*-?\d+:\d*(?:[:.,]\d*)*\s*(?:[-=]*>|-|$)`)
	number   = regexp.MustCompile(`^\s*\d+\s*$`)
)

// errCut is the reason for a text that ends within a cue.
var errCut = errors.New("it ends within a cue: the file was cut")

// cue is a segment whose text is still in lines.
type cue struct {
	startMS, endMS int64
	lines          []string
}

// scanner reads a text in blocks, which empty lines separate.
type scanner struct {
	vtt     bool
	cues    []cue
	problem error // the first line that cannot be read
}

// scan returns all cues in the order of the file, and why a part of the text is not in them.
// It keeps the text below an empty line, which files have within a cue.
func scan(text string) ([]cue, error) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	s := &scanner{vtt: strings.HasPrefix(text, "WEBVTT")}
	var block []string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		// In WebVTT only a line without any character ends a cue, and services write " " as a first line.
		if empty := line == "" || !s.vtt && strings.TrimSpace(line) == ""; !empty {
			block = append(block, line)
			continue
		}
		s.block(block, i-len(block))
		block = nil
	}
	s.block(block, len(lines)-len(block))
	if s.problem == nil && s.cutOff(lines) {
		s.problem = errCut
	}
	return s.cues, s.problem
}

// block reads one block, which has cues, a part of the text of the last cue, or a comment.
func (s *scanner) block(lines []string, before int) {
	if s.vtt && len(lines) > 0 && comment(lines[0]) {
		return
	}
	var text []string
	for i, line := range lines {
		at := cueTime.FindStringSubmatch(line)
		if at == nil {
			if likeTime.MatchString(line) && strings.Contains(line, ">") && s.problem == nil {
				s.problem = fmt.Errorf("line %d is not a time such as 00:00:01,000 --> 00:00:02,500: %q", before+i+1, safetext.Line(line, 60))
			}
			text = append(text, line)
			continue
		}
		// The line above a time is the number of the cue, in WebVTT also its name.
		if n := len(text); n > 0 && (number.MatchString(text[n-1]) || s.vtt && i == n) {
			text = text[:n-1]
		}
		s.add(text)
		text = nil
		s.cues = append(s.cues, cue{startMS: clockMS(at[1:5]), endMS: clockMS(at[5:9])})
	}
	s.add(text)
}

// add adds lines to the last cue. Above the first one is only the header.
func (s *scanner) add(lines []string) {
	if n := len(s.cues); n > 0 {
		s.cues[n-1].lines = append(s.cues[n-1].lines, lines...)
	}
}

// cutOff reports a file whose end is missing: it ends with the number of a cue, or within its time.
func (s *scanner) cutOff(lines []string) bool {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	n := len(lines)
	if n == 0 || len(s.cues) == 0 {
		return false
	}
	last, numbered := lines[n-1], n > 1 && number.MatchString(lines[n-2])
	if end := s.cues[len(s.cues)-1]; cueTime.MatchString(last) && end.endMS < end.startMS {
		return true // 00:00:03,000 --> 00:0
	}
	alone := n < 2 || strings.TrimSpace(lines[n-2]) == ""
	return alone && !s.vtt && strings.TrimSpace(last) == strconv.Itoa(len(s.cues)+1) ||
		(alone || numbered) && likeTime.MatchString(last) && !cueTime.MatchString(last)
}

// comment reports the first line of a block of WebVTT that is not a cue.
func comment(line string) bool {
	word, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	return word == "NOTE" || word == "STYLE" || word == "REGION"
}

// clockMS reads hours, minutes, seconds and the digits of a fraction. Hours and fraction may be missing.
func clockMS(parts []string) int64 {
	var n [4]int64
	parts[3] = (parts[3] + "000")[:3]
	for i, p := range parts {
		n[i], _ = strconv.ParseInt(p, 10, 32) // digits, or nothing
	}
	return ((n[0]*60+n[1])*60+n[2])*1000 + n[3]
}

// Cues reads WebVTT or SubRip that a program wrote. It passes over what is no cue, or more than can be said.
func Cues(text []byte) []video.Segment {
	cues, _ := scan(strings.ToValidUTF8(string(text), "\ufffd"))
	return slices.DeleteFunc(words(cues), func(s video.Segment) bool { return tooLong(s) != nil })
}
