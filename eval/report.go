package eval

import "github.com/cogniverse/cogflow/video"

// Report compares rank profiles on one set of queries.
type Report struct {
	Queries string       `json:"queries"` // name of the query file
	Tenant  string       `json:"tenant"`
	Profile string       `json:"profile,omitempty"` // empty = the one that was active
	K       int          `json:"k"`                 // number of hits of each query that count
	Ranks   []RankScores `json:"ranks"`             // in the order asked for
}

// RankScores are the mean scores of one rank profile, with those of each query.
type RankScores struct {
	Rank    video.Rank    `json:"rank"`
	NDCG    float64       `json:"ndcg"`
	Recall  float64       `json:"recall"`
	MRR     float64       `json:"mrr"`
	Queries []QueryScores `json:"queries"` // in the order of the file
}

// QueryScores are the scores of one rank profile for one query.
type QueryScores struct {
	Query string `json:"query"`
	Scores
}

// Mean averages the scores of rank, with equal weight per query. Without queries they are
// 0.
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
