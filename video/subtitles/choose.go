package subtitles

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/passage"
)

// IsName reports whether a file has the name of subtitles.
func IsName(name string) bool {
	return slices.Contains([]string{".srt", ".vtt"}, strings.ToLower(path.Ext(name)))
}

// Spoken is the language of the sound that a profile takes of a video; empty = unknown.
func Spoken(p video.Profile, m video.Media) string {
	spoken := p.Sampling.AudioLanguage
	if spoken == "" && p.Sampling.AudioTrack == 0 {
		spoken = m.AudioLanguage
	}
	return cmp.Or(passage.Language(spoken), passage.Language(p.Transcribe.Language))
}

// Choose returns the position of the file with the words of a video's sound among the files beside it, or -1, and
// its language. It has the name of the video, or that name and a BCP 47 language: talk.srt or talk.en.srt for
// talk.mp4. A file in the spoken language comes first, then one without a language. If the spoken
// language is unknown, a file without a language comes first, then the first by name. A file in
// another language is a translation. Subtitles for the hard of hearing (talk.en.sdh.srt, .cc, .hi) also describe
// sounds, so they are taken if there are no others.
func Choose(videoName string, names []string, spoken string) (position int, language string) {
	stem := strings.TrimSuffix(videoName, path.Ext(videoName))
	position, best := -1, 0
	for i, name := range names {
		one, sounds, ok := languageOf(stem, name)
		if !ok || ofAnother(videoName, name, names) {
			continue
		}
		rank := 4
		switch {
		case one != "" && spoken != "" && passage.Language(one) == spoken:
			rank = 6
		case one != "" && spoken != "":
			continue
		case one != "":
			rank = 2
		}
		if sounds {
			rank--
		}
		if rank > best || rank == best && name < names[position] {
			position, language, best = i, one, rank
		}
	}
	return position, language
}

// languageOf is the language in the name of subtitles, and whether they describe sounds too; ok is false if they do
// not have the name of the video.
func languageOf(stem, name string) (lang string, sounds, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(name, path.Ext(name)), stem)
	if !ok || !IsName(name) {
		return "", false, false
	}
	rest = strings.TrimSuffix(rest, ".default") // as players name the file that they show first
	if before, mark := strings.TrimSuffix(rest, path.Ext(rest)), path.Ext(rest); slices.Contains([]string{".sdh", ".cc", ".hi"}, strings.ToLower(mark)) &&
		(before != "" || !strings.EqualFold(mark, ".hi")) { // alone, it is Hindi
		rest, sounds = before, true
	}
	if rest == "" {
		return "", sounds, true
	}
	tag, ok := strings.CutPrefix(rest, ".")
	if _, err := language.Parse(tag); !ok || err != nil {
		return "", false, false
	}
	return passage.Language(tag), sounds, true
}

// ofAnother reports subtitles that have the whole name of another video: talk.en.srt is of talk.en.mp4 if that
// exists beside talk.mp4.
func ofAnother(videoName, name string, names []string) bool {
	stem := strings.TrimSuffix(name, path.Ext(name))
	if stem == strings.TrimSuffix(videoName, path.Ext(videoName)) {
		return false
	}
	return slices.ContainsFunc(names, func(other string) bool {
		return !IsName(other) && strings.TrimSuffix(other, path.Ext(other)) == stem
	})
}
