package video

import (
	"slices"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
)

// Check refuses a profile that cannot be run. The profile must be Normal.
func (p Profile) Check() error {
	if p.Name == "" {
		return p.bad("it has no name")
	}
	if p.ChunkFrames < 1 || p.ChunkFrames > 1024 {
		return p.bad("chunk_frames must be 1 to 1024")
	}
	if err := p.checkSampling(); err != nil {
		return err
	}
	if err := p.checkStages(); err != nil {
		return err
	}
	for _, class := range slices.Concat(p.Transcribe.GPU, p.Describe.GPU, p.Embed.GPU) {
		if !slices.Contains(GPUClasses(), class) {
			return p.bad("unknown GPU class " + strconv.Quote(class))
		}
	}
	return nil
}

// CheckMedia refuses a file in which a profile finds nothing to search. The profile has the subtitles of the run.
func (p Profile) CheckMedia(name string, m Media) error {
	if m.AudioOnly() && p.Transcribe.Model == "" && p.Subtitles == "" {
		return fault.New(fault.Input, "probe video", name, "it has no video stream, and profile "+strconv.Quote(p.Name)+
			" does not transcribe its sound: set transcribe in the profile, use another one, or put its subtitles (.srt or .vtt) beside it")
	}
	return nil
}

func (p Profile) bad(reason string) error {
	return fault.New(fault.Input, "check profile", p.Name, reason)
}

func (p Profile) checkSampling() error {
	s := p.Sampling
	switch {
	case !slices.Contains(Strategies(), s.Strategy):
		return p.bad("unknown strategy " + strconv.Quote(string(s.Strategy)) + ": use fps, keyframes, scene, segments or shots")
	case !(s.FPS > 0 && s.FPS <= 1000):
		return p.bad("fps must be above 0 and at most 1000")
	case s.MaxGapMS < 0 || s.WindowMS <= 0 || s.OverlapMS < 0 || s.OverlapMS >= s.WindowMS:
		return p.bad("gap, window and overlap must be positive and the overlap shorter than the window")
	case !(s.SceneThreshold > 0 && s.SceneThreshold < 1):
		return p.bad("scene_threshold must lie between 0 and 1")
	case s.MaxFrames < 1 || s.Width < 16 || s.Width > 16384 || s.Quality < 2 || s.Quality > 31:
		return p.bad("max_frames, width or quality is out of range")
	case s.Stills < 0 || s.Stills > 256 || s.Stills > 1 && s.Strategy != Segments && s.Strategy != Shots:
		return p.bad("stills must be at most 256, and require the strategy segments or shots")
	case s.VideoTrack < 0 || s.AudioTrack < 0:
		return p.bad("video_track and audio_track are counted from 1")
	case s.AudioTrack > 0 && s.AudioLanguage != "":
		return p.bad("audio_track and audio_language exclude each other")
	case s.NoAudio && (s.AudioTrack > 0 || s.AudioLanguage != ""):
		return p.bad("no_audio and a choice of the sound track exclude each other")
	case len(s.AudioLanguage) > 35:
		return p.bad("audio_language must be a language tag, such as de or ger")
	}
	return nil
}

// fixDescribeOf is what to do about a describer that takes one picture a call.
const fixDescribeOf = "remove describe.of, or use a model of an endpoint of kind openai"

func (p Profile) checkStages() error {
	d, e := p.Describe, p.Embed
	switch {
	case e.Model == "":
		return p.bad("embed needs a model")
	case d.Model == "" && e.Of == OfCaption:
		return p.bad("captions are to be embedded, but describe has no model")
	case !slices.Contains([]Of{OfCaption, OfFrame, OfSegment}, e.Of):
		return p.bad("unknown embed.of " + strconv.Quote(string(e.Of)) + `: use "frame", "segment" or nothing for the caption`)
	case e.Of == OfSegment && p.Sampling.Strategy != Segments && (p.Sampling.Strategy != Shots || p.Sampling.Stills < 2):
		return p.bad("embed.of segment requires the strategy segments, or shots with sampling.stills of at least 2")
	case d.Of != OfCaption && d.Of != OfFrame && d.Of != OfSegment:
		return p.bad("unknown describe.of " + strconv.Quote(string(d.Of)) + `: use "segment" for all stills of a segment or shot, or nothing for the frame`)
	case d.Of == OfSegment && p.Sampling.Stills < 2:
		return p.bad("describe.of segment requires sampling.stills of at least 2, and the strategy segments or shots")
	case d.Of == OfSegment && d.Preview:
		return p.bad("the built-in preview describer takes one picture a call; " + fixDescribeOf)
	case !slices.Contains([]Keep{KeepFloat, KeepBFloat16, KeepBits}, e.Keep):
		return p.bad("unknown embed.keep " + strconv.Quote(string(e.Keep)) + `: use "bfloat16", "bits" or nothing for 32 bits`)
	case e.Dim < 1 || e.Dim > 1<<16:
		return p.bad("embed.dim must be 1 to 65536 (in a profile of Cogniverse: schema_config.embedding_dim)")
	case e.Keep == KeepBits && e.Dim%8 != 0:
		return p.bad("embed.dim must be a multiple of 8 to be kept as bits")
	case e.Roles.check() != "":
		return p.bad(e.Roles.check())
	case d.MaxTokens < 0 || d.Temperature < 0 || d.Temperature > 2 || d.MaxPixels < 0 || e.MaxPixels < 0:
		return p.bad("max_tokens, temperature or max_pixels is out of range")
	}
	return nil
}
