package parquet

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/safetext"
)

// Limits of a schema.
const (
	maxColumns = 400 // leaf columns
	maxNesting = 16
)

// Physical types.
const (
	typeBool   = 0
	typeInt32  = 1
	typeInt64  = 2
	typeInt96  = 3
	typeFloat  = 4
	typeDouble = 5
	typeBytes  = 6
	typeFixed  = 7
)

// Repetitions.
const (
	isOptional = 1
	isRepeated = 2
)

// shape is what JSON a node becomes.
type shape int

const (
	shapeObject shape = iota
	shapeList         // the only child is repeated
	shapeText
	shapeJSON // a text that is JSON
	shapeNumber
	shapeUnsigned
	shapeBool
)

// node is one node of the schema.
type node struct {
	name       string
	path       string
	repetition int
	physical   int // of a leaf
	shape      shape
	children   []*node
	rep, def   int   // maximum levels
	leaves     []int // indices of the leaf columns below, or of this one
}

// schemaReader makes the tree of the list of schema elements.
type schemaReader struct {
	elements []value
	at       int
	leaves   []*node
}

func readSchema(elements []value) (*node, []*node, error) {
	r := &schemaReader{elements: elements}
	root, err := r.next(nil, 0)
	if err != nil {
		return nil, nil, err
	}
	if r.at != len(elements) || root.shape != shapeObject {
		return nil, nil, corrupt("its schema is damaged")
	}
	if len(root.children) == 0 {
		return nil, nil, corrupt("it has no columns")
	}
	return root, r.leaves, nil
}

func (r *schemaReader) next(parent *node, depth int) (*node, error) {
	if r.at >= len(r.elements) {
		return nil, corrupt("its schema is damaged")
	}
	if depth > maxNesting {
		return nil, limit(fmt.Sprintf("it is nested deeper than %d levels", maxNesting))
	}
	e := &r.elements[r.at]
	r.at++
	n := &node{name: string(e.get(4).bytes), repetition: int(e.get(3).number), physical: int(e.get(1).number)}
	if parent != nil {
		n.path = strings.TrimPrefix(parent.path+"."+safetext.Line(n.name, 60), ".")
		n.rep, n.def = parent.rep, parent.def
		switch n.repetition {
		case isRepeated:
			n.rep++
			n.def++
		case isOptional:
			n.def++
		}
	}
	if n.repetition < 0 || n.repetition > isRepeated {
		return nil, corrupt("its schema is damaged")
	}
	children := e.get(5).number
	if parent == nil || e.has(5) && !e.has(1) {
		return n, in(n.path, r.group(n, e, children, depth))
	}
	if len(r.leaves) == maxColumns {
		return nil, limit(fmt.Sprintf("it has more than %d columns", maxColumns))
	}
	n.leaves = []int{len(r.leaves)}
	r.leaves = append(r.leaves, n)
	var err error
	n.shape, err = leafShape(e)
	return n, in(n.path, err)
}

func (r *schemaReader) group(n *node, e *value, children int64, depth int) error {
	if children < 0 || children > int64(len(r.elements)-r.at) {
		return corrupt("its schema is damaged")
	}
	for range children {
		child, err := r.next(n, depth+1)
		if err != nil {
			return err
		}
		for _, other := range n.children {
			if other.name == child.name {
				return corrupt(fmt.Sprintf("the column %q is listed twice", safetext.Line(child.name, 60)))
			}
		}
		n.children = append(n.children, child)
		n.leaves = append(n.leaves, child.leaves...)
	}
	logical, converted := e.get(10), e.get(6)
	switch {
	case logical.has(2) || converted.kind != 0 && (converted.number == 1 || converted.number == 2):
		return &Error{Kind: Unsupported, Reason: "it is a map", Fix: "write it as a struct, or without this column"}
	case logical.has(3) || converted.kind != 0 && converted.number == 3:
		if len(n.children) != 1 || n.children[0].repetition != isRepeated {
			return corrupt("it is a list without elements")
		}
		n.shape = shapeList
	case len(n.children) == 0 && depth > 0:
		return &Error{Kind: Unsupported, Reason: "it is a struct without fields", Fix: "write it without this column"}
	}
	return nil
}

// leafShape returns what a leaf column becomes. Types without a JSON value are refused.
func leafShape(e *value) (shape, error) {
	refuse := func(what, fix string) (shape, error) {
		return 0, &Error{Kind: Unsupported, Reason: "it holds " + what, Fix: fix}
	}
	const asText = "write it as text, or without this column"
	logical, converted := e.get(10), int64(-1)
	if e.has(6) {
		converted = e.get(6).number
	}
	switch {
	case logical.has(5) || converted == 5:
		return refuse("decimals", "write it as float or as text, or without this column")
	case logical.has(6) || converted == 6, logical.has(7) || converted == 7 || converted == 8, logical.has(8) || converted == 9 || converted == 10, converted == 21:
		return refuse("dates or times", asText)
	}
	switch e.get(1).number {
	case typeBool:
		return shapeBool, nil
	case typeInt32, typeInt64:
		signed := logical.get(10).get(2)
		if converted >= 11 && converted <= 14 || signed.kind != 0 && signed.number == 0 {
			return shapeUnsigned, nil
		}
		return shapeNumber, nil
	case typeFloat, typeDouble:
		return shapeNumber, nil
	case typeInt96:
		return refuse("dates or times", asText)
	case typeBytes:
		switch {
		case logical.has(12) || converted == 19:
			return shapeJSON, nil
		case logical.has(1) || logical.has(4) || converted == 0 || converted == 4:
			return shapeText, nil
		}
		return refuse("binary data, such as images or audio", "write the file without this column")
	case typeFixed:
		return refuse("binary data of a fixed length", asText)
	default:
		return 0, corrupt("its type is unknown")
	}
}
