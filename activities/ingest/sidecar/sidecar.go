// Package sidecar finds the words of a video's sound in a file of subtitles beside it.
package sidecar

import (
	"cmp"
	"context"
	"io"
	"os"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/subtitles"
)

const op = "read subtitles"

// Sources is as in package ingest.
type Sources interface {
	Beside(ctx context.Context, t tenant.ID, uri string) (name string, files []video.Neighbour, err error)
	Open(ctx context.Context, t tenant.ID, uri string) (file *os.File, name string, err error)
}

// Find sets the Subtitles and the Sidecar of a source to what a run with a profile takes now. It returns the
// transcript in a file beside the video; nil = there is none. A file without words counts as absent.
func Find(ctx context.Context, from Sources, t tenant.ID, p video.Profile, source *video.Source, uri string) (*video.Transcript, error) {
	source.Subtitles, source.Sidecar = "", ""
	if p.Sampling.NoAudio || p.Sampling.NoSubtitles {
		return nil, nil //nolint:nilnil // the profile wants none
	}
	name, files, err := from.Beside(ctx, t, uri)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	spoken := subtitles.Spoken(p, source.Media)
	if at, language := subtitles.Choose(name, names, spoken); at >= 0 {
		words, shown, err := read(ctx, from, t, files[at], cmp.Or(language, spoken), source.Media.DurationMS)
		if err != nil {
			return nil, err
		}
		if len(words.Segments) > 0 {
			source.Subtitles, source.Sidecar = digest(words), shown
			return &words, nil
		}
	}
	if p.Transcribe.Model == "" && source.Media.Subtitles {
		source.Subtitles = video.InContainer
	}
	return nil, nil //nolint:nilnil // most videos have none
}

// digest identifies a transcript by what was read, so that a build which reads a file differently makes another
// generation of it.
func digest(words video.Transcript) video.Fingerprint {
	parts := []string{words.Language}
	for _, s := range words.Segments {
		parts = append(parts, strconv.FormatInt(s.StartMS, 10), strconv.FormatInt(s.EndMS, 10), s.Text)
	}
	return video.NewFingerprint("subtitles", parts...)
}

func read(ctx context.Context, from Sources, t tenant.ID, at video.Neighbour, language string, durationMS int64) (words video.Transcript, name string, err error) {
	refuse := func(why error) error {
		return fault.New(fault.Input, op, at.URI, why.Error()+". Correct or remove the file, or set no_subtitles in the profile")
	}
	if at.Bytes > subtitles.MaxBytes {
		return words, "", refuse(subtitles.TooLarge())
	}
	file, name, err := from.Open(ctx, t, at.URI)
	if err != nil {
		return words, "", err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, subtitles.MaxBytes+1))
	if err != nil {
		return words, "", fault.Disk(op, at.URI, err)
	}
	words.Model, words.Language = video.Subtitles, language
	if words.Segments, err = subtitles.Read(data, language, durationMS); err != nil {
		return words, "", refuse(err)
	}
	return words, name, nil
}
