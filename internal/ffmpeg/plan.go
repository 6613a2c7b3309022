package ffmpeg

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/ffmpeg/colour"
	"github.com/cogniverse/cogflow/internal/ffmpeg/stills"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/video"
)

// Tracks of the stream that ffmpeg writes, in this order.
const (
	trackTime  = iota + 1 // every decoded picture, as 2×2 pixels: the measured timeline
	trackSmall            // sampled pictures, small and grey
	trackJPEG             // sampled pictures
	trackThumb            // the first sampled pictures, as thumbnails
)

const (
	thumbWidth = 320
	thumbCount = 64 // candidates for the poster
)

// plan is one decoding pass over a part of a video.
type plan struct {
	media    video.Media
	sampling video.Sampling
	filter   string // picks the sampled pictures
	grid     *grid  // set if the filter moves pictures onto a grid
	keys     bool   // decode key frames only
	fromMS   int64  // start of the part
	untilMS  int64  // its end; 0 = to the end
	chosen   tracks.Chosen
	late     late
	colours  colour.Filters
	audio    bool
}

// mainPlan is the pass over the whole video; whole = every picture is decoded, even if key
// frames are enough for the strategy.
func mainPlan(m video.Media, c tracks.Chosen, s video.Sampling, whole bool) plan {
	p := plan{media: m, chosen: c, sampling: s, audio: c.Audio != nil}
	switch s.Strategy {
	case video.Keyframes:
		p.keys, p.filter = true, "null"
		if whole {
			p.keys, p.filter = false, selectFilter(m, s, "key")
		}
	case video.Scene:
		p.filter = selectFilter(m, s, "gt(scene,"+decimal(s.SceneThreshold)+")")
	case video.Segments:
		p.grid = &grid{offset: s.WindowMS / 2, period: s.WindowMS - s.OverlapMS, per: 1}
		if s.Stills > 1 {
			p.grid = &grid{offset: s.WindowMS / int64(2*s.Stills), period: s.WindowMS, per: int64(s.Stills)}
		}
		p.filter = p.grid.filter()
	default:
		p.grid = rateGrid(s.FPS)
		p.filter = p.grid.filter()
	}
	return p
}

// fillPlan looks into a part that the main pass left without a frame: one
// picture each step milliseconds, the first after offset.
func fillPlan(m video.Media, c tracks.Chosen, s video.Sampling, from, until, offset, step int64) plan {
	g := &grid{offset: offset, period: step, per: 1}
	return plan{media: m, chosen: c, sampling: s, grid: g, filter: g.filter(), fromMS: from, untilMS: until}
}

// selectFilter selects the pictures for which a condition is not 0, and more where they lie
// too far apart. The gap is shortened by one picture, because one is only seen to be late
// when it has come; half a millisecond is for rounding.
func selectFilter(m video.Media, s video.Sampling, condition string) string {
	gap := float64(s.MaxGapMS) / 1000
	if m.FPS > 0 {
		gap = math.Max(gap-1/m.FPS+0.0005, 0)
	}
	return fmt.Sprintf("select='eq(n,0)+%s+gte(t-prev_selected_t,%s)'", condition, decimal(gap))
}

// late says that ffmpeg shows the first pictures too early: they have no times, and it counts
// from 0. Matroska stores no negative times, so that this is a video that begins before 0.
type late struct {
	pictures int
	byMS     int64
}

func (l late) filter() string {
	if l.pictures == 0 || l.byMS <= 0 {
		return ""
	}
	return fmt.Sprintf(",setpts='PTS+lt(N,%d)*%d'", l.pictures, l.byMS)
}

