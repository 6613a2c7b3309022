package rows

import (
	"encoding/json"

	"github.com/cogniverse/cogflow/fault"
)

// ReadRow reads a canonical row, as AppendJSON writes it.
func ReadRow(line []byte) (Row, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return Row{}, fault.Wrap(fault.Input, "read row", "", err)
	}
	var r Row
	for _, key := range []string{
		KeyMessages, KeyPrompt, KeyCompletion, KeyText, KeyChosen, KeyRejected, KeyAnchor, KeyPositive, KeyNegative, KeyLabel,
	} {
		value, ok := fields[key]
		if !ok {
			continue
		}
		p := Part{Key: key}
		if err := p.read(value); err != nil {
			return Row{}, fault.Wrap(fault.Input, "read row", key, err)
		}
		r.Parts = append(r.Parts, p)
	}
	if len(r.Parts) == 0 {
		return Row{}, fault.New(fault.Input, "read row", "", "no field of it is known")
	}
	return r, nil
}
