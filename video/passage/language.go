package passage

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// names are the English names of the languages with a code of two letters, in lower case:
// OpenAI's verbose_json names the language, other servers send the code.
var names = sync.OnceValue(func() map[string]string { //nolint:gochecknoglobals // a table that is computed once
	out := map[string]string{
		// Whisper's names that differ from CLDR's.
		"castilian": "es", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb", "moldavian": "ro", "moldovan": "ro",
		"mandarin": "zh", "panjabi": "pa", "pushto": "ps", "sinhalese": "si", "tagalog": "fil", "norwegian": "no", "bengali": "bn",
		"nynorsk": "nn", "hawaiian": "haw", "cantonese": "yue", "valencian": "ca", "myanmar": "my",
	}
	english := display.English.Languages()
	for first := 'a'; first <= 'z'; first++ {
		for second := 'a'; second <= 'z'; second++ {
			code := string([]rune{first, second})
			tag, err := language.Parse(code)
			if base, _ := tag.Base(); err != nil || base.String() != code { // unknown or deprecated
				continue
			}
			if name := english.Name(tag); name != "" {
				out[strings.ToLower(name)] = code
			}
		}
	}
	return out
})

// Language is the ISO 639-1 code of a language that a model or a container named by its
// English name or a code of two or three letters, if it has one; otherwise the name as it
// came, in lower case.
func Language(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if code, ok := names()[name]; ok {
		return code
	}
	if name == "und" {
		return ""
	}
	if tag, err := language.Parse(name); err == nil {
		base, _ := tag.Base()
		return base.String()
	}
	return name
}