// args is the argument vector of a pass. The same input and plan give the same
// bytes: everything is bit-exact, and encoders have one thread each.
func (t *Tool) args(p plan) []string {
	threads := t.config.Threads
	if p.keys {
		threads = max(1, threads-1) // the rest lists packets
	}
	args := []string{
		"-nostdin", "-hide_banner", "-v", "repeat+level+warning", "-max_error_rate", "1",
		"-threads", strconv.Itoa(threads), "-max_pixels", strconv.Itoa(maxPixels),
		"-reinit_filter", "0", // the scaler copes with a change of size; the sampler would start again
	}
	if p.keys {
		args = append(args, "-skip_frame", "nokey")
	}
	if p.fromMS > 0 {
		args = append(args, "-ss", decimal(float64(p.fromMS)/1000))
	}
	if p.untilMS > 0 {
		args = append(args, "-t", decimal(float64(p.untilMS-p.fromMS)/1000))
	}
	args = append(args, input()...)
	// Filters have little to do next to the decoder; more threads would only disturb it.
	args = append(args, "-filter_complex_threads", "1", "-filter_complex", p.graph())
	for _, pad := range []string{"[time]", "[small]", "[jpeg]", "[thumb]"} {
		args = append(args, "-map", pad)
	}
	quality := strconv.Itoa(p.sampling.Quality)
	args = append(args, "-c:v:0", "rawvideo", "-c:v:1", "rawvideo", "-c:v:2", "mjpeg", "-c:v:3", "mjpeg",
		"-q:v:2", quality, "-q:v:3", quality, "-threads:v", "1",
		t.sync, "passthrough", "-enc_time_base:v", "1:1000",
		"-max_interleave_delta", "1000000")
	args = append(args, output("pipe:1")...)
	if p.audio {
		args = append(args, soundArgs(p.chosen.Audio, "pipe:4")...)
	}
	return args
}

// output hands packets over as bit-exact Matroska, without anything from the
// metadata of the input.
func output(to string) []string {
	return []string{
		"-flags", "+bitexact", "-fflags", "+bitexact", "-map_metadata", "-1", "-map_chapters", "-1",
		"-avoid_negative_ts", "disabled", "-flush_packets", "1", "-f", "matroska", to,
	}
}

// graph makes all pictures from one decode: the sampled ones are scaled once,
// and everything else is made of them. crop takes the corner of a picture without copying it;
// scale keeps the grey of that branch from the other.
func (p plan) graph() string {
	w, h := p.size()
	tw, th := fit(w, h, thumbWidth)
	return strings.Join([]string{
		fmt.Sprintf("[0:%d]settb=1/1000%s,split=2[all][in]", p.chosen.Video.Index, p.late.filter()),
		"[all]crop=w='min(2,iw)':h='min(2,ih)':x=0:y=0:exact=1,scale=2:2:flags=neighbor,format=gray[time]",
		fmt.Sprintf("[in]%s,%s,pad=%d:%d:(ow-iw)/2:(oh-ih)/2:eval=frame,setsar=1,%s,split=3[jpeg][a][b]",
			p.filter, p.colours.Scale, w, h, p.colours.Convert),
		fmt.Sprintf("[a]scale=%d:%d:flags=area+%s,format=yuvj420p[small]", stills.SmallWidth, stills.SmallHeight, exact),
		fmt.Sprintf("[b]select='lt(n,%d)',scale=%d:%d:flags=area+%s[thumb]", thumbCount, tw, th, exact),
	}, ";")
}

// exact makes the scaler give the same bytes on each machine.
const exact = "bitexact+accurate_rnd"

// scaling is the arguments of scale. Pictures of another shape than the first are made to
// fit, and the rest is black.
func (p plan) scaling() string {
	w, h := p.size()
	alike := fmt.Sprintf("lt(abs(dar*%d/%d-1),0.05)", h, w)
	return fmt.Sprintf("w='if(%[1]s+gt(dar,%[2]d/%[3]d),%[2]d,max(2,2*trunc(%[3]d*dar/2)))':h='if(%[1]s+lt(dar,%[2]d/%[3]d),%[3]d,max(2,2*trunc(%[2]d/dar/2)))'"+
		":eval=frame:flags=bicubic+%[4]s", alike, w, h, exact)
}

// size is the size of the frames, never larger than the video.
func (p plan) size() (w, h int) { return fit(p.media.Width, p.media.Height, p.sampling.Width) }

// fit scales w×h to at most width, keeping its shape, to even numbers.
func fit(w, h, width int) (int, int) {
	if w > width {
		w, h = width, int(math.Round(float64(h)*float64(width)/float64(w)))
	}
	return max(2, w&^1), max(2, h&^1)
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
