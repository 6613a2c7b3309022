package vespa

import (
	"context"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/internal/index/terms"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

// weigh counts the documents that have each phrase, for the words of a hybrid search. Rank
// expressions cannot tell how rare the words of a query are that a document does not have.
func (x *Index) weigh(ctx context.Context, s *schema, q video.Query, lists []listing) error {
	for i, l := range lists {
		if q.Rank != video.RankHybrid || !l.profile.Text || len(l.phrases) < 2 { // a single phrase is all that a query tells
			continue
		}
		counts := make([]float64, len(l.phrases)+1)
		group, ctx := panics.WithContext(ctx)
		group.SetLimit(16)
		for k := range counts {
			group.Go(func() (err error) {
				counts[k], err = x.count(ctx, s, q, l.phrases[k:min(k+1, len(l.phrases))])
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		w := &index.Weights{Phrases: l.phrases}
		for _, having := range counts[:len(l.phrases)] {
			w.Rarities = append(w.Rarities, index.Rarity(counts[len(l.phrases)], having))
		}
		lists[i].weights = w
	}
	return nil
}

// count is the number of documents with any of the phrases, or of all documents without one,
// whatever the filter of the query.
func (x *Index) count(ctx context.Context, s *schema, q video.Query, phrases []terms.Phrase) (float64, error) {
	q.Filter = video.Filter{}
	parameters := map[string]any{}
	where := filter(q, nil, nil, parameters)
	if len(phrases) > 0 {
		ranked, unranked := conditions(phrases, parameters)
		where = "(" + strings.Join(append(ranked, unranked...), " or ") + ") and " + where
	}
	found, err := x.ask(ctx, query{
		op: opSearch, subject: q.Text, yql: "select * from " + s.Name + " where " + where, parameters: parameters, profile: "unranked", summary: "ids",
	})
	if err != nil {
		return 0, err
	}
	return float64(found.total), nil
}

// telling leaves out hits whose words do not tell enough.
func (l listing) telling(list []candidate) []candidate {
	if l.weights == nil {
		return list
	}
	return slices.DeleteFunc(list, func(c candidate) bool { return !l.weights.Tells(c.Hit) })
}
