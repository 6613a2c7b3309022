package webvtt

import (
	"strings"
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
}

// FuzzCues: whatever a container holds, cues have words and times in order.
func FuzzCues(f *testing.F) {
	f.Add("WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n")
	f.Add("99999999999:00:00.000 --> 00:00.000\n<<a>\n\xff&#0;\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range Cues([]byte(text)) {
			require.NotEmpty(t, strings.TrimSpace(s.Text))
			require.Less(t, s.StartMS, s.EndMS)
		}
	})
}
