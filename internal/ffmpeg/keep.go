package ffmpeg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/cogniverse/cogflow/internal/ffmpeg/shots"
	"github.com/cogniverse/cogflow/internal/ffmpeg/stills"
	"github.com/cogniverse/cogflow/video"
)

// errCapped stops a pass when enough frames are kept.
var errCapped = errors.New("enough frames")

// sample is a picture that the strategy picked.
type sample struct {
	ptsMS int64
	endMS int64 // segments: end of the window; else 0
	start int64 // segments: start of the window
	atMS  int64 // on a grid: the instant, which the picture may be older than
	jpeg  []byte
	small stills.Small

	shot   int      // the number of the shot, from 1; 0 = cuts are counted here
	stills []sample // of the window or shot, if several are asked for
}

// keeper decides which samples become frames and what range each stands for.
// It holds one frame back: only the next one says where it ends.
type keeper struct {
	sampling      video.Sampling
	width, height int
	emit          func(video.Picture) error

	frame   *video.Frame // held back
	held    sample
	kept    stills.Small // of the last kept frame
	hash    uint64
	keptMS  int64
	before  stills.Small // the sample before
	afterMS int64
	shot    int
	shotWas int // of the last kept frame

	frames     int
	duplicates int
	bytes      int64
}

// add takes the next sample in order of time.
func (k *keeper) add(s sample) error {
	motion := 0.0
	if k.before != nil {
		motion = s.small.Change(k.before)
		if s.small.Cut(k.before) {
			k.shot++
		}
	}
	if s.shot > 0 {
		k.shot = s.shot - 1
	}
	gap := s.ptsMS - k.afterMS // to the sample before, and likely to the next one
	first := k.before == nil
	k.before, k.afterMS = s.small, s.ptsMS
	hash := s.small.Hash()
	if !first && k.duplicate(s, hash, gap) {
		k.duplicates++
		if s.endMS > 0 {
			k.frame.EndMS = s.endMS
		}
		return nil
	}
	if err := k.flush(s.ptsMS); err != nil {
		return err
	}
	if k.frames >= k.sampling.MaxFrames {
		return errCapped
	}
	k.hold(s, hash, motion)
	return nil
}

// duplicate reports a sample that shows nothing new. One is kept all the same
// if by the next sample too much time would have passed since the last frame.
func (k *keeper) duplicate(s sample, hash uint64, gap int64) bool {
	since := s.ptsMS - k.keptMS
	if since <= 0 {
		return true // another picture of the same millisecond
	}
	return k.sampling.Strategy != video.Shots && k.sampling.DedupDistance >= 0 && k.shot == k.shotWas && since+gap <= k.sampling.MaxGapMS &&
		stills.Alike(s.small, k.kept, hash, k.hash, k.sampling.DedupDistance)
}

// shot takes a shot, unless it shows the same as the one before, which then stands for both.
func (x *extractor) shot(s shots.Shot) error {
	one := func(p shots.Picture) sample { return sample{ptsMS: p.PTSMS, jpeg: p.JPEG, small: p.Small} }
	best := one(s.Best)
	best.start, best.endMS, best.shot = s.StartMS, s.EndMS, s.Number
	for _, p := range s.Stills {
		best.stills = append(best.stills, one(p))
	}
	k := x.keeper
	if k.frame != nil && k.sampling.DedupDistance >= 0 && k.repeats(best) {
		k.duplicates++
		k.frame.EndMS = s.EndMS
		return nil
	}
	return k.add(best)
}

// repeats reports that each still of a shot shows the same as one of the shot that is held.
func (k *keeper) repeats(s sample) bool {
	alike := func(a, b stills.Small) bool {
		return shots.Same(a, b) || stills.Alike(a, b, a.Hash(), b.Hash(), k.sampling.DedupDistance) // hashes of plain areas are noise
	}
	if !alike(s.small, k.kept) {
		return false
	}
	for _, still := range s.stills {
		if !alike(still.small, k.kept) && !slices.ContainsFunc(k.held.stills, func(kept sample) bool { return alike(still.small, kept.small) }) {
			return false
		}
	}
	return true
}

// hold makes a frame of a sample.
func (k *keeper) hold(s sample, hash uint64, motion float64) {
	sum := sha256.Sum256(s.jpeg)
	start := s.ptsMS
	if s.endMS > 0 {
		start = s.start
	}
	k.frame = &video.Frame{
		PTSMS: s.ptsMS, StartMS: start, EndMS: s.endMS,
		SHA256: hex.EncodeToString(sum[:]), Bytes: len(s.jpeg), Width: k.width, Height: k.height,
		DHash: stills.Hex(hash), Motion: motion, Shot: k.shot,
	}
	for _, still := range s.stills {
		sum := sha256.Sum256(still.jpeg)
		k.frame.Stills = append(k.frame.Stills, video.Still{PTSMS: still.ptsMS, SHA256: hex.EncodeToString(sum[:])})
	}
	k.held = s
	k.kept, k.hash, k.keptMS, k.shotWas = s.small, hash, s.ptsMS, k.shot
	k.frames++
	k.bytes += int64(len(s.jpeg))
}

// flush emits the frame that is held back; unless it stands for a window it
// ends where the next one starts.
func (k *keeper) flush(nextMS int64) error {
	if k.frame == nil {
		return nil
	}
	f := *k.frame
	if f.EndMS == 0 {
		f.EndMS = max(nextMS, f.PTSMS+1)
	}
	p := video.Picture{Frame: f, JPEG: k.held.jpeg}
	for _, still := range k.held.stills {
		p.Stills = append(p.Stills, still.jpeg)
	}
	k.frame, k.held = nil, sample{}
	return k.emit(p)
}
