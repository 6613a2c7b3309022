package ingest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/video"
)

const stripBins = 400

// strip shows the positions in a video at which frames were taken.
type strip struct {
	Shown, Kept string // paths in a box of 1000 × 16
	Half, End   string
	Label       string
}

func newStrip(v video.Section) *strip {
	var shown []int64
	end := v.DurationMS
	for _, f := range v.Sheet {
		shown = append(shown, f.PTSMS)
		end = max(end, f.EndMS, f.PTSMS)
	}
	kept := v.TakenMS
	for _, ms := range kept {
		end = max(end, ms)
	}
	if end <= 0 || len(shown)+len(kept) == 0 {
		return nil
	}
	label := report.Plural(len(kept), "frame") + " taken"
	if len(kept) == 0 {
		label = "The frames below were taken"
	}
	return &strip{
		Shown: marks(shown, end), Kept: marks(kept, end), Half: stamp(end / 2), End: stamp(end),
		Label: fmt.Sprintf("%s between %s and %s of %s", label,
			edge(kept, shown, slices.Min[[]int64]), edge(kept, shown, slices.Max[[]int64]), stamp(end)),
	}
}

func edge(kept, shown []int64, pick func([]int64) int64) string {
	return stamp(pick(slices.Concat(kept, shown)))
}

// marks is a path of one vertical line for each bin that has a frame. Bins limit the size
// of the page for long videos.
func marks(times []int64, end int64) string {
	var taken [stripBins + 1]bool
	for _, ms := range times {
		taken[int(part(ms, end)*stripBins)] = true
	}
	var out strings.Builder
	for bin, yes := range taken {
		if yes {
			fmt.Fprintf(&out, "M%d 0v16", bin*1000/stripBins)
		}
	}
	return out.String()
}

// stamp formats a position in a video: mm:ss.mmm, or h:mm:ss.mmm from one hour on.
func stamp(ms int64) string {
	ms = max(0, ms)
	s := fmt.Sprintf("%02d:%02d.%03d", ms/60_000%60, ms/1000%60, ms%1000)
	if h := ms / 3_600_000; h > 0 {
		return strconv.FormatInt(h, 10) + ":" + s
	}
	return s
}
