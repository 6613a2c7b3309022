package video

import "math"

// assumedDurationMS stands in for a duration that the container does not tell.
const assumedDurationMS = 60_000

// EstimateFrames says how many frames sampling takes from a video at most,
// before near-duplicates are dropped. For keyframes and scenes the content
// decides; the maximum gap then gives the least and twice that is assumed.
func (s Sampling) EstimateFrames(m Media) int {
	duration := float64(m.DurationMS)
	if duration <= 0 {
		duration = assumedDurationMS
	}
	var frames float64
	switch s.Strategy {
	case Segments:
		step := float64(s.WindowMS - s.OverlapMS)
		frames = math.Ceil(max(duration-float64(s.OverlapMS), 1) / step)
	case Keyframes, Scene:
		frames = 2 * math.Ceil(duration/float64(max(s.MaxGapMS, 1)))
	case FixedRate:
		rate := s.FPS
		if m.FPS > 0 {
			rate = min(rate, m.FPS)
		}
		frames = math.Ceil(duration / 1000 * rate)
	}
	return int(min(max(frames, 1), float64(s.MaxFrames)))
}
