// Package saved reads programs that DSPy saved: the program.json of save and the state of
// dump_state. Such a file holds instructions, demos and field texts by position, and neither
// names nor types of fields. They come from a signature, which is a program file, or from
// the file's own texts if these contain every name. It calls no model and knows no store.
package saved

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
)

const (
	readSaved = "read saved DSPy program"
	metadata  = "metadata"
	useState  = `save its state with program.save("program.json")`
)

func bad(name, format string, values ...any) error {
	return fault.New(fault.Input, readSaved, name, fmt.Sprintf(format, values...))
}

// Is reports whether a JSON text is a program that DSPy saved, and not a program file.
func Is(text []byte) bool {
	state, err := parse(text)
	if err != nil {
		return false
	}
	if _, ours := state.Get("predictors"); ours {
		return false
	}
	_, whole := state.Get(metadata)
	return whole || len(states(state)) > 0
}

// CheckPickle rejects a .pkl file of DSPy, by its first bytes.
func CheckPickle(name string, text []byte) error {
	if strings.HasSuffix(name, ".pkl") || bytes.HasPrefix(text, []byte{0x80, 0x04}) || bytes.HasPrefix(text, []byte{0x80, 0x05}) {
		return bad(name, "a pickle can run code when it is loaded and is not supported; %s", useState)
	}
	return nil
}

// FolderError is the error of a folder, which save_program=True makes.
func FolderError(name string) error {
	return bad(name, "a folder made by save(…, save_program=True) holds a pickle, which is not supported; %s", useState)
}

func parse(text []byte) (*prompt.Object, error) {
	state := &prompt.Object{}
	return state, json.Unmarshal(text, state)
}

// predictorState is the state of one predictor.
type predictorState struct {
	key    string // "" = the program is this predictor
	state  *prompt.Object
	fields []*prompt.Object
	saved  string // instructions
}

// states lists the predictors in a file, in the order of the file.
func states(file *prompt.Object) []predictorState {
	if s, ok := predictorOf("", file); ok {
		return []predictorState{s}
	}
	var all []predictorState
	for _, key := range file.Keys() {
		v, _ := file.Get(key)
		if s, ok := predictorOf(key, v); ok && key != metadata {
			all = append(all, s)
		}
	}
	return all
}

func predictorOf(key string, v any) (predictorState, bool) {
	s := predictorState{key: key}
	s.state, _ = v.(*prompt.Object)
	signature := member(s.state, "signature")
	if signature == nil {
		return s, member(s.state, "extended_signature") != nil
	}
	v, _ = signature.Get("instructions")
	s.saved, _ = v.(string)
	v, _ = signature.Get("fields")
	list, _ := v.([]any)
	for _, item := range list {
		field, _ := item.(*prompt.Object)
		s.fields = append(s.fields, field)
	}
	return s, true
}

func member(o *prompt.Object, key string) *prompt.Object {
	if o == nil {
		return nil
	}
	v, _ := o.Get(key)
	found, _ := v.(*prompt.Object)
	return found
}

// Load returns the signature with the instructions, field texts and demos of the file. Both
// must have the same predictors.
func Load(signature *prompt.Program, text []byte) (*prompt.Program, error) {
	file, err := parse(text)
	if err != nil {
		return nil, fault.Wrap(fault.Input, readSaved, signature.Name, err)
	}
	found := states(file)
	if err := check(signature.Name, found); err != nil {
		return nil, err
	}
	var have, want []string
	for _, s := range found {
		have = append(have, s.key)
	}
	for _, p := range signature.Predictors {
		want = append(want, p.Key())
	}
	for _, key := range want {
		if !slices.Contains(have, key) {
			return nil, bad(signature.Name, "the signature has the predictor %s and the file has %s: name and module of each predictor must be those of the DSPy program",
				shown([]string{key}), shown(have))
		}
	}
	for _, key := range have {
		if !slices.Contains(want, key) {
			return nil, bad(signature.Name, "the file has the predictor %s, which the signature lacks", shown([]string{key}))
		}
	}
	loaded, err := signature.Load(text)
	if err != nil {
		return nil, err
	}
	return reread(loaded)
}

// reread checks a program like a program file.
func reread(p *prompt.Program) (*prompt.Program, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fault.Wrap(fault.Input, readSaved, p.Name, err)
	}
	return prompt.Read(text)
}

// shown lists the keys of predictors for an error.
func shown(keys []string) string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = fmt.Sprintf("%q", key)
		if key == "" {
			texts[i] = "self, which is the whole program"
		}
	}
	return strings.Join(texts, ", ")
}

// check rejects files from which no program can be made.
func check(name string, found []predictorState) error {
	if len(found) == 0 {
		return bad(name, "it has no predictors")
	}
	for _, s := range found {
		if member(s.state, "signature") == nil {
			return bad(name, "it is from DSPy 2.5 or older, which is not supported; load it with a newer DSPy and save it again")
		}
		if fields := member(s.state, "fields"); fields != nil && fields.Len() > 0 {
			return bad(name, "the predictor %s has decision criteria, which are not supported", shown([]string{s.key}))
		}
	}
	return nil
}
