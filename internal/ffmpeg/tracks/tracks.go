// Package tracks chooses which streams of a container are the picture and the sound of a
// video. It knows what ffprobe says about streams, and runs no program.
package tracks

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// Stream is one stream of a container, as ffprobe's JSON describes it. Entries lists the
// fields that must be asked for.
type Stream struct {
	Index       int         `json:"index"`      // in the container, from 0
	Type        string      `json:"codec_type"` // "video", "audio", "subtitle", "data", "attachment"
	Codec       string      `json:"codec_name"`
	Width       int         `json:"width"` // before rotation
	Height      int         `json:"height"`
	Aspect      string      `json:"sample_aspect_ratio"` // "4:3"; "0:1" = unknown
	Rate        string      `json:"avg_frame_rate"`      // "30000/1001"
	Duration    string      `json:"duration"`            // seconds; empty = unknown
	Frames      string      `json:"nb_frames"`           // empty = unknown
	Delay       int         `json:"has_b_frames"`        // pictures that the decoder holds back, to bring them into the order of showing
	Pixels      string      `json:"pix_fmt"`             // "yuv420p"; empty = unknown
	Space       string      `json:"color_space"`         // matrix: "bt709"; empty or "unknown" = unknown, as below
	Range       string      `json:"color_range"`         // "tv", "pc"
	Transfer    string      `json:"color_transfer"`      // "bt709", "smpte2084"
	Disposition Disposition `json:"disposition"`
	Tags        struct {
		Rotate   string `json:"rotate"` // of older versions of ffprobe
		Language string `json:"language"`
		Title    string `json:"title"`
	} `json:"tags"`
	SideData []SideData `json:"side_data_list"`
}

// Disposition holds the flags of a stream: 1 = set.
type Disposition struct {
	Default         int `json:"default"`
	Comment         int `json:"comment"`
	Forced          int `json:"forced"`
	HearingImpaired int `json:"hearing_impaired"`
	VisualImpaired  int `json:"visual_impaired"`
	AttachedPic     int `json:"attached_pic"`
	TimedThumbnails int `json:"timed_thumbnails"`
}

// SideData is a piece of a stream's side data.
type SideData struct {
	Type     string  `json:"side_data_type"`
	Rotation float64 `json:"rotation"` // counterclockwise degrees of a display matrix

	// Of a Dolby Vision configuration: its profile, and which players can show the base layer
	// without it; 0 = none.
	DolbyProfile int `json:"dv_profile"`
	DolbyBase    int `json:"dv_bl_signal_compatibility_id"`
}

// Entries is the value of ffprobe's -show_entries for streams.
const Entries = "stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,avg_frame_rate,duration,nb_frames,has_b_frames,pix_fmt,color_space,color_range,color_transfer" +
	":stream_disposition=default,forced,comment,hearing_impaired,visual_impaired,attached_pic,timed_thumbnails" +
	":stream_tags=rotate,language,title:stream_side_data=side_data_type,rotation,dv_profile,dv_bl_signal_compatibility_id"

// Chosen is what of a container is decoded. Audio is nil if there is no sound; Video is zero
// if there is only sound.
type Chosen struct {
	Video     Stream
	Audio     *Stream
	Subtitles *Stream // of what is said; nil = none
}

// ErrNoVideo is returned for a container without moving pictures.
var ErrNoVideo = errors.New("it has no video stream")

// Choose picks the tracks that the sampling names. By default these are the ones that the
// container marks as default, else the first ones; commentaries and descriptions for the
// visually impaired come last. Cover art and thumbnails are never a video. The errors are
// reasons for people; ErrNoVideo comes with the sound, if there is any. A track that is named and absent is refused, with the list of those
// that exist.
func Choose(all []Stream, s video.Sampling) (Chosen, error) {
	var pictures, sounds []Stream
	for _, one := range all {
		switch {
		case one.Type == "video" && one.Disposition.AttachedPic == 0 && one.Disposition.TimedThumbnails == 0:
			pictures = append(pictures, one)
		case one.Type == "audio" && one.Codec != "" && one.Codec != "unknown":
			sounds = append(sounds, one)
		}
	}
	if len(pictures) == 0 {
		return onlySound(sounds, s)
	}
	out := Chosen{Video: preferred(pictures)}
	if n := s.VideoTrack; n > 0 {
		if n > len(pictures) {
			return out, fmt.Errorf("it has no video track %d (video_track); it has %s", n, list(pictures))
		}
		out.Video = pictures[n-1]
	}
	if s.NoAudio {
		return out, nil
	}
	sound, err := chooseSound(sounds, s)
	out.Audio = sound
	if !s.NoSubtitles {
		out.Subtitles = chooseSubtitles(all, sound, s)
	}
	return out, err
}

