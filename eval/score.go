package eval

import (
	"math"
	"path"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/video"
)

// Scores measure the hits of one query, each from 0 to 1 (best).
type Scores struct {
	NDCG   float64 `json:"ndcg"`   // normalized discounted cumulated gain of the first k hits
	Recall float64 `json:"recall"` // share of the judged items among the first k hits
	RR     float64 `json:"rr"`     // reciprocal rank: 1 / First
	First  int     `json:"first"`  // rank of the first relevant hit, from 1; 0 = none among the first k
}

// Score compares the first k hits of q with the judged items. Each judged item counts once,
// at the first hit that matches it. A hit that is the first for several items finds them
// all and gains the highest grade, so that no ranking is better than the ideal one.
//
// nDCG is Järvelin and Kekäläinen's (Cumulated gain-based evaluation of IR
// techniques, ACM TOIS 20(4), 2002) with a gain of 2^grade−1 (Burges et al.,
// Learning to rank using gradient descent, ICML 2005) and a discount of
// 1/log2(place+1). The ideal is all judged items by falling grade, one a
// place, cut at k. Recall is found items / judged items (Manning, Raghavan,
// Schütze, Introduction to Information Retrieval, 8.3); it can stay below 1
// where more than k are judged. The reciprocal rank is that of Voorhees (The
// TREC-8 question answering track report, 1999).
//
// q must be as ParseQueries returns it; without judged items it scores 0.
func Score(q Query, hits []video.Hit, k int) Scores {
	var s Scores
	if len(q.Relevant) == 0 {
		return s
	}
	found, taken, dcg := 0, make([]bool, len(q.Relevant)), 0.0
	for i, hit := range hits[:max(0, min(k, len(hits)))] {
		grade := 0
		for j, item := range q.Relevant {
			if taken[j] || !item.Matches(hit) {
				continue
			}
			taken[j] = true
			found++
			grade = max(grade, item.Grade)
		}
		if grade == 0 {
			continue
		}
		dcg += gain(grade) * discount(i)
		if s.First == 0 {
			s.First = i + 1
			s.RR = 1 / float64(s.First)
		}
	}
	if best := ideal(q.Relevant, k); best > 0 {
		s.NDCG = min(1, dcg/best) // rounding must not make it more
	}
	s.Recall = float64(found) / float64(len(q.Relevant))
	return s
}

func gain(grade int) float64 { return math.Exp2(float64(grade)) - 1 }

// discount is the weight of index i: the first hit, 0, has place 1.
func discount(i int) float64 { return 1 / math.Log2(float64(i+2)) }

// ideal is the highest possible DCG at k.
func ideal(items []Judged, k int) float64 {
	grades := make([]int, len(items))
	for i, item := range items {
		grades[i] = item.Grade
	}
	slices.SortFunc(grades, func(a, b int) int { return b - a })
	sum := 0.0
	for i, grade := range grades[:max(0, min(k, len(grades)))] {
		sum += gain(grade) * discount(i)
	}
	return sum
}

// Matches reports whether h shows j: the same video, and some of the range of
// time if j has one.
func (j Judged) Matches(h video.Hit) bool {
	if j.Video != string(h.Video) && j.Video != h.Name && j.Video != h.URI && j.Video != base(h.URI) {
		return false
	}
	if j.EndMS == 0 {
		return true
	}
	end := max(h.EndMS, h.StartMS+1) // a hit without a length is the moment it begins at
	return h.StartMS < j.EndMS && j.StartMS < end
}

// base is the file name that a URI ends with. The query of a link is no part of it.
func base(uri string) string {
	if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
		uri, _, _ = strings.Cut(uri, "?")
	}
	return path.Base(uri)
}
