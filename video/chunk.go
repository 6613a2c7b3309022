package video

// growth is after how many chunks of a video its chunks become larger, twice. Work starts
// early, and the history of a long video stays short.
const growth = 16

// ChunkStart is the number of frames before the chunk with the given index, of a profile whose
// first chunks have size frames. The last chunk of a video may be smaller, and so may one that
// an earlier build stored.
func ChunkStart(size, index int) int {
	return size * (index + max(0, index-growth) + max(0, index-2*growth))
}

// ChunkSize is the number of frames of that chunk: size, 2 × size from the 17th chunk on, and 3 ×
// size from the 33rd on.
func ChunkSize(size, index int) int { return ChunkStart(size, index+1) - ChunkStart(size, index) }
