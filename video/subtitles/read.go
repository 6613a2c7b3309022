package subtitles

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/video"
)

// MaxBytes is the size of the largest file of subtitles that is read. A film has 0.1 MB.
const MaxBytes = 8 << 20

// lateMS is how far behind the end of a video a cue may begin: credits of the author often do.
const lateMS = 10_000

// Read reads a file of subtitles in a language, of a video with a duration; empty and 0 = unknown. Segments are in
// order of time and within the video. None = the file has no text. The errors are reasons for people.
func Read(data []byte, language string, durationMS int64) ([]video.Segment, error) {
	if len(data) > MaxBytes {
		return nil, TooLarge()
	}
	text, err := decode(data, language)
	if err != nil {
		return nil, err
	}
	cues, err := scan(text)
	if err != nil {
		return nil, err
	}
	if len(cues) == 0 {
		if header, _, _ := strings.Cut(strings.TrimSpace(text), "\n"); header == "" || strings.HasPrefix(header, "WEBVTT") {
			return nil, nil
		}
		return nil, errors.New("it has no cue with a time such as 00:00:01,000 --> 00:00:02,500")
	}
	out := words(cues)
	if pictures(out) {
		return nil, nil
	}
	for _, s := range out {
		if err := tooLong(s); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b video.Segment) int { return int(a.StartMS - b.StartMS) })
	return out, fit(out, durationMS)
}

// tooLong is the reason for a cue with more text than can be said: each part of it would be a document. People say at most
// 30 characters a second.
func tooLong(s video.Segment) error {
	most := 2000 + 100*(s.EndMS-s.StartMS)/1000
	if int64(len(s.Text)) <= most {
		return nil
	}
	return fmt.Errorf("the cue at %s has %d bytes of text, more than can be said in its time", (time.Duration(s.StartMS) * time.Millisecond), len(s.Text))
}

// TooLarge is the reason for a file that is larger than MaxBytes.
func TooLarge() error {
	return fmt.Errorf("it is larger than the maximum of %d MiB", MaxBytes>>20)
}

// fit moves cues that end or begin a little behind the end of the video to its end. More of them mean that
// the file is of another video, or of another cut.
func fit(list []video.Segment, durationMS int64) error {
	if durationMS <= 0 {
		return nil
	}
	for i, s := range list {
		if s.StartMS > durationMS+lateMS {
			return fmt.Errorf("%d of its %d cues begin after the end of the video, at %s: it is of another video or of another cut of it",
				len(list)-i, len(list), (time.Duration(durationMS) * time.Millisecond).Round(time.Second))
		}
		list[i].StartMS = min(s.StartMS, durationMS-1)
		list[i].EndMS = max(min(s.EndMS, durationMS), list[i].StartMS+1)
	}
	return nil
}

// pictures reports a file that maps times to parts of pictures, for the previews of players.
func pictures(list []video.Segment) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(s video.Segment) bool {
		return strings.Contains(s.Text, " ") || !strings.Contains(s.Text, "#xywh=")
	})
}
