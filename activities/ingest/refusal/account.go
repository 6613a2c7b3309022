package refusal

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// Groups counts the refused frames of the chunk by reason, with examples. name is the video's.
func (l *List) Groups(name string, frames int) []outcome.Group {
	return groups(l.outcomes, name, frames)
}

// Account counts the frames of a video without a caption by reason, with examples, over all
// chunks. name is the video's, and frames the number of those that were described.
func Account(ctx context.Context, s activities.Store, p video.Profile, prefix, name string, frames int) ([]outcome.Group, error) {
	all := map[string]outcome.Answer{}
	refused, why := p.RefusedPrefix(prefix, video.KindDescribe), strings.TrimSuffix(p.UnusableKey(prefix, video.KindDescribe, 0), "000000.json")
	err := s.List(ctx, refused, func(o object.Info) error {
		record, err := Read(ctx, s, o.Key)
		if err != nil {
			return err
		}
		for frame, reason := range record { // earlier builds recorded only these
			all[frame] = outcome.Answer{Role: Role, Reason: outcome.Rejected, Sample: safetext.Line(reason, maxSample)}
		}
		var known map[string]outcome.Answer
		err = activities.ReadJSON(ctx, s, why+strings.TrimPrefix(o.Key, refused), &known)
		if activities.Absent(err) {
			return nil
		}
		for frame, a := range known {
			if _, refused := record[frame]; refused {
				all[frame] = a
			}
		}
		return err
	})
	return groups(all, name, frames), err
}

// groups counts refused frames, the earliest first.
func groups(all map[string]outcome.Answer, name string, frames int) []outcome.Group {
	times := make([]int64, 0, len(all))
	for frame := range all {
		ms, _ := strconv.ParseInt(frame, 10, 64) // this package wrote it
		times = append(times, ms)
	}
	slices.Sort(times)
	answers := make([]outcome.Answer, 0, len(all))
	for _, ms := range times {
		a := all[strconv.FormatInt(ms, 10)]
		a.Sample = safetext.Line(name+" at "+(time.Duration(ms)*time.Millisecond).String()+": "+a.Sample, 2*maxSample)
		answers = append(answers, a)
	}
	return outcome.Among(outcome.Count(answers), Role, frames)
}
