package rows

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/training/rows/plain"
)

// maxPassages is the maximum of passages of a row with lists: each becomes a row of its
// own.
const maxPassages = 64

// tripletRow reads {anchor, positive[, negative]}.
func (in *RowInput) tripletRow(format Format) (r Row, err error) {
	keys := []string{KeyAnchor, KeyPositive, KeyNegative}
	if format == FormatPair {
		keys = keys[:2]
	}
	names, sides := make([]string, len(keys)), make([]Part, len(keys))
	for i, key := range keys {
		if names[i], sides[i], err = in.side(key); err != nil {
			return r, err
		}
	}
	return in.triplet(names, sides)
}

// triplet makes a row of different texts or images; keys are their names in the row.
func (in *RowInput) triplet(keys []string, sides []Part) (r Row, err error) {
	names := []string{KeyAnchor, KeyPositive, KeyNegative}
	for i, p := range sides {
		for j, other := range sides[:i] {
			if strings.TrimSpace(p.Text) == strings.TrimSpace(other.Text) && p.Image == other.Image {
				return r, &RowError{
					Code: "same_texts", Field: keys[i], Reason: fmt.Sprintf("it equals %s", keys[j]),
					Fix: "give another text, or remove the row: there is nothing to learn from it",
				}
			}
		}
		p.Key = names[i]
		r.Parts = append(r.Parts, p)
		for j, other := range sides[:i] {
			if p.Image == "" && other.Image == "" {
				in.nearlySame(keys[i], keys[j], p.Text, other.Text)
			}
		}
	}
	return r, nil
}

// queryRows reads {query, pos, neg}, where pos and neg are texts or lists of texts: each
// text of the longer list becomes a row, with those of the shorter list in turn.
func (in *RowInput) queryRows() ([]Row, error) {
	query, err := in.required("query")
	if err != nil {
		return nil, err
	}
	pos, err := in.passages("pos")
	if err != nil {
		return nil, err
	}
	if len(pos) == 0 {
		return nil, in.missing("pos")
	}
	neg, err := in.passages("neg")
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i := range max(len(pos), len(neg)) {
		keys, sides := []string{"query", "pos"}, []Part{{Text: query}, {Text: pos[i%len(pos)]}}
		if len(neg) > 0 {
			keys, sides = append(keys, "neg"), append(sides, Part{Text: neg[i%len(neg)]})
		}
		row, err := in.triplet(keys, sides)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (in *RowInput) passages(key string) (texts []string, err error) {
	raw := in.get(key)
	if raw == nil {
		return nil, nil
	}
	items := [][]byte{raw}
	if raw[0] == '[' {
		var more bool
		if items, more = listItems(raw, maxPassages); more {
			return nil, &RowError{Code: "too_many_passages", Field: key, Reason: fmt.Sprintf("more than %d texts", maxPassages), Fix: "keep the best of them"}
		}
	}
	for i, item := range items {
		name := fmt.Sprintf("%s[%d]", key, i)
		text, err := in.text(name, item)
		if err != nil {
			return nil, err
		}
		if plain.IsBlank(text) {
			return nil, blank(name, "the text")
		}
		texts = append(texts, text)
	}
	return texts, nil
}
