package ffmpeg

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/video"
)

const opProbe = "probe video"

// Bounds of what is decoded: a header costs nothing, its pixels do.
const (
	maxSide   = 16384 // exclusive
	maxPixels = 64 << 20
)

// demuxers are the containers that are read. Playlists (hls, dash, concat),
// devices, image lists and subtitles are not among them: they name other files.
// Raw streams are not either: they have no timestamps.
const demuxers = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif," +
	"mp3,wav,w64,flac,aac,aiff,caf,amr,au,ac3,eac3,ape,wv,tta"

// input opens descriptor 3. The options before it say what it may be.
func input() []string {
	return []string{
		"-protocol_whitelist", "file,pipe", "-format_whitelist", demuxers, "-i", "file:/dev/fd/3",
	}
}

// Probe reads what the container says about the tracks that are decoded by default. A file
// that cannot be a video gives an input fault that says why.
func (t *Tool) Probe(ctx context.Context, file *os.File) (video.Media, error) {
	p, err := t.probe(ctx, file)
	if err != nil {
		return video.Media{}, err
	}
	m, _, err := p.media(video.Sampling{})
	if err != nil {
		return video.Media{}, fault.New(fault.Input, opProbe, file.Name(), err.Error())
	}
	t.known.add(file, p)
	return m, nil
}

// probe asks ffprobe.
func (t *Tool) probe(ctx context.Context, file *os.File) (probed, error) {
	if err := sniff(opProbe, file); err != nil {
		return probed{}, err
	}
	said := &complaints{}
	args := append([]string{"-hide_banner", "-v", "level+error", "-of", "json", "-show_entries", entries}, input()...)
	out, err := t.config.Sandbox.Run(ctx, sandbox.Command{
		Path: t.config.FFprobe, Args: args, Files: []*os.File{file}, ReadOnly: true,
		Limits: t.limits(time.Minute), Stderr: said.add,
	}, 8<<20)
	if err != nil {
		return probed{}, refusal(opProbe, file, err, said)
	}
	var p probed
	if json.Unmarshal(out, &p) != nil {
		return probed{}, fault.New(fault.Input, opProbe, file.Name(), "ffprobe gave an unreadable answer")
	}
	return p, t.measure(ctx, file, &p)
}

// measure replaces the duration of a container whose clock jumps: ffprobe subtracts the first
// time from the last.
func (t *Tool) measure(ctx context.Context, file *os.File, p *probed) error {
	m, chosen, err := p.media(video.Sampling{})
	if err != nil || !slices.Contains([]string{"mpegts", "mpeg", "ogg"}, p.Format.Name) {
		return nil //nolint:nilerr // the caller refuses it, by the sampling that it has
	}
	table, err := t.index(ctx, file, m, chosen)
	if err == nil && table.Jumps > 0 {
		p.Format.Duration = decimal(float64(table.DurationMS) / 1000)
	}
	return err
}

// probed is the part of ffprobe's answer that is asked for.
type probed struct {
	Format struct {
		Name     string `json:"format_name"`
		Duration string `json:"duration"`
		Start    string `json:"start_time"`
	} `json:"format"`
	Streams []tracks.Stream `json:"streams"`
}

// entries are the fields of probed.
const entries = "format=format_name,duration,start_time:" + tracks.Entries

// media describes the tracks that the sampling chooses. Its errors are reasons for people.
func (p probed) media(s video.Sampling) (video.Media, tracks.Chosen, error) {
	m := video.Media{
		Format:     plain(p.Format.Name),
		DurationMS: milliseconds(p.Format.Duration),
		StartMS:    milliseconds(p.Format.Start),
	}
	chosen, err := tracks.Choose(p.Streams, s)
	if chosen.Audio != nil {
		m.AudioCodec, m.AudioLanguage = plain(chosen.Audio.Codec), plain(chosen.Audio.Tags.Language)
	}
	if errors.Is(err, tracks.ErrNoVideo) && chosen.Audio != nil {
		return m, chosen, nil
	}
	if err != nil {
		return video.Media{}, chosen, err
	}
	m.Subtitles = tracks.HasSubtitles(p.Streams)
	m.DurationMS = length(m, chosen.Video)
	return m, chosen, describe(chosen.Video, &m)
}

