package asr

import (
	"bytes"
	"errors"
	"io"
	"math"

	"github.com/mewkiz/flac"

	"github.com/cogniverse/cogflow/video"
)

// Models give a segment the time of the silence around it, too: Whisper's segments begin up to
// ten seconds before the first word. So the sound itself says where a segment begins and ends.
const (
	blockMS   = 20
	relative  = 0.01 // of the loudest block: 40 dB less is silence
	absolute  = 33.0 // of 32,768: 60 dB below full scale is silence
	pauseMS   = 300  // a shorter pause is a part of speech
	marginMS  = 60   // around what is heard, so that no consonant is cut
	sampleMax = 1 << 15
)

// span is a part of a piece of sound, in milliseconds.
type span struct{ start, end int64 }

// heard lists the parts of a FLAC file that are not silent. ok is false for a sound that
// cannot be read to its end.
func heard(data []byte) (spans []span, ok bool) {
	stream, err := flac.New(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	scale := float64(sampleMax) / float64(int64(1)<<(stream.Info.BitsPerSample-1))
	block := max(1, int(stream.Info.SampleRate)*blockMS/1000)
	var loudness []float64
	sum, n := 0.0, 0
	for {
		frame, err := stream.ParseNext()
		if errors.Is(err, io.EOF) {
			return louder(loudness), len(loudness) > 0
		}
		if err != nil || len(frame.Subframes) == 0 {
			return nil, false
		}
		for _, sample := range frame.Subframes[0].Samples {
			v := float64(sample) * scale
			sum += v * v
			if n++; n == block {
				loudness = append(loudness, math.Sqrt(sum/float64(n)))
				sum, n = 0, 0
			}
		}
	}
}

// louder joins the blocks that are louder than silence.
func louder(loudness []float64) (spans []span) {
	limit := absolute
	for _, l := range loudness {
		limit = max(limit, l*relative)
	}
	for i, l := range loudness {
		at := int64(i) * blockMS
		switch n := len(spans); {
		case l <= limit:
		case n > 0 && at-spans[n-1].end < pauseMS:
			spans[n-1].end = at + blockMS
		default:
			spans = append(spans, span{at, at + blockMS})
		}
	}
	return spans
}

// within moves the edges of segments to what is heard. A segment in which nothing is heard is
// none: silence has no words.
func within(segments []video.Segment, spans []span) []video.Segment {
	kept := segments[:0]
	for _, s := range segments {
		first, last := int64(-1), int64(-1)
		for _, part := range spans {
			if part.start < s.EndMS && part.end > s.StartMS {
				if first < 0 {
					first = part.start
				}
				last = part.end
			}
		}
		if first < 0 {
			continue
		}
		s.StartMS = max(s.StartMS, first-marginMS)
		s.EndMS = max(min(s.EndMS, last+marginMS), s.StartMS+1)
		kept = append(kept, s)
	}
	return kept
}
