package vespa

import "fmt"

// vectorProfile is the rank profile of video.RankVector: exact cosine of single
// vectors, MaxSim of multi-vectors.
const vectorProfile = "vector"

// rankDepth is how many hits a query ranks. It does not depend on the query's limit, so a
// smaller limit returns the beginning of the same list.
const rankDepth = 1000

type rankFunction struct{ Name, Expression string }

// rankProfile is one rank-profile of a schema.
type rankProfile struct {
	Name, Inherits string
	Inputs         []string
	Functions      []rankFunction
	First, Second  string // expressions; Second may be empty
	Rerank         int
	Text           bool // finds only documents with a word of the query
	Float, Binary  bool // requires query(qt), query(qtb)
}

// HitFields are the summary fields of a search hit.
func (s *schema) HitFields() []string {
	return []string{
		"doc_id", "tenant", "video_id", "generation", "creation_timestamp", "video_title", "segment_id", "pts_ms",
		"start_time", "end_time", "segment_description", "on_screen_text", "uri", "name", "frame_key", "preview", "audio_transcript", "kind", "language", "verbatim",
	}
}

const (
	textScore = "bm25(video_title) + bm25(segment_description) + bm25(audio_transcript) + bm25(on_screen_text)" +
		" + bm25(description_terms) + bm25(search_terms)"
	textScoreWithout = "bm25(video_title) + bm25(audio_transcript) + bm25(on_screen_text) + bm25(search_terms)"
)

// RankProfiles returns Cogniverse's rank profiles, if the schema has their fields, with the
// formulas of Vespa's visual retrieval samples, and "vector".
func (s *schema) RankProfiles() []rankProfile {
	list := []rankProfile{s.base()}
	add := func(p rankProfile) { p.Inherits = "similarity"; list = append(list, p) }
	float, binary := s.Float != "", s.Binary
	first := rankProfile{Name: "default", First: "float_similarity", Float: true}
	if binary {
		first = rankProfile{Name: "default", First: "binary_similarity", Binary: true}
	}
	add(first)
	add(rankProfile{Name: "bm25_only", First: "text_score", Text: true})
	add(rankProfile{Name: "bm25_no_description", First: "text_score_no_description", Text: true})
	if float {
		add(rankProfile{Name: "float_float", First: "float_similarity", Float: true})
	}
	if binary {
		add(rankProfile{Name: "binary_binary", First: "binary_similarity", Binary: true})
		add(rankProfile{Name: "float_binary", First: "float_binary_similarity", Float: true})
	}
	if float && binary {
		add(rankProfile{
			Name: "phased", First: "binary_similarity", Second: "float_similarity", Rerank: 100, Float: true, Binary: true,
		})
	}
	add(s.vector())
	for _, side := range []struct {
		name string
		has  bool
	}{{"float", float}, {"binary", binary}} {
		if !side.has {
			continue
		}
		for _, suffix := range []string{"", "_no_description"} {
			similarity, text := side.name+"_similarity", "text_score"+suffix
			p := rankProfile{Rerank: 100, Float: side.name == "float", Binary: side.name == "binary"}
			p.Name, p.First, p.Second = "hybrid_"+side.name+"_bm25"+suffix, similarity, similarity+" + 2 * "+text
			add(p)
			p.Name, p.First, p.Second, p.Text = "hybrid_bm25_"+side.name+suffix, text, similarity, true
			add(p)
		}
	}
	return list
}

// base has the inputs and formulas that the other profiles inherit.
func (s *schema) base() rankProfile {
	tokens, sum := "", "%s"
	if s.Multi {
		tokens = "querytoken{}, "
		sum = "sum(reduce(%s, max, patch), querytoken)"
	}
	p := rankProfile{Name: "similarity", Functions: []rankFunction{
		{"text_score", textScore},
		{"text_score_no_description", textScoreWithout},
	}}
	p.Inputs = append(p.Inputs, fmt.Sprintf("query(qt) tensor<float>(%sv[%d])", tokens, s.Dim))
	if s.Binary {
		p.Inputs = append(p.Inputs, fmt.Sprintf("query(qtb) tensor<int8>(%sv[%d])", tokens, s.Bytes()))
		p.Functions = append(p.Functions,
			rankFunction{"binary_similarity", fmt.Sprintf(sum, "1/(1 + sum(hamming(query(qtb), attribute(embedding_binary)), v))")},
			rankFunction{"float_binary_similarity", fmt.Sprintf(sum, "sum(query(qt) * unpack_bits(attribute(embedding_binary)), v)")})
	}
	switch {
	case s.Float != "" && s.Multi:
		p.Functions = append(p.Functions,
			rankFunction{"float_similarity", fmt.Sprintf(sum, "sum(query(qt) * cell_cast(attribute(embedding), float), v)")})
	case s.Float != "":
		// The cosine of a zero vector would be NaN; it is 0 here.
		p.Functions = append(p.Functions,
			rankFunction{"query_norm", "sqrt(sum(query(qt) * query(qt)))"},
			rankFunction{"document_norm", "sqrt(sum(attribute(embedding) * attribute(embedding)))"},
			rankFunction{"float_similarity", "if (query_norm * document_norm > 0, " +
				"sum(query(qt) * attribute(embedding)) / (query_norm * document_norm), 0)"})
	}
	return p
}

// vector is exact for single vectors and for bits. For multi-vectors that are stored as
// floats, a first phase ranks by bits.
func (s *schema) vector() rankProfile {
	p := rankProfile{Name: vectorProfile, First: "binary_similarity", Binary: true}
	switch {
	case s.Float == "":
	case s.Multi && s.Binary:
		p.Second, p.Rerank, p.Float = "float_similarity", rankDepth, true
	default:
		p.First, p.Float, p.Binary = "float_similarity", true, false
	}
	return p
}

// rank finds a profile by its name.
func (s *schema) rank(name string) (rankProfile, bool) {
	for _, p := range s.RankProfiles() {
		if p.Name == name && p.Inherits != "" {
			return p, true
		}
	}
	return rankProfile{}, false
}
