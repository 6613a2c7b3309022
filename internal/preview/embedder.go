package preview

import (
	"context"
	"hash/fnv"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

const (
	dim     = 256
	maxRead = 64 << 10 // bytes of a text that are read; captions are far shorter
)

// Embedder turns texts into vectors by hashing words and character n-grams, so
// that texts which share words, also inflected or misspelt ones, are close. It
// does not model meaning. The zero value is ready to use; queries and documents
// are embedded in the same way.
type Embedder struct{}

// Limit allows one call per processor.
func (Embedder) Limit(string) int { return runtime.NumCPU() }

// EmbedPictures returns an error: this model reads texts only.
func (Embedder) EmbedPictures(_ context.Context, r video.PictureRequest) (video.Embedding, error) {
	return video.Embedding{}, fault.New(fault.Input, "embed picture", r.Stage.Model,
		"the built-in embedder reads texts only; leave embed.of empty, or name a model for pictures")
}

// EmbedTexts returns one normalized row of 256 floats for each text.
func (Embedder) EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error) {
	if err := checkModel("embed text", r.Stage.Model, EmbedderModel); err != nil {
		return nil, err
	}
	out := make([]video.Embedding, 0, len(r.Texts))
	for i, text := range r.Texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		vector := embed(text)
		if vector == nil {
			return nil, fault.New(fault.Input, "embed text", strconv.Itoa(i+1), "the text is empty")
		}
		out = append(out, video.Embedding{Dim: dim, Rows: 1, Floats: vector})
	}
	return out, nil
}

// embed returns nil for a text without anything to hash.
func embed(text string) []float32 {
	if len(text) > maxRead {
		text = text[:maxRead]
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	counts := features(text)
	// Floating point sums depend on their order, and the order of a map is random.
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	sums := make([]float64, dim)
	for _, name := range names {
		h := hash(name)
		weight := counts[name].weight * math.Sqrt(float64(counts[name].n)) // exact everywhere, unlike a logarithm
		if h>>63 == 1 {                                                    // with signs, collisions cancel out on average
			weight = -weight
		}
		sums[h%dim] += weight
	}
	return normalize(sums)
}

func normalize(sums []float64) []float32 {
	var squares float64
	for _, v := range sums {
		squares += float64(v * v)
	}
	if squares == 0 { // every feature was cancelled by its opposite: the same as no feature
		sums[0], squares = 1, 1
	}
	out := make([]float32, len(sums))
	for i, v := range sums {
		out[i] = float32(v / math.Sqrt(squares))
	}
	return out
}

type feature struct {
	n      int
	weight float64
}

// features counts words, pairs of words, and pieces of three and four letters.
// The pieces of a word together have the same weight as the word.
func features(text string) map[string]feature {
	counts := map[string]feature{}
	add := func(name string, weight float64) {
		f := counts[name]
		counts[name] = feature{n: f.n + 1, weight: max(f.weight, weight)}
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	if len(words) == 0 {
		words = []string{strings.TrimSpace(text)} // only signs: still a text
	}
	before := ""
	for _, word := range words {
		weight := 1.0
		if frequent[word] {
			weight = 0.1
		}
		add("w "+word, weight)
		if before != "" {
			add("p "+before+" "+word, 0.5*weight)
		}
		before = word
		letters := []rune("<" + word + ">")
		pieces := max(1, 2*len(letters)-5)
		each := weight / math.Sqrt(float64(pieces))
		for size := 3; size <= 4; size++ {
			for i := 0; i+size <= len(letters); i++ {
				add("c "+string(letters[i:i+size]), each)
			}
		}
	}
	return counts
}

// hash mixes FNV's weak high bits, because they determine the sign.
func hash(s string) uint64 {
	f := fnv.New64a()
	_, _ = f.Write([]byte(s)) // never fails
	h := f.Sum64()
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return h
}

// frequent words hardly distinguish texts. The last line holds the words that the describer
// writes into nearly every caption.
var frequent = func() map[string]bool { //nolint:gochecknoglobals // a constant table
	set := map[string]bool{}
	for w := range strings.FieldsSeq(`
		a an and are as at be but by for from has have he her his i in is it its of on or
		she that the their there they this to was we were what where which who will with you your
		mostly on screen text shot subject landscape portrait contrast detail detailed medium`) {
		set[w] = true
	}
	return set
}()
