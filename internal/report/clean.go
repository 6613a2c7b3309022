package report

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names, captions and reasons come from files and models that nobody vouches
// for. Escaping is the template's work; here goes what would still do harm
// once escaped: what turns text around, hides in it, or floods the page.
const (
	maxLabel   = 24 // stages, classes, outcomes
	maxName    = 120
	maxCaption = 320
	maxReason  = 600
	maxMarks   = 3 // combining marks on one letter; real scripts need no more

	joiner    = '\u200d' // holds emoji together
	nonJoiner = '\u200c' // needed to spell Persian
)

// clean returns text as one line of at most limit runes that shows as it is:
// valid UTF-8 without control, direction, invisible or private characters.
func clean(text string, limit int) string {
	return cut(tidy(text), limit)
}

// cleanPath is clean for paths: it cuts in the middle, since the end says most.
func cleanPath(path string, limit int) string {
	runes := []rune(tidy(path))
	if len(runes) <= limit {
		return string(runes)
	}
	head := limit / 3
	return string(runes[:head]) + "…" + string(runes[len(runes)-(limit-head-1):])
}

// place is a URI fit to be shown: without credentials and without a query,
// where signatures of signed links live.
func place(uri string) string {
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
	return cleanPath(uri, maxName)
}

// base is the last element of a URI that place has cleaned.
func base(place string) string {
	trimmed := strings.TrimRight(strings.TrimSuffix(place, "?…"), "/")
	return trimmed[strings.LastIndexByte(trimmed, '/')+1:]
}

func tidy(text string) string {
	var out strings.Builder
	out.Grow(min(len(text), 4*maxReason))
	space, marks := false, 0
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case r == joiner || r == nonJoiner:
		case !unicode.IsGraphic(r): // control, format, private, unassigned
			continue
		case unicode.IsMark(r):
			if marks++; marks > maxMarks {
				continue
			}
		default:
			marks = 0
		}
		if space && out.Len() > 0 {
			out.WriteByte(' ')
		}
		space = false
		out.WriteRune(r) // a broken byte has become U+FFFD
	}
	return out.String()
}

func cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text)
	return strings.TrimRight(string(runes[:limit-1]), " ") + "…"
}
