package vespatest

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// term is a word or a phrase of a query.
type term struct {
	words  string   // with a space after each
	fields []string // in which it is searched
}

// count is the number of occurrences in one field of a document.
func (t term) count(field string, x *document) (n int) {
	phrase := strings.Fields(t.words)
	words := x.words[field]
	for at := 0; at+len(phrase) <= len(words); at++ {
		if slices.Equal(words[at:at+len(phrase)], phrase) {
			n++
		}
	}
	return n
}

func (t term) match(x *document) bool {
	return t.words != "" && slices.ContainsFunc(t.fields, func(field string) bool { return t.count(field, x) > 0 })
}

// ranker computes the score of documents of one type.
type ranker struct {
	d       *docType
	profile *rankProfile
	inputs  map[string]*tensor
	terms   []term
	stats   map[string]*fieldStats
}

// fieldStats are the statistics of all documents of a schema that BM25 requires.
type fieldStats struct {
	documents float64
	mean      float64
	having    map[string]float64 // by words
}

func newRanker(d *docType, p *rankProfile, terms []term, docs map[string]*document) *ranker {
	r := &ranker{d: d, profile: p, inputs: map[string]*tensor{}, stats: map[string]*fieldStats{}}
	seen := map[string]bool{}
	for _, t := range terms {
		if !seen[t.words] {
			seen[t.words] = true
			r.terms = append(r.terms, t)
		}
	}
	if len(r.terms) == 0 {
		return r
	}
	for _, field := range d.fieldset["default"] {
		s := &fieldStats{documents: float64(len(docs)), having: map[string]float64{}}
		for _, x := range docs {
			s.mean += float64(len(x.words[field]))
			for _, t := range r.terms {
				if t.count(field, x) > 0 {
					s.having[t.words]++
				}
			}
		}
		s.mean = max(1, s.mean/max(1, s.documents))
		r.stats[field] = s
	}
	return r
}

// evaluate adds up the terms of an expression: [number *] function or feature.
// The similarities are computed by their names, not from their expressions.
func (r *ranker) evaluate(expression string, x *document) (float64, error) {
	sum := 0.0
	for term := range strings.SplitSeq(expression, " + ") {
		factor := 1.0
		if number, rest, ok := strings.Cut(term, " * "); ok {
			parsed, err := strconv.ParseFloat(number, 64)
			if err != nil {
				return 0, err
			}
			factor, term = parsed, rest
		}
		value, err := r.feature(term, x)
		if err != nil {
			return 0, err
		}
		sum += factor * value
	}
	return sum, nil
}

func (r *ranker) feature(name string, x *document) (float64, error) {
	if field, ok := strings.CutPrefix(name, "bm25("); ok {
		return r.bm25(strings.TrimSuffix(field, ")"), x), nil
	}
	expression, ok := r.profile.functions[name]
	if !ok {
		return 0, fmt.Errorf("rank feature %s is not supported", name)
	}
	switch name {
	case "binary_similarity":
		return r.maxSim("qtb", "embedding_binary", x, hamming)
	case "float_binary_similarity":
		return r.maxSim("qt", "embedding_binary", x, unpacked)
	case "float_similarity":
		if r.d.fields["embedding"].mapped == "" {
			return r.maxSim("qt", "embedding", x, cosine)
		}
		return r.maxSim("qt", "embedding", x, dot)
	default:
		return r.evaluate(expression, x)
	}
}

// bm25 uses Vespa's constants: k1 1.2, b 0.75.
func (r *ranker) bm25(field string, x *document) float64 {
	const k1, b = 1.2, 0.75
	score, s := 0.0, r.stats[field]
	for _, t := range r.terms {
		count := float64(t.count(field, x))
		if count == 0 || !slices.Contains(t.fields, field) {
			continue
		}
		idf := math.Log(1 + (s.documents-s.having[t.words]+0.5)/(s.having[t.words]+0.5))
		score += idf * count * (k1 + 1) / (count + k1*(1-b+b*float64(len(x.words[field]))/s.mean))
	}
	return score
}

// row is one row of a query or document tensor.
type row struct {
	floats []float64
	bytes  []byte
}

func (t *tensor) rows() []row {
	out := make([]row, len(t.labels))
	for i := range out {
		if t.floats != nil {
			out[i].floats = t.floats[i]
		} else {
			out[i].bytes = t.bytes[i]
		}
	}
	return out
}

// maxSim is the sum over query rows of the best similarity to a document row.
// Rows are added in the order of their labels, so that equal tensors score
// equally.
func (r *ranker) maxSim(input, field string, x *document, similarity func(q, d row) float64) (float64, error) {
	query := r.inputs[input]
	if query == nil {
		return 0, fmt.Errorf("rank profile requires query(%s)", input)
	}
	stored := x.tensors[field]
	if stored == nil {
		return 0, nil
	}
	sum := 0.0
	for _, q := range query.rows() {
		best := math.Inf(-1)
		for _, d := range stored.rows() {
			best = max(best, similarity(q, d))
		}
		sum += best
	}
	return sum, nil
}

func hamming(q, d row) float64 {
	distance := 0
	for i := range q.bytes {
		distance += bits.OnesCount8(q.bytes[i] ^ d.bytes[i])
	}
	return 1 / float64(1+distance)
}

func unpacked(q, d row) float64 {
	sum := 0.0
	for i, cell := range q.floats {
		if d.bytes[i/8]&(0x80>>(i%8)) != 0 {
			sum += cell
		}
	}
	return sum
}

func dot(q, d row) float64 {
	sum := 0.0
	for i := range q.floats {
		sum += q.floats[i] * d.floats[i]
	}
	return sum
}

func cosine(q, d row) float64 {
	norm := math.Sqrt(dot(q, q)) * math.Sqrt(dot(d, d))
	if norm == 0 {
		return 0
	}
	return dot(q, d) / norm
}
