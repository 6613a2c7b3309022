package video

import "math"

// assumedDurationMS replaces a duration that the container does not state.
const assumedDurationMS = 60_000

// EstimateFrames is the maximum number of frames that sampling takes from a video, before
// near-duplicates are dropped; 0 = it has no pictures. For keyframes, scenes and shots the content decides: the
// maximum gap gives the minimum, and twice that is assumed; shots are at least as many as windows.
func (s Sampling) EstimateFrames(m Media) int {
	if m.AudioOnly() {
		return 0
	}
	duration := float64(m.DurationMS)
	if duration <= 0 {
		duration = assumedDurationMS
	}
	var frames float64
	switch s.Strategy {
	case Segments:
		step := float64(s.WindowMS - s.OverlapMS)
		frames = math.Ceil(max(duration-float64(s.OverlapMS), 1) / step)
	case Keyframes, Scene, Shots:
		frames = 2 * math.Ceil(duration/float64(max(s.MaxGapMS, 1)))
		if s.Strategy == Shots {
			frames = max(frames, math.Ceil(duration/float64(max(s.WindowMS, 1))))
		}
	case FixedRate:
		rate := s.FPS
		if m.FPS > 0 {
			rate = min(rate, m.FPS)
		}
		frames = math.Ceil(duration / 1000 * rate)
	}
	return int(min(max(frames, 1), float64(s.MaxFrames)))
}
