package image

// MaxTokens is an upper bound of the tokens of an image, for reservations. Vendors count in
// different ways; the bound is above each of them:
//   - OpenAI scales an image to at most 2048 × 768 pixels and counts tiles of 512 × 512. A tile
//     has at most 5,667 tokens, and an image 2,833 more (gpt-4o-mini).
//   - Anthropic counts a token per 750 pixels, Qwen per 784, Pixtral per 256; models with
//     patches of 14 × 14 pixels that are not merged count one per 196.
//   - Gemini counts 258 tokens per tile of 768 × 768.
func (i Image) MaxTokens() int {
	const (
		base, perTile = 2833, 5667
		mostTiles     = 8 // 2048 × 768
		perPatch      = 14
		around        = 1024 // separators, rounding, and an overview of the image
		unknown       = 1 << 16
	)
	if i.width == 0 {
		return unknown
	}
	patches := ceil(i.width, perPatch)*ceil(i.height, perPatch) + around
	return max(base+perTile*min(mostTiles, tiles(i.width, i.height)), patches)
}

// tiles is the number of tiles of 512 × 512 pixels without scaling.
func tiles(w, h int) int { return ceil(w, 512) * ceil(h, 512) }

func ceil(n, by int) int { return (n + by - 1) / by }