// length is the duration without the time before the start. Matroska, ASF and MP4 count theirs
// from 0, wherever the video begins; of MP4, the stream tells.
func length(m video.Media, s tracks.Stream) int64 {
	name, _, _ := strings.Cut(m.Format, ",")
	fromZero := name == "matroska" || name == "asf"
	if own := milliseconds(s.Duration); name == "mov" && own > 0 {
		fromZero = m.DurationMS >= own+m.StartMS-1
	}
	if fromZero && m.DurationMS > m.StartMS {
		return m.DurationMS - m.StartMS
	}
	return m.DurationMS
}

// describe fills in what the video stream says and refuses what cannot be decoded.
func describe(s tracks.Stream, m *video.Media) error {
	m.VideoCodec = plain(s.Codec)
	m.Width, m.Height = s.Width, s.Height
	switch {
	case s.Frames == "0" || (m.DurationMS <= 0 && s.Frames == "" && zero(s.Duration)):
		return errors.New("its video stream is empty")
	case s.Codec == "" || s.Codec == "unknown":
		return errors.New("its video codec is unknown")
	case s.Width <= 0 || s.Height <= 0:
		return errors.New("the size of its pictures is missing, or it has no pictures")
	case s.Width >= maxSide || s.Height >= maxSide || s.Width*s.Height > maxPixels:
		return errors.New("its pictures of " + strconv.Itoa(s.Width) + "×" + strconv.Itoa(s.Height) +
			" pixels are too large: at most 67 million pixels and 16383 a side are decoded")
	}
	if m.DurationMS < 0 {
		m.DurationMS = 0
	}
	if aspect := ratio(s.Aspect, ":"); aspect > 0.25 && aspect < 4 {
		m.Width = max(1, int(math.Round(float64(m.Width)*aspect)))
	}
	m.FPS = ratio(s.Rate, "/")
	m.Rotation = rotation(s)
	if m.Rotation%180 != 0 {
		m.Width, m.Height = m.Height, m.Width
	}
	return nil
}

// rotation is clockwise; the display matrix counts the other way round, and
// older versions of ffprobe have a tag instead.
func rotation(s tracks.Stream) int {
	degrees, _ := strconv.ParseFloat(s.Tags.Rotate, 64) // an unreadable tag means none
	for _, side := range s.SideData {
		if side.Rotation != 0 {
			degrees = -side.Rotation
		}
	}
	if math.IsNaN(degrees) || math.Abs(degrees) > 1e6 {
		return 0
	}
	quarter := int(math.Round(degrees/90)) % 4
	return (quarter + 4) % 4 * 90
}

// zero reports a duration that is given and is nothing.
func zero(seconds string) bool {
	d, err := strconv.ParseFloat(seconds, 64)
	return err == nil && d == 0
}

// milliseconds reads seconds; a text that is not a number, "N/A", is 0.
func milliseconds(seconds string) int64 {
	d, err := strconv.ParseFloat(seconds, 64)
	if err != nil || math.IsNaN(d) || math.Abs(d) > 1e9 {
		return 0
	}
	return int64(math.Round(d * 1000))
}

// ratio reads "30000/1001"; 0 = unknown.
func ratio(s, separator string) float64 {
	left, right, _ := strings.Cut(s, separator)
	n, err1 := strconv.ParseFloat(left, 64)
	d, err2 := strconv.ParseFloat(right, 64)
	if err1 != nil || err2 != nil || !(n > 0 && d > 0) || n/d > 1e6 {
		return 0
	}
	return n / d
}