// chooseSubtitles returns the subtitles that are the words of the sound: text in its language,
// where both are known, and not only translated signs.
func chooseSubtitles(all []Stream, sound *Stream, s video.Sampling) *Stream {
	spoken := s.AudioLanguage
	if sound != nil && sound.Tags.Language != "" {
		spoken = sound.Tags.Language
	}
	var fitting []Stream
	for _, one := range all {
		if one.Type != "subtitle" || !slices.Contains(textSubtitles(), one.Codec) || one.Disposition.Forced != 0 || one.Disposition.Comment != 0 {
			continue
		}
		if known(spoken) && known(one.Tags.Language) && !SameLanguage(spoken, one.Tags.Language) {
			continue
		}
		fitting = append(fitting, one)
	}
	if len(fitting) == 0 {
		return nil
	}
	best := preferred(fitting)
	return &best
}

// HasSubtitles reports whether some choice of tracks has subtitles.
func HasSubtitles(all []Stream) bool { return chooseSubtitles(all, nil, video.Sampling{}) != nil }

func known(language string) bool { return language != "" && !strings.EqualFold(language, "und") }

// textSubtitles are the codecs of subtitles that are text, not pictures of text.
func textSubtitles() []string {
	return []string{"subrip", "srt", "webvtt", "mov_text", "ass", "ssa", "text", "ttml"}
}

// onlySound returns ErrNoVideo, with the sound of a file that has only that.
func onlySound(sounds []Stream, s video.Sampling) (Chosen, error) {
	if s.NoAudio || s.VideoTrack > 0 {
		return Chosen{}, ErrNoVideo
	}
	sound, err := chooseSound(sounds, s)
	if err != nil {
		return Chosen{}, err
	}
	return Chosen{Audio: sound}, ErrNoVideo
}

func chooseSound(sounds []Stream, s video.Sampling) (*Stream, error) {
	switch {
	case s.AudioTrack > len(sounds):
		return nil, fmt.Errorf("it has no sound track %d (audio_track); it has %s", s.AudioTrack, list(sounds))
	case s.AudioTrack > 0:
		return &sounds[s.AudioTrack-1], nil
	case s.AudioLanguage != "":
		var spoken []Stream
		for _, one := range sounds {
			if SameLanguage(one.Tags.Language, s.AudioLanguage) {
				spoken = append(spoken, one)
			}
		}
		if len(spoken) == 0 {
			return nil, fmt.Errorf("it has no sound track in the language %q (audio_language); it has %s", s.AudioLanguage, list(sounds))
		}
		sounds = spoken
	case len(sounds) == 0:
		return nil, nil //nolint:nilnil // a video without sound is not an error
	}
	best := preferred(sounds)
	return &best, nil
}

// preferred returns the first stream of the highest rank.
func preferred(streams []Stream) Stream {
	best := streams[0]
	for _, one := range streams[1:] {
		if one.Disposition.rank() > best.Disposition.rank() {
			best = one
		}
	}
	return best
}

func (d Disposition) rank() int {
	switch {
	case d.Default != 0:
		return 2
	case d.Comment != 0 || d.VisualImpaired != 0 || d.HearingImpaired != 0:
		return 0
	}
	return 1
}

// SameLanguage compares the languages of two tags, such as "de", "ger", "deu" and "de-AT".
// Tags that are not known are compared as text.
func SameLanguage(a, b string) bool {
	if strings.EqualFold(a, b) {
		return a != ""
	}
	x, errX := language.Parse(a)
	y, errY := language.Parse(b)
	if errX != nil || errY != nil || x == language.Und || y == language.Und {
		return false
	}
	baseX, _ := x.Base()
	baseY, _ := y.Base()
	return baseX == baseY
}

// list describes tracks for people: "1 (h264, 1280×720, default), 2 (h264, 320×240)".
func list(streams []Stream) string {
	if len(streams) == 0 {
		return "none"
	}
	var out []string
	for i, one := range streams {
		about := []string{plain(one.Codec)}
		if one.Width > 0 {
			about = append(about, fmt.Sprintf("%d×%d", one.Width, one.Height))
		}
		for _, text := range []string{one.Tags.Language, one.Tags.Title} {
			if text != "" {
				about = append(about, plain(text))
			}
		}
		if one.Disposition.Default != 0 {
			about = append(about, "default")
		}
		out = append(out, strconv.Itoa(i+1)+" ("+strings.Join(about, ", ")+")")
		if i == 15 && len(streams) > 16 {
			out = append(out, fmt.Sprintf("and %d more", len(streams)-16))
			break
		}
	}
	return strings.Join(out, ", ")
}

// plain makes text of a container fit to be shown on one line.
func plain(text string) string { return safetext.Line(text, 40) }
