package vespatest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// condition reports whether a document matches; terms are the words by which it can be
// ranked.
type condition struct {
	match func(x *document) bool
	terms []string
}

var yqlToken = regexp.MustCompile(`^\s*(@\w+|\w+|[(),!=*])`)

// parser parses the YQL that package vespa generates: select * from T where …, with
// and, or, !(…), rank(…), field contains @name and field = number.
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
	operator, value := p.next(), p.next()
	if operator == "=" {
		number, err := strconv.ParseInt(value, 10, 64)
		if _, ok := p.d.imports[name]; !ok && p.d.fields[name] == nil {
			err = fmt.Errorf("field %s does not exist in %s", name, p.d.name)
		}
		return condition{match: func(x *document) bool { return p.server.value(p.d, x, name) == number }}, err
	}
	if operator != "contains" || !strings.HasPrefix(value, "@") {
		return condition{}, fmt.Errorf("query: %s %s %s is not supported", name, operator, value)
	}
	var text string
	if err := json.Unmarshal(p.parameters[value[1:]], &text); err != nil {
		return condition{}, fmt.Errorf("parameter %s: %w", value, err)
	}
	if name == "default" {
		phrase := tokens(text)
		return condition{terms: phrase, match: func(x *document) bool {
			return slices.ContainsFunc(p.d.fieldset, func(field string) bool {
				return len(phrase) > 0 && !slices.ContainsFunc(phrase, func(word string) bool { return x.words[field][word] == 0 })
			})
		}}, nil
	}
	if f := p.d.fields[name]; f == nil || !f.attribute || f.kind != "string" {
		return condition{}, fmt.Errorf("field %s is not an attribute of %s", name, p.d.name)
	}
	return condition{match: func(x *document) bool { return x.values[name] == text }}, nil
}
