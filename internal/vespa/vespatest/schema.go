package vespatest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// docType is one schema, without the parts that do not affect documents and queries.
type docType struct {
	name     string
	fields   map[string]*field
	imports  map[string]imported
	fieldset map[string][]string // by name
	summary  map[string][]string
	ranks    map[string]*rankProfile
}

type field struct {
	name, kind string // kind: string, byte, …, reference, tensor
	attribute  bool
	index      bool
	inSummary  bool
	refersTo   string
	cells      string // of a tensor: int8, bfloat16, float
	mapped     string // name of its mapped dimension, empty if none
	size       int    // of its indexed dimension
}

type imported struct{ reference, field string }

type rankProfile struct {
	first, second string
	rerank        int
	inputs        map[string]*field
	functions     map[string]string
}

var (
	fieldLine  = regexp.MustCompile(`^field (\w+) type (.+) \{$`)
	importLine = regexp.MustCompile(`^import field (\w+)\.(\w+) as (\w+) \{\}$`)
	rankLine   = regexp.MustCompile(`^rank-profile (\w+)(?: inherits (\w+))? \{$`)
	inputLine  = regexp.MustCompile(`^query\((\w+)\) (tensor.+)$`)
	tensorType = regexp.MustCompile(`^tensor<(\w+)>\((?:(\w+)\{\}, )?v\[(\d+)\]\)$`)
	refType    = regexp.MustCompile(`^reference<(\w+)>$`)
	otherLine  = regexp.MustCompile(`^(document \w+ \{|attribute( \{|: fast-search)|index( \{|: enable-bm25)|inputs \{|match: cased|rank: filter|dictionary \{|hash|cased|sorting \{|function: raw|stemming: none|distance-metric: (angular|hamming)|\}|)$`)
)

// parseSchema parses a schema in the form that package vespa generates, and refuses
// unknown lines.
func parseSchema(text string) (*docType, error) {
	d := &docType{
		fields: map[string]*field{}, fieldset: map[string][]string{}, imports: map[string]imported{}, summary: map[string][]string{}, ranks: map[string]*rankProfile{},
	}
	var f *field
	var p *rankProfile
	summary, function, phase, fieldset := "", "", "", ""
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, " ")
		var err error
		switch {
		case strings.HasPrefix(line, "#"):
		case key == "schema":
			d.name = strings.TrimSuffix(value, " {")
		case fieldLine.MatchString(line):
			m := fieldLine.FindStringSubmatch(line)
			f, err = newField(m[1], m[2])
			d.fields[m[1]] = f
		case key == "indexing:":
			f.attribute = strings.Contains(value, "attribute")
			f.index = strings.Contains(value, "index")
			f.inSummary = strings.Contains(value, "summary")
		case importLine.MatchString(line):
			m := importLine.FindStringSubmatch(line)
			d.imports[m[3]] = imported{m[1], m[2]}
		case key == "fieldset":
			fieldset = strings.TrimSuffix(value, " {")
		case key == "fields:":
			d.fieldset[fieldset] = strings.Split(value, ", ")
		case key == "document-summary":
			summary = strings.TrimSuffix(value, " {")
		case key == "summary":
			d.summary[summary] = append(d.summary[summary], strings.TrimSuffix(value, " {}"))
		case rankLine.MatchString(line):
			m := rankLine.FindStringSubmatch(line)
			p = &rankProfile{inputs: map[string]*field{}, functions: map[string]string{}}
			if base := d.ranks[m[2]]; base != nil {
				p.inputs, p.functions = base.inputs, base.functions
			} else if m[2] != "" {
				err = fmt.Errorf("rank profile %s inherits %s, which is not found", m[1], m[2])
			}
			d.ranks[m[1]] = p
		case inputLine.MatchString(line):
			m := inputLine.FindStringSubmatch(line)
			p.inputs[m[1]], err = newField(m[1], m[2])
		case key == "function":
			function = strings.TrimSuffix(value, "() {")
		case key == "first-phase" || key == "second-phase":
			phase, function = key, ""
		case key == "expression:":
			switch {
			case function != "":
				p.functions[function] = value
			case phase == "first-phase":
				p.first = value
			default:
				p.second = value
			}
		case key == "rerank-count:":
			p.rerank, err = strconv.Atoi(value)
		case !otherLine.MatchString(line):
			err = fmt.Errorf("unknown line %q", line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
	}
	return d, nil
}

func newField(name, kind string) (*field, error) {
	f := &field{name: name, kind: kind}
	if m := refType.FindStringSubmatch(kind); m != nil {
		f.kind, f.refersTo = "reference", m[1]
	} else if m := tensorType.FindStringSubmatch(kind); m != nil {
		f.kind, f.cells, f.mapped = "tensor", m[1], m[2]
		size, err := strconv.Atoi(m[3])
		f.size = size
		return f, err
	}
	switch f.kind {
	case "string", "byte", "int", "long", "double", "bool", "reference":
		return f, nil
	default:
		return nil, fmt.Errorf("unknown type %s", kind)
	}
}
