package report

import (
	"strings"

	"github.com/cogniverse/cogflow/safetext"
)

// Names, captions and reasons come from files and models that are not trusted
// for. Escaping is the template's work; here goes what would still do harm
// once escaped: what turns text around, hides in it, or floods the page.
const (
	MaxLabel   = 24 // stages, classes, outcomes
	MaxName    = 120
	MaxCaption = 320
	MaxReason  = 600
)

// Clean returns text as one line of at most limit runes that shows as it is:
// valid UTF-8 without control, direction, invisible or private characters.
func Clean(text string, limit int) string { return safetext.Line(text, limit) }

// CleanPath is Clean for paths: it cuts in the middle, since the end says most.
func CleanPath(path string, limit int) string {
	return safetext.Middle(path, limit)
}

// Place is a URI fit to be shown: without credentials and without a query,
// where signatures of signed links live.
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
