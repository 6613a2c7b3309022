package sqlite

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// earlierBuild finds what a build finds that searches in the table of words.
func earlierBuild(t *testing.T, x *Index, owner tenant.ID, word string) (captions []string) {
	t.Helper()
	var scope int64
	require.NoError(t, x.db.Read.QueryRowContext(t.Context(), "SELECT id FROM scope WHERE tenant=?", string(owner)).Scan(&scope))
	rows, err := x.db.Read.QueryContext(t.Context(), "SELECT d.caption FROM "+wordsTable(scope)+
		" w LEFT JOIN document d ON d.id = w.rowid WHERE "+wordsTable(scope)+" MATCH ? ORDER BY 1", word)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var caption string
		require.NoError(t, rows.Scan(&caption), "a word without a document makes a search of an earlier build fail")
		captions = append(captions, caption)
	}
	require.NoError(t, rows.Err())
	return captions
}

// TestEarlierBuildsFind: an earlier build that shares the file, or follows on a rollback,
// finds what this build stored, replaced and removed.
func TestEarlierBuildsFind(t *testing.T) {
	t.Parallel()
	x, _ := openTwo(t)
	e := floatsOf(1, 1, 0)
	put(t, x, "acme", "red tram", e)
	put(t, x, "acme", "blue tram", e)
	require.Equal(t, []string{"blue tram", "red tram"}, earlierBuild(t, x, "acme", "tram"))
	require.NoError(t, x.Upsert(t.Context(), []video.Document{{
		ID: "red tram", Tenant: "acme", Profile: "p", Video: "red tram", Generation: "1", Caption: "red ferry", Embedding: e,
	}}))
	require.Equal(t, []string{"blue tram"}, earlierBuild(t, x, "acme", "tram"))
	_, err := x.DeleteVideo(t.Context(), "acme", "", "red tram")
	require.NoError(t, err)
	require.Empty(t, earlierBuild(t, x, "acme", "ferry"))
}

// TestFindsWhatEarlierBuildsStored: an earlier build writes only its own table of words, while
// this build has the scope in memory.
func TestFindsWhatEarlierBuildsStored(t *testing.T) {
	t.Parallel()
	x, earlier := openTwo(t)
	e := floatsOf(1, 1, 0)
	words := func(text string) (captions []string) {
		hits, err := x.Search(t.Context(), video.Query{Tenant: "acme", Profile: "p", Text: text, Limit: 10, Rank: video.RankBM25})
		require.NoError(t, err)
		for _, h := range hits {
			captions = append(captions, h.Caption)
		}
		return captions
	}
	put(t, earlier, "acme", "東京の電車", e)
	require.Equal(t, []string{"東京の電車"}, words("電車"))
	put(t, earlier, "acme", "大阪の電車", e)
	require.Len(t, words("電車"), 2)
	_, err := earlier.DeleteVideo(t.Context(), "acme", "", "東京の電車")
	require.NoError(t, err)
	require.Equal(t, []string{"大阪の電車"}, words("電車"))
}
