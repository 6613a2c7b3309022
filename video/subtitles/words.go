package subtitles

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/video"
)

// Of text in angle brackets, only the markup of the two formats is removed.
var (
	breaks = regexp.MustCompile(`(?i)<br\s*/?>|\\N`)
	// drawing matches the vector graphics of ASS, of which ffmpeg removes only the marks around them.
	drawing = regexp.MustCompile(`\bm(?: -?\d+(?:\.\d+)?){2}(?: [mnlbspc](?: -?\d+(?:\.\d+)?)+)+(?: c\b)?`)
	markup  = regexp.MustCompile(`(?i)</?(?:b|i|u|s|c|v|font|span|ruby|rt|lang|em|strong)(?:[.\s][^<>]*)?/?>|<(?:\d+:)?\d\d:\d\d\.\d+>|\{\\[^{}]*\}`)
)

// rollMS is the longest pause between rolling captions. After a longer one, the same words are said again.
const rollMS = 1000

// rollLines is how many lines rolling captions have at most.
const rollLines = 8

// words returns cues as segments. Rolling captions repeat lines of the cue before, or its words with more
// behind them: each word counts once.
func words(cues []cue) []video.Segment {
	var out []video.Segment
	var last []string // lines of the cue before
	lastMS := int64(0)
	for _, c := range cues {
		lines := make([]string, 0, len(c.lines))
		for _, line := range c.lines {
			if line = plain(line); line != "" {
				lines = append(lines, line)
			}
		}
		if c.startMS > lastMS+rollMS {
			last = nil
		}
		text := fresh(last, lines)
		last, lastMS = lines, c.endMS
		n := len(out)
		switch {
		case text != "":
			out = append(out, video.Segment{StartMS: c.startMS, EndMS: max(c.endMS, c.startMS+1), Text: text})
		case len(lines) > 0 && n > 0:
			out[n-1].EndMS = max(out[n-1].EndMS, c.endMS)
		}
	}
	return out
}

// fresh is the text of a cue that does not repeat the cue before.
func fresh(last, lines []string) string {
	for n := min(len(last), len(lines), rollLines); n > 0; n-- {
		if slices.Equal(last[len(last)-n:], lines[:n]) {
			return strings.Join(lines[n:], " ")
		}
	}
	before, now := strings.Fields(strings.Join(last, " ")), strings.Fields(strings.Join(lines, " "))
	if n := len(before); n > 0 && n <= len(now) && slices.Equal(before, now[:n]) {
		now = now[n:]
	}
	return strings.Join(now, " ")
}

// plain is a line without markup and characters that are not text.
func plain(line string) string {
	line = html.UnescapeString(markup.ReplaceAllString(breaks.ReplaceAllString(line, " "), ""))
	line = drawing.ReplaceAllString(line, " ")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line)
	return strings.Join(strings.Fields(line), " ")
}
