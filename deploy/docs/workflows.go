package main

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// workflowTypes describes every workflow type: how it is started, its input and its result.
func workflowTypes(c *comments) ([]byte, error) {
	m := newMarkdown("Workflows", `Every workflow is started on the task queue `+code(workflows.QueueMain)+` with one JSON object as its input, by `+"`cogflow`"+`,
`+"`temporal workflow start`"+`, any SDK or a Schedule. Names in JSON are exact: unknown and repeated names are rejected.`)
	w := typeWriter{markdown: m, comments: c}
	var rows [][]string
	for _, t := range catalog.Types() {
		command := "over HTTP"
		if t.Command != "" {
			command = code("cogflow " + t.Command)
		}
		rows = append(rows, []string{"[" + code(t.Name) + "](#" + strings.ToLower(t.Name) + ")", t.Summary, command})
	}
	m.heading(2, "Types")
	m.table([]string{"Workflow", "Does", "Command"}, rows)
	if err := w.explained(); err != nil {
		return nil, err
	}
	for _, t := range catalog.Types() {
		if err := w.workflow(t); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	m.heading(2, "Objects")
	m.text("The types of the fields of inputs and results.")
	for i := 0; i < len(w.nested); i++ {
		if err := w.object(w.nested[i]); err != nil {
			return nil, err
		}
	}
	return m.Bytes(), nil
}

type typeWriter struct {
	*markdown
	comments *comments
	known    []reflect.Type // all types that are described
	nested   []reflect.Type // types to describe, each once, in order of appearance
	silent   []string       // fields without a comment
}

// explained collects the types of the fields of inputs, results and progress. It fails if
// one of their fields has no comment.
func (w *typeWriter) explained() error {
	var all []reflect.Type
	dry := typeWriter{markdown: newMarkdown("", ""), comments: w.comments}
	for _, t := range catalog.Types() {
		f := reflect.TypeOf(t.Func)
		of := []reflect.Type{f.In(1), f.Out(0)}
		for _, more := range []any{t.Progress, t.Groups} {
			if more != nil {
				of = append(of, reflect.TypeOf(more))
			}
		}
		all = append(all, of...)
		for _, one := range of {
			if err := dry.fields(one); err != nil {
				return err
			}
		}
	}
	for i := 0; i < len(dry.nested); i++ {
		if err := dry.fields(dry.nested[i]); err != nil {
			return err
		}
	}
	if dry.silent != nil {
		return fmt.Errorf("these fields have no comment: %s", strings.Join(dry.silent, ", "))
	}
	w.known = slices.Concat(dry.nested, all)
	return nil
}

// title is the name of a type in the reference, with its package if another type
// has the same name.
func (w *typeWriter) title(t reflect.Type) string {
	for _, other := range w.known {
		if other != t && other.Name() == t.Name() {
			return path.Base(t.PkgPath()) + "." + t.Name()
		}
	}
	return t.Name()
}

func (w *typeWriter) workflow(t catalog.Type) error {
	w.heading(2, t.Name)
	w.text("%s.", t.Summary)
	for _, line := range []struct {
		title string
		names []string
	}{{"Signals", t.Signals}, {"Updates", t.Updates}} {
		if len(line.names) > 0 {
			w.text("\n%s: `%s`.", line.title, strings.Join(line.names, "`, `"))
		}
	}
	f := reflect.TypeOf(t.Func)
	w.heading(3, "Input of "+t.Name)
	if err := w.fields(f.In(1)); err != nil {
		return err
	}
	w.heading(3, "Result of "+t.Name)
	if err := w.fields(f.Out(0)); err != nil {
		return err
	}
	if t.Groups != nil {
		w.heading(3, "Groups of "+t.Name)
		w.text("What %s prints in place of the result.\n", code("cogflow "+t.Command+" --group --json"))
		if err := w.fields(reflect.TypeOf(t.Groups)); err != nil {
			return err
		}
	}
	if t.Progress == nil {
		return nil
	}
	w.heading(3, "Progress of "+t.Name)
	w.text("The answer of the query %s.\n", code(workflows.QueryProgress))
	return w.fields(reflect.TypeOf(t.Progress))
}

func (w *typeWriter) object(t reflect.Type) error {
	w.heading(3, w.title(t))
	if _, doc, err := w.comments.typeSpec(t); err != nil {
		return err
	} else if doc != "" {
		w.text("%s\n", doc)
	}
	return w.fields(t)
}

// fields writes the table of a struct; embedded structs are part of it, as in JSON.
func (w *typeWriter) fields(t reflect.Type) error {
	if t.Kind() != reflect.Struct {
		w.text("%s", w.typeName(t))
		return nil
	}
	var rows [][]string
	var add func(t reflect.Type) error
	add = func(t reflect.Type) error {
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				if err := add(f.Type); err != nil {
					return err
				}
			case !f.IsExported() || name == "-":
			default:
				text, err := w.comments.field(t, f)
				if err != nil {
					return err
				}
				if text == "" {
					w.silent = append(w.silent, t.Name()+"."+f.Name)
				}
				rows = append(rows, []string{code(name), w.typeName(f.Type), text})
			}
		}
		return nil
	}
	if err := add(t); err != nil {
		return err
	}
	if len(rows) == 0 {
		w.text("An empty object.")
		return nil
	}
	w.table([]string{"Field", "Type", "Meaning"}, rows)
	return nil
}

// typeName returns the JSON type, and collects structs to be described.
func (w *typeWriter) typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t == reflect.TypeFor[time.Duration]():
		return "nanoseconds"
	case t.Kind() == reflect.Pointer:
		return w.typeName(t.Elem())
	case t.Name() == "RawMessage":
		return "JSON"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "list of " + w.typeName(t.Elem())
	case reflect.Map:
		return "object of " + w.typeName(t.Elem())
	case reflect.Interface:
		return "any"
	case reflect.Struct:
		if t.Name() == "" {
			return "object"
		}
		if !slices.Contains(w.nested, t) {
			w.nested = append(w.nested, t)
		}
		title := w.title(t)
		return "[" + title + "](#" + strings.ToLower(strings.ReplaceAll(title, ".", "")) + ")"
	default:
		return "integer"
	}
}
