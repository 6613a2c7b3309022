package parquet

import (
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// object writes the fields of a struct; the brace before them is there.
func (f *File) object(n *node) error {
	for i, child := range n.children {
		if i > 0 {
			f.row = append(f.row, ',')
		}
		if err := f.quote([]byte(child.name)); err != nil {
			return in(child.path, err)
		}
		f.row = append(f.row, ':')
		if err := f.node(child); err != nil {
			return in(child.path, err)
		}
	}
	f.row = append(f.row, '}')
	return f.full()
}

func (f *File) full() error {
	if len(f.row) > f.rowMax {
		return &Error{Kind: TooLong, Reason: "a row is longer than what is read"}
	}
	return nil
}

// node writes the value of a node: null, a list if it is repeated, or its content.
func (f *File) node(n *node) error {
	if n.repetition == isRepeated {
		return f.repeated(n)
	}
	if n.repetition == isOptional {
		def, err := f.level(n)
		if err != nil {
			return err
		}
		if def < n.def {
			f.row = append(f.row, "null"...)
			return f.skip(n)
		}
	}
	return f.content(n)
}

// level is the definition level of the next entry of a node.
func (f *File) level(n *node) (int, error) {
	c := f.cursors[n.leaves[0]]
	err := c.load()
	return c.def, err
}

// skip takes one entry of every column of a node that is not defined.
func (f *File) skip(n *node) error {
	for _, i := range n.leaves {
		c := f.cursors[i]
		if err := c.load(); err != nil {
			return in(c.node.path, err)
		}
		if c.def >= n.def {
			return in(c.node.path, corrupt("its rows are damaged"))
		}
		c.loaded = false
	}
	return f.full()
}

func (f *File) content(n *node) error {
	switch n.shape {
	case shapeObject:
		f.row = append(f.row, '{')
		return f.object(n)
	case shapeList:
		return f.repeated(n.children[0])
	case shapeText, shapeJSON, shapeNumber, shapeUnsigned, shapeBool:
	}
	c := f.cursors[n.leaves[0]]
	if err := c.load(); err != nil {
		return err
	}
	if c.def != n.def {
		return corrupt("its rows are damaged")
	}
	c.loaded = false
	f.leaf(n, c.value)
	return f.full()
}

// repeated writes a list of the values of a repeated node.
func (f *File) repeated(n *node) error {
	def, err := f.level(n)
	if err != nil {
		return err
	}
	f.row = append(f.row, '[')
	if def < n.def {
		f.row = append(f.row, ']')
		return f.skip(n)
	}
	for first := true; ; first = false {
		if !first {
			f.row = append(f.row, ',')
		}
		if err := f.element(n); err != nil {
			return err
		}
		more, err := f.continues(n)
		if err != nil {
			return err
		}
		if !more {
			f.row = append(f.row, ']')
			return nil
		}
	}
}

// continues reports whether the next entries belong to the same list.
func (f *File) continues(n *node) (bool, error) {
	more := 0
	for _, i := range n.leaves {
		rep, err := f.cursors[i].nextRep()
		if err != nil {
			return false, in(f.cursors[i].node.path, err)
		}
		if rep > n.rep {
			return false, corrupt("its lists are damaged")
		}
		if rep == n.rep {
			more++
		}
	}
	if more != 0 && more != len(n.leaves) {
		return false, corrupt("its lists are damaged")
	}
	return more > 0, nil
}

// element writes one element of a list: the child of the repeated group, unless an old
// writer left that level out.
func (f *File) element(n *node) error {
	if n.shape == shapeObject && len(n.children) == 1 && n.name != "array" {
		return f.node(n.children[0])
	}
	return f.content(n)
}

// leaf writes a value. One that JSON does not have is remembered, and the row goes on.
func (f *File) leaf(n *node, v scalar) {
	switch n.shape {
	case shapeText, shapeJSON:
		if n.shape == shapeJSON {
			if json.Valid(v.text) {
				f.row = append(f.row, v.text...)
				return
			}
			f.refuse(n, "the text is not JSON, as the type of the column says", "correct the text")
		}
		if err := f.quote(v.text); err != nil {
			f.refuse(n, "the text is not UTF-8", "decode it before the file is written")
		}
	case shapeBool:
		f.row = strconv.AppendBool(f.row, v.bits == 1)
	case shapeUnsigned:
		if n.physical == typeInt32 {
			v.bits = uint64(uint32(v.bits))
		}
		f.row = strconv.AppendUint(f.row, v.bits, 10)
	case shapeNumber, shapeObject, shapeList:
		f.number(n, v.bits)
	}
}

func (f *File) number(n *node, bits uint64) {
	switch n.physical {
	case typeInt32:
		f.row = strconv.AppendInt(f.row, int64(int32(bits)), 10)
	case typeInt64:
		f.row = strconv.AppendInt(f.row, int64(bits), 10)
	default:
		number, width := math.Float64frombits(bits), 64
		if n.physical == typeFloat {
			number, width = float64(math.Float32frombits(uint32(bits))), 32
		}
		if math.IsNaN(number) || math.IsInf(number, 0) {
			f.refuse(n, "JSON has no NaN and no infinity", "write null, or leave the column out")
			number = 0
		}
		f.row = strconv.AppendFloat(f.row, number, 'g', -1, width)
	}
}

func (f *File) refuse(n *node, reason, fix string) {
	if f.bad == nil {
		f.bad = &Error{Kind: BadValue, Column: n.path, Reason: reason, Fix: fix}
	}
}

func (f *File) quote(text []byte) error {
	if !utf8.Valid(text) {
		f.row = append(f.row, `""`...)
		return corrupt("its name is not UTF-8")
	}
	var err error
	f.row, err = jsontext.AppendQuote(f.row, text)
	return err
}
