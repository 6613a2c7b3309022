package vespatest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/vespa/linguistics"
)

// condition reports whether a document matches; terms are the words by which it can be
// ranked.
type condition struct {
	match func(x *document) bool
	terms []term
}

var yqlToken = regexp.MustCompile(`^\s*(@\w+|[\w.]+|>=|[(){}:,!=*<>])`)

// parser parses the YQL that package vespa generates: select * from T where …, with
// and, or, !(…), rank(…), field contains @name, field contains phrase(@name, …),
// field contains ({ranked: false}@name) and field = number, with <, > and >=, too.
type parser struct {
	server     *Server
	d          *docType
	parameters map[string]json.RawMessage
	tokens     []string
}

func lex(yql string) ([]string, error) {
	var out []string
	for rest := yql; strings.TrimSpace(rest) != ""; {
		m := yqlToken.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("the query contains unsupported YQL: %.20q", rest)
		}
		out = append(out, m[1])
		rest = rest[len(m[0]):]
	}
	return out, nil
}

func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *parser) next() string {
	token := p.peek()
	if token != "" {
		p.tokens = p.tokens[1:]
	}
	return token
}

func (p *parser) expect(wants ...string) error {
	for _, want := range wants {
		if got := p.next(); got != want {
			return fmt.Errorf("query: found %q instead of %q", got, want)
		}
	}
	return nil
}

func (p *parser) either() (condition, error) {
	left, err := p.both()
	for err == nil && p.peek() == "or" {
		p.next()
		var right condition
		right, err = p.both()
		left = join(left, right, func(a, b bool) bool { return a || b })
	}
	return left, err
}

func (p *parser) both() (condition, error) {
	left, err := p.one()
	for err == nil && p.peek() == "and" {
		p.next()
		var right condition
		right, err = p.one()
		left = join(left, right, func(a, b bool) bool { return a && b })
	}
	return left, err
}

func join(a, b condition, with func(a, b bool) bool) condition {
	return condition{
		match: func(x *document) bool { return with(a.match(x), b.match(x)) },
		terms: slices.Concat(a.terms, b.terms),
	}
}

func (p *parser) one() (condition, error) {
	switch token := p.next(); token {
	case "(":
		c, err := p.either()
		if err == nil {
			err = p.expect(")")
		}
		return c, err
	case "!":
		if err := p.expect("("); err != nil {
			return condition{}, err
		}
		c, err := p.either()
		if err == nil {
			err = p.expect(")")
		}
		return condition{match: func(x *document) bool { return !c.match(x) }}, err
	case "rank":
		return p.rank()
	default:
		return p.term(token)
	}
}

func (p *parser) rank() (condition, error) {
	if err := p.expect("("); err != nil {
		return condition{}, err
	}
	c, err := p.either()
	for err == nil && p.peek() == "," {
		p.next()
		var more condition
		more, err = p.either()
		c.terms = append(c.terms, more.terms...)
	}
	if err == nil {
		err = p.expect(")")
	}
	return c, err
}

func (p *parser) term(name string) (condition, error) {
	if operator := p.peek(); strings.Contains(operator, "=") || operator == "<" || operator == ">" {
		p.next()
		return p.compare(name, operator)
	}
	if err := p.expect("contains"); err != nil {
		return condition{}, err
	}
	ranked := true
	var texts []string
	var err error
	switch p.peek() {
	case "phrase":
		p.next()
		texts, err = p.phrase()
	case "(":
		ranked = false
		if err = p.expect("(", "{", "ranked", ":", "false", "}"); err == nil {
			texts, err = p.values(")")
		}
	default:
		var text string
		text, err = p.value()
		texts = []string{text}
	}
	if err != nil {
		return condition{}, err
	}
	if fields := p.d.fieldset[name]; fields != nil {
		t := term{fields: fields}
		for _, text := range texts {
			for _, word := range linguistics.Split(text) {
				t.words += word + " "
			}
		}
		c := condition{match: t.match}
		if ranked {
			c.terms = []term{t}
		}
		return c, nil
	}
	if f := p.d.fields[name]; f == nil || !f.attribute || f.kind != "string" || len(texts) != 1 {
		return condition{}, fmt.Errorf("field %s is not an attribute of %s", name, p.d.name)
	}
	return condition{match: func(x *document) bool { return x.values[name] == texts[0] }}, nil
}

func (p *parser) phrase() ([]string, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	return p.values(")")
}

// values reads parameters that commas separate.
func (p *parser) values(end string) (texts []string, err error) {
	for {
		text, err := p.value()
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
		switch token := p.next(); token {
		case ",":
		case end:
			return texts, nil
		default:
			return nil, fmt.Errorf("query: unexpected %q in a list", token)
		}
	}
}

func (p *parser) value() (text string, err error) {
	name, ok := strings.CutPrefix(p.next(), "@")
	if !ok {
		return "", fmt.Errorf("query: a value is not a parameter")
	}
	if err := json.Unmarshal(p.parameters[name], &text); err != nil {
		return "", fmt.Errorf("parameter %s: %w", name, err)
	}
	return text, nil
}

// compare parses the number of a comparison. A field of a number can be compared.
func (p *parser) compare(name, operator string) (condition, error) {
	number, err := strconv.ParseFloat(p.next(), 64)
	f := p.d.fields[name]
	if _, ok := p.d.imports[name]; !ok && (f == nil || !f.attribute) {
		err = fmt.Errorf("field %s is not an attribute of %s", name, p.d.name)
	}
	return condition{match: func(x *document) bool {
		var have float64
		switch v := p.server.value(p.d, x, name).(type) {
		case int64:
			have = float64(v)
		case float64:
			have = v
		default:
			return false
		}
		switch operator {
		case "<":
			return have < number
		case ">":
			return have > number
		case ">=":
			return have >= number
		default:
			return have == number
		}
	}}, err
}
