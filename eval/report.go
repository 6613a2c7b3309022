package eval

import "github.com/cogniverse/cogflow/video"

// Report compares the ways to rank on one set of queries.
type Report struct {
	Queries string       `json:"queries"` // name of the query file
	Tenant  string       `json:"tenant"`
	Profile string       `json:"profile,omitempty"` // empty = the one that was active
	K       int          `json:"k"`                 // so many hits of each query count
	Ranks   []RankScores `json:"ranks"`             // in the order asked for
}

// RankScores is how well one rank profile did: means, and what they are of.
type RankScores struct {
	Rank    video.Rank    `json:"rank"`
	NDCG    float64       `json:"ndcg"`
	Recall  float64       `json:"recall"`
	MRR     float64       `json:"mrr"`
	Queries []QueryScores `json:"queries"` // in the order of the file
}

// QueryScores is how well one rank profile answered one query.
type QueryScores struct {
	Query string `json:"query"`
	Scores
}

// Mean sums up what rank scored: plain means, in which each query weighs the
// same. Without queries they are 0.
func Mean(rank video.Rank, queries []QueryScores) RankScores {
	r := RankScores{Rank: rank, Queries: queries}
	if len(queries) == 0 {
		r.Queries = []QueryScores{}
		return r
	}
	for _, q := range queries {
		r.NDCG += q.NDCG
		r.Recall += q.Recall
		r.MRR += q.RR
	}
	n := float64(len(queries))
	r.NDCG, r.Recall, r.MRR = r.NDCG/n, r.Recall/n, r.MRR/n
	return r
}
