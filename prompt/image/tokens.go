package image

// MaxTokens is an upper bound of the tokens of an image, for reservations. Vendors count in
// different ways; the bound is above each of them:
//   - OpenAI scales an image to a shorter side of 768 pixels and a longer one of at most 2048, and
//     counts tiles of 512 × 512. A tile has at most 5,667 tokens, and an image 2,833 more
//     (gpt-4o-mini).
//   - Anthropic counts a token per 750 pixels, Qwen per 784, Pixtral per 256; models with
//     patches of 14 × 14 pixels that are not merged count one per 196.
//   - Gemini counts 258 tokens per tile of 768 × 768, or at most 2,240 per image.
func (i Image) MaxTokens() int {
	const (
		base, perTile = 2833, 5667
		perPatch      = 14
		around        = 1024 // separators, rounding, and an overview of the image
		unknown       = 1 << 16
	)
	if i.width == 0 {
		return unknown
	}
	patches := ceil(i.width, perPatch)*ceil(i.height, perPatch) + around
	return max(base+perTile*tiles(i.width, i.height), patches)
}

// tiles is the number of tiles of 512 × 512 pixels after scaling.
func tiles(w, h int) int {
	const shorter, longer, side = 768, 2048, 512
	long := min(longer, ceil(shorter*max(w, h), min(w, h)))
	return ceil(shorter, side) * ceil(long, side)
}

func ceil(n, by int) int { return (n + by - 1) / by }
