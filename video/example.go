package video

import (
	"slices"

	"github.com/cogniverse/cogflow/fault"
)

// MaxExample is the maximum size of a picture to search by, in bytes. The command line makes
// larger ones smaller.
const MaxExample = 8 << 20

// maxExampleID bounds the id of a document, in bytes.
const maxExampleID = 256

// Example is what a search looks for besides words. The zero value is nothing.
type Example struct {
	Image string `json:"image,omitempty"` // SHA-256 of a JPEG that is stored under the key TENANT/examples/SHA-256.jpg; requires a profile that embeds pictures
	Like  string `json:"like,omitempty"`  // id of a document, as hits have it; its stored embedding is compared
}

// Given reports whether there is an example.
func (e Example) Given() bool { return e != Example{} }

// Fits refuses an example that is not valid, or of which a search with these words and this
// rank would ignore a part.
func (e Example) Fits(words string, rank Rank) error {
	bad := func(key, reason string) error { return fault.New(fault.Input, "read input", key, reason) }
	if e.Image != "" {
		if _, err := ParseID(e.Image); err != nil {
			return bad("image", "must be the SHA-256 of a stored JPEG, 64 lower-case hexadecimal digits")
		}
	}
	switch {
	case e.Image != "" && e.Like != "":
		return bad("like", "is not supported together with image: search by one of them")
	case len(e.Like) > maxExampleID:
		return bad("like", "must be the id of a document")
	case e.Given() && rank == RankBM25:
		return bad("rank", "bm25 compares words only, and would ignore the example; use vector, or hybrid for an example and words")
	case e.Given() && rank == RankVector && words != "":
		return bad("rank", "vector compares the example only, and would ignore the words; use hybrid")
	}
	return nil
}

// DefaultRank is how hits are ordered unless a search says otherwise.
func (e Example) DefaultRank(words string) Rank {
	if e.Given() && words == "" {
		return RankVector
	}
	return RankHybrid
}

// Pictured lists the names of the profiles that embed pictures, which a picture can be
// compared with.
func Pictured(profiles []Profile) (names []string) {
	for _, p := range profiles {
		if p.Embed.Of != OfCaption {
			names = append(names, p.Name)
		}
	}
	return names
}

// Sampled returns at most n of the vectors, evenly spread. A picture has a vector for each of
// a thousand patches, each of which a search compares with every patch of every document.
func (e Embedding) Sampled(n int) Embedding {
	if e.Rows <= n {
		return e
	}
	out := Embedding{Dim: e.Dim, Rows: n}
	for i := range n {
		row := (2*i + 1) * e.Rows / (2 * n)
		if e.Bits != nil {
			out.Bits = append(out.Bits, e.Bits[row*e.Dim/8:(row+1)*e.Dim/8]...)
		} else {
			out.Floats = append(out.Floats, e.Floats[row*e.Dim:(row+1)*e.Dim]...)
		}
	}
	return out
}

// ExampleFirst puts a document before hits that are as similar to it as it is to itself.
func ExampleFirst(hits []Hit, id string) []Hit {
	own := slices.IndexFunc(hits, func(h Hit) bool { return h.ID == id })
	if own <= 0 || id == "" {
		return hits
	}
	first := slices.IndexFunc(hits, func(h Hit) bool { return h.Score-hits[own].Score <= exampleTolerance*max(h.Score, 1) })
	return slices.Insert(slices.Delete(slices.Clone(hits), own, own+1), first, hits[own])
}

// exampleTolerance is the part of a score by which rounding can change it.
const exampleTolerance = 1e-4
