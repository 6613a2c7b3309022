package report

import (
	"strings"

	"github.com/cogniverse/cogflow/safetext"
)

// Names, captions and reasons come from files and models that are not trusted. The
// template escapes them. This file removes what is harmful even if escaped: characters
// that reverse or hide text, and texts that are too long.
const (
	MaxLabel   = 24 // runes of stages, classes, outcomes
	MaxName    = 120
	MaxCaption = 320
	MaxReason  = 600
)

// Clean returns text as one line of at most limit runes. The line is valid UTF-8 without
// control, direction, invisible or private-use characters.
func Clean(text string, limit int) string { return safetext.Line(text, limit) }

// CleanPath is Clean for paths. It cuts in the middle, because the end matters most.
func CleanPath(path string, limit int) string {
	return safetext.Middle(path, limit)
}

// Place is a URI without credentials and without its query, which can hold the signature
// of a signed link.
func Place(uri string) string {
	scheme, rest, remote := strings.Cut(uri, "://")
	if remote && scheme != "file" {
		rest, _, query := strings.Cut(rest, "?")
		host, path, slash := strings.Cut(rest, "/")
		if i := strings.LastIndexByte(host, '@'); i >= 0 {
			host = host[i+1:]
		}
		uri = scheme + "://" + host
		if slash {
			uri += "/" + path
		}
		if query {
			uri += "?…"
		}
	}
	return CleanPath(uri, MaxName)
}

// Base is the last element of a URI that Place has cleaned.
func Base(place string) string {
	trimmed := strings.TrimRight(strings.TrimSuffix(place, "?…"), "/")
	return trimmed[strings.LastIndexByte(trimmed, '/')+1:]
}
