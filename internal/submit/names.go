package submit

import (
	"slices"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/workflows/catalog"
)

// TypeNamed finds a workflow type by a name that people use for it: the type itself, in kebab-case
// or in snake_case, or the command that starts it, with hyphens: IngestVideo, ingest-video,
// ingest_video, train-sft, videos-delete.
func TypeNamed(name string) (catalog.Type, bool) {
	name = strings.ReplaceAll(name, "_", "-")
	for _, t := range catalog.Types() { // a command that starts two types means the first
		if slices.Contains(Names(t), name) {
			return t, true
		}
	}
	return catalog.Type{}, false
}

// Names are the names of a workflow type in paths: the shortest that is its own is first.
func Names(t catalog.Type) []string {
	all := []string{kebab(t.Name), t.Name}
	command := strings.ReplaceAll(t.Command, " ", "-")
	i := slices.IndexFunc(catalog.Types(), func(o catalog.Type) bool { return o.Command == t.Command })
	if command != "" && command != all[0] && catalog.Types()[i].Name == t.Name {
		all = append([]string{command}, all...)
	}
	return all
}

// kebab writes TrainSFT as train-sft.
func kebab(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
