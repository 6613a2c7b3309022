package subtitles

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// TestRollingCaptions: live captions repeat the line before; each word counts once.
func TestRollingCaptions(t *testing.T) {
	t.Parallel()
	require.Equal(t, []video.Segment{
		{StartMS: 0, EndMS: 1000, Text: "the boat"}, {StartMS: 1000, EndMS: 3000, Text: "came in"}, {StartMS: 3_600_000, EndMS: 3_600_500, Text: "at last"},
	}, Cues([]byte("WEBVTT\n\nNOTE nothing\n\n00:00.000 --> 00:01.000\nthe boat\n\n00:01.000 --> 00:02.000\nthe boat\ncame in\n\n"+
		"00:02.000 --> 00:03.000\nthe boat\ncame in\n\n01:00:00.000 --> 01:00:00.500 line:0\nat last")))

	// As a large video service writes them: the upper line repeats, and a cue of 10 ms repeats the lower one.
	require.Equal(t, []video.Segment{
		{StartMS: 160, EndMS: 2159, Text: "hello there"}, {StartMS: 2159, EndMS: 4010, Text: "general kenobi"}, {StartMS: 4010, EndMS: 5000, Text: "you are bold"},
	}, Cues([]byte("WEBVTT\nKind: captions\nLanguage: en\n\n00:00:00.160 --> 00:00:02.149 align:start position:0%\n \nhello<00:00:00.500><c> there</c>\n\n"+
		"00:00:02.149 --> 00:00:02.159 align:start position:0%\nhello there\n \n\n"+
		"00:00:02.159 --> 00:00:04.000 align:start position:0%\nhello there\ngeneral<00:00:03.000><c> kenobi</c>\n\n"+
		"00:00:04.000 --> 00:00:04.010 align:start position:0%\ngeneral kenobi\n \n\n"+
		"00:00:04.010 --> 00:00:05.000 align:start position:0%\ngeneral kenobi\nyou<00:00:04.500><c> are</c><c> bold</c>\n")))

	// A word is not a part of another one.
	require.Equal(t, []video.Segment{{StartMS: 0, EndMS: 1000, Text: "he"}, {StartMS: 1000, EndMS: 2000, Text: "hello"}, {StartMS: 2000, EndMS: 3000, Text: "world"}},
		Cues([]byte("WEBVTT\n\n00:00.000 --> 00:01.000\nhe\n\n00:01.000 --> 00:02.000\nhello\n\n00:02.000 --> 00:03.000\nhello world\n")))
}
