// Package refusal holds the frames, or pieces of sound, that a model refuses: it collects
// and stores them, and decides whether the model or the profile is at fault. It calls no
// model, and knows no index.
package refusal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// A model may refuse a frame or a piece of sound: its content filter does, it cannot read
// that one, or calls are billed again and again without a usable answer. A refused frame is
// left out and reported instead of failing the video, as long as few are refused. When many
// are refused the model or the profile is at fault, and the stage fails with the first
// reason. A single frame says nothing about the model, unless the video has no other.
//
// Captions that max_tokens cut are no fault of the model: long captions are cut and short ones
// are not. Their number is reported with a warning, and only a chunk without any caption fails.
const (
	atMost = 10 // percent of a chunk, but at least one frame
	enough = 10 // frames whose captions are all cut: the others would be cut, too
)

// List collects the refused frames of a chunk, or the refused pieces of a video's sound.
type List struct {
	Key  string                                  // of the record
	Only func(ctx context.Context) (bool, error) // whether a chunk of one frame is the whole video; nil = it is not

	Outcomes string                     // key of the reasons by kind; "" = they are not recorded
	Request  func(f video.Frame) string // key of the answer to the request about a frame; nil = it is not stored

	mu       sync.Mutex
	reasons  map[string]string // by presentation timestamp in milliseconds
	outcomes map[string]outcome.Answer
	given    map[string]Answer // answers to requests that were given up, by key
	cut      int               // frames whose caption max_tokens cut
	first    error
	blamed   error // the first of which the model may be the cause
}

// Take returns nil for an error that concerns one frame only.
func (l *List) Take(noun string, f video.Frame, err error) error {
	if fault.ClassOf(err) != fault.Input {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reasons == nil {
		l.reasons, l.outcomes, l.given = map[string]string{}, map[string]outcome.Answer{}, map[string]Answer{}
	}
	why, reason, said := fmt.Errorf("%s at %d ms: %w", noun, f.PTSMS, err), reasonOf(err), answerOf(err)
	l.first = cmp.Or(l.first, why)
	if reason == outcome.Truncated {
		l.cut++
	} else {
		l.blamed = cmp.Or(l.blamed, why)
	}
	l.reasons[at(f)] = safetext.Line(err.Error(), safetext.MaxReason)
	l.outcomes[at(f)] = outcome.Answer{Role: Role, Reason: reason, Sample: cmp.Or(said.Sample, safetext.Line(err.Error(), maxSample))}
	if l.Request != nil && said.Reason != "" && errors.Is(err, money.ErrGivenUp) {
		l.given[l.Request(f)] = said
	}
	return nil
}

// Len is the number of refused frames.
func (l *List) Len() int { return len(l.reasons) }

// Most is the maximum of refused frames among a number of frames.
func Most(frames int) int { return max(1, frames*atMost/100) }

// Settle records the refused frames of a chunk, or fails if the model is at fault.
func (l *List) Settle(ctx context.Context, s activities.Store, frames int) error {
	refused := len(l.reasons)
	if refused == 0 {
		return l.drop(ctx, s)
	}
	fails := refused-l.cut > Most(frames)
	if refused == frames {
		var err error
		if fails, err = l.damning(ctx, frames); err != nil {
			return err
		}
	}
	if fails {
		return cmp.Or(l.blamed, l.first)
	}
	for key, given := range l.given {
		if err := activities.WriteJSON(ctx, s, key, given); err != nil {
			return err
		}
	}
	if l.Outcomes != "" {
		if err := activities.WriteJSON(ctx, s, l.Outcomes, l.outcomes); err != nil {
			return err
		}
	}
	return activities.WriteJSON(ctx, s, l.Key, l.reasons)
}

// drop removes the records of a former attempt.
func (l *List) drop(ctx context.Context, s activities.Store) error {
	for _, key := range []string{l.Key, l.Outcomes} {
		if key == "" {
			continue
		}
		if err := s.Delete(ctx, key); err != nil && !activities.Absent(err) {
			return err
		}
	}
	return nil
}

// damning reports whether the model or the profile is at fault when a whole chunk is refused.
func (l *List) damning(ctx context.Context, frames int) (bool, error) {
	if frames > 1 && frames < enough && l.cut == frames {
		return false, nil // publishing decides, which knows the other chunks
	}
	if frames > 1 || money.Unsent(l.first) || errors.Is(l.first, fault.ErrNotServed) {
		return true, nil
	}
	if l.Only == nil {
		return false, nil
	}
	return l.Only(ctx)
}

// Only reports whether a chunk of one frame holds the only frame of its video.
func Only(s activities.Store, p video.Profile, prefix string, chunk video.Chunk) func(ctx context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		if chunk.Index > 0 {
			return false, nil
		}
		var x video.Extraction
		err := activities.ReadJSON(ctx, s, video.ExtractionKey(prefix), &x)
		if activities.Absent(err) { // frames are still being extracted, and only the last chunk is not full
			return len(chunk.Frames) < p.ChunkFrames, nil
		}
		return x.Frames <= 1, err
	}
}

// at names a frame in a record.
func at(f video.Frame) string { return strconv.FormatInt(f.PTSMS, 10) }
