package dataset

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/training/rows"
)

// place is where a row begins in its file.
type place struct{ line, row uint32 }

func placeOf(raw rows.RawRow) place {
	return place{uint32(min(raw.Line, 1<<32-1)), uint32(min(raw.Row, 1<<32-1))}
}

func (p place) raw() rows.RawRow { return rows.RawRow{Line: int(p.line), Row: int(p.row)} }

// sides remembers by its hash where a text was preferred and where it was rejected.
type sides struct {
	preferred, rejected map[uint64]place
}

func newSides() sides { return sides{map[uint64]place{}, map[uint64]place{}} }

// add returns the row that prefers what another rejects, and the other: both 0 if there is no
// such earlier row.
func (s sides) add(preferred, rejected uint64, at place) (prefers, rejects place) {
	if earlier, found := s.preferred[rejected]; found {
		prefers, rejects = earlier, at
	} else if earlier, found := s.rejected[preferred]; found {
		prefers, rejects = at, earlier
	}
	if _, have := s.preferred[preferred]; !have {
		s.preferred[preferred] = at
	}
	if _, have := s.rejected[rejected]; !have {
		s.rejected[rejected] = at
	}
	return prefers, rejects
}

// contradictions notes that rows teach the opposite of each other.
func (s *surveyor) contradictions(row rows.Row, raw rows.RawRow) {
	preferredKey, rejectedKey := rows.KeyChosen, rows.KeyRejected
	if _, embeds := row.Part(rows.KeyAnchor); embeds {
		preferredKey, rejectedKey = rows.KeyPositive, rows.KeyNegative
	}
	preferred, ok := row.Part(preferredKey)
	rejected, both := row.Part(rejectedKey)
	if !ok || !both {
		return
	}
	context := row.Parts[0] // the prompt or the anchor
	at := placeOf(raw)
	if prefers, rejects := s.answers.add(digestOf(context, preferred), digestOf(context, rejected), at); rejects != (place{}) {
		s.log.note(s.survey.Name, rows.RowError{
			Code: "contradiction", Field: rejectedKey, Reason: fmt.Sprintf("%s prefers what this row rejects, for the same %s", s.name(prefers), context.Key),
			Fix: "remove one of the two",
		}, rejects.raw())
		return
	}
	if preferredKey != rows.KeyPositive {
		return
	}
	if prefers, rejects := s.texts.add(digestOf(preferred), digestOf(rejected), at); rejects != (place{}) {
		s.log.note(s.survey.Name, rows.RowError{
			Code: "negative_is_positive", Field: rejectedKey, Reason: "it is the positive of " + s.name(prefers),
			Fix: "keep it only if it does not answer this anchor as well",
		}, rejects.raw())
	}
}

// digestOf is the hash of texts, in the form in which they are compared.
func digestOf(parts ...rows.Part) uint64 {
	var text strings.Builder
	for _, p := range parts {
		text.WriteString(rows.Normal(p.Text) + p.Image + "\x00")
		for _, m := range p.Messages {
			text.WriteString(m.Role + "\x00" + rows.Normal(m.Content) + "\x00")
		}
	}
	return rows.Digest([]byte(text.String()))
}

// name is the line of a row, or its number in a file that counts rows.
func (s *surveyor) name(p place) string {
	if rows.ByRow(s.survey.Container) {
		return fmt.Sprintf("row %d", p.row)
	}
	return fmt.Sprintf("line %d", p.line)
}
