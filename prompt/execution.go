package prompt

import (
	"fmt"

	"github.com/cogniverse/cogflow/prompt/python"
)

// Server says what a model's server can enforce.
type Server struct {
	JSON   bool `json:"json,omitempty"`   // response_format is supported
	Schema bool `json:"schema,omitempty"` // response_format may be a JSON schema

	// JSONAfterSchema requests any JSON object after an unreadable answer to a schema, as
	// DSPy 3.3 did. It is set for jobs that began with that version.
	JSONAfterSchema bool `json:"-"`
}

// Request is one request to a model. The caller chooses the model, the temperature and the
// number of samples.
type Request struct {
	Messages []Message `json:"messages"`
	Format   *Object   `json:"response_format,omitempty"` // nil = any text
}

// attempt is one form of a request.
type attempt struct {
	adapter Adapter
	format  *Object
}

// attempts lists the forms in the order in which they are tried. Only an answer that cannot
// be read leads to the next; a failure of the server never does. The form of the JSON
// request is the strictest that the server enforces.
func attempts(s Signature, server Server) []attempt {
	object := attempt{JSON, python.NewObject("type", "json_object")}
	if !server.JSON {
		return []attempt{{Chat, nil}, {JSON, nil}}
	}
	schema, ok := AnswerSchema(s.Outputs)
	if !ok || !server.Schema {
		return []attempt{{Chat, nil}, object}
	}
	forced := python.NewObject("type", "json_schema", "json_schema",
		python.NewObject("name", "DSPyProgramOutputs", "schema", schema, "strict", true))
	if server.JSONAfterSchema {
		return []attempt{{Chat, nil}, {JSON, forced}, object}
	}
	return []attempt{{Chat, nil}, {JSON, forced}}
}

// Step is one successful call within a run of a program.
type Step struct {
	Predictor int // its index in the program
	Inputs    *Object
	Outputs   *Object
}

// Demo is the step as a demo.
func (s Step) Demo() *Object {
	demo := python.NewObject("augmented", true)
	for _, o := range []*Object{s.Inputs, s.Outputs} {
		for _, k := range o.Keys() {
			v, _ := o.Get(k)
			demo.Set(k, v)
		}
	}
	return demo
}

// Execution is one run of a program: it returns the next request and takes the answer. It
// is a pure function of the program, the inputs and the answers, so that it can be repeated
// at any time.
type Execution struct {
	program *Program
	server  Server
	values  *Object // inputs and outputs so far, under all their names
	outputs *Object
	trace   []Step
	at      int // index of the predictor
	tries   []attempt
	inputs  *Object // of the predictor
	next    *Request
	unread  string // last answer that could not be read
	err     error
}

// Start begins a run. Additional inputs have no effect.
func (p *Program) Start(inputs *Object, server Server) *Execution {
	e := &Execution{program: p, server: server, values: inputs.Copy(), outputs: &Object{}}
	e.prepare()
	return e
}

// prepare collects the inputs of the current predictor.
func (e *Execution) prepare() {
	e.next = nil
	if e.at == len(e.program.Predictors) {
		return
	}
	p := e.program.Predictors[e.at]
	e.inputs = p.gather(e.values)
	e.tries = attempts(p.Signature(), e.server)
	e.write()
}

func (e *Execution) write() {
	p := e.program.Predictors[e.at]
	messages, err := Render(e.tries[0].adapter, p.Signature(), p.Demos, e.inputs)
	if err != nil { // no adapter can write it
		e.next, e.err = nil, fmt.Errorf("predictor %q: %w", p.Name, err)
		return
	}
	e.next = &Request{Messages: messages, Format: e.tries[0].format}
}

// Next returns the next request; nil = the run is over.
func (e *Execution) Next() *Request { return e.next }

// Said is an answer as an Execution takes it.
type Said struct {
	Text      string
	Truncated bool            // max_tokens ended the text, which is an answer only if all outputs are complete
	Unread    func(why error) // is called if the text could not be read; nil = no call
}

// Take is TakeSaid for a text.
func (e *Execution) Take(answer string) { e.TakeSaid(Said{Text: answer}) }

// TakeSaid takes the answer to Next's request, and reads the text after the model's thoughts.
// Without a request it does nothing.
func (e *Execution) TakeSaid(said Said) {
	if e.next == nil {
		return
	}
	answer := said.Text
	p := e.program.Predictors[e.at]
	outputs, err := Parse(e.tries[0].adapter, p.Signature(), Spoken(answer))
	if said.Truncated && !isWhole(e.tries[0].adapter, Spoken(answer)) {
		err = &ParseError{e.tries[0].adapter, "", "max_tokens truncated the answer"}
	}
	if err != nil && said.Unread != nil {
		said.Unread(err)
	}
	if err != nil {
		if e.tries = e.tries[1:]; len(e.tries) > 0 {
			e.write()
			return
		}
		e.next, e.unread, e.err = nil, answer, fmt.Errorf("predictor %q: %w", p.Name, err)
		return
	}
	e.trace = append(e.trace, Step{e.at, e.inputs, outputs})
	p.publish(e.values, outputs)
	for _, k := range outputs.Keys() {
		v, _ := outputs.Get(k)
		e.outputs.Delete(k) // a later field replaces an earlier one of the same name
		e.outputs.Set(k, v)
	}
	e.at++
	e.prepare()
}

// Result returns the outputs of a finished run, or its error.
func (e *Execution) Result() (*Object, error) {
	if e.err != nil {
		return nil, e.err
	}
	return e.outputs, nil
}

// Inputs are the inputs of the current predictor, or of the one at which the run ended.
func (e *Execution) Inputs() *Object { return e.inputs }

// Unread returns the predictor at which a run ended, and its last answer if that could not be
// read, else "".
func (e *Execution) Unread() (predictor int, answer string) { return e.at, e.unread }

// Trace lists the successful calls.
func (e *Execution) Trace() []Step { return e.trace }
