package vespa

import (
	"slices"

	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/video"
)

// edition is one generation of one video.
type edition struct {
	video      video.ID
	generation string
}

// superseded lists the generations for which the same response has a newer generation of
// the same video.
func superseded(lists [][]candidate) []edition {
	newest := map[video.ID]candidate{}
	for _, c := range slices.Concat(lists...) {
		n, ok := newest[c.Video]
		if !ok || c.created > n.created || c.created == n.created && c.generation > n.generation {
			newest[c.Video] = c
		}
	}
	var older []edition
	for _, c := range slices.Concat(lists...) {
		e := edition{c.Video, c.generation}
		if c.generation != newest[c.Video].generation && !slices.Contains(older, e) {
			older = append(older, e)
		}
	}
	return older
}

// hits returns a single list unchanged, or fuses several lists by the sum of 1/(k+rank) over
// the lists that contain a document.
func hits(lists [][]candidate, q video.Query) []video.Hit {
	all := slices.Concat(lists...)
	if q.Rank == video.RankHybrid {
		all = nil
		sums := map[string]candidate{}
		for _, list := range lists {
			for i, c := range list {
				sum, ok := sums[c.id]
				if !ok {
					sum, sum.Score = c, 0
				}
				sum.Score += 1 / float64(rankConstant+i+1)
				sums[c.id] = sum
			}
		}
		for _, c := range sums {
			all = append(all, c)
		}
		slices.SortFunc(all, best)
	}
	all = index.Few(all, q.Filter.PerVideo, candidate.videoID)
	out := make([]video.Hit, min(q.Limit, len(all)))
	for i := range out {
		out[i] = all[i].Hit
	}
	return out
}
