package postings

import "encoding/binary"

// cursor reads the postings of one term, a document at a time.
type cursor struct {
	data      []byte
	doc       int // -1 before the first
	count     int // positions in doc
	positions []byte
}

// next moves to the next document and reports whether there is one.
func (c *cursor) next() bool {
	c.skip()
	if len(c.data) == 0 {
		return false
	}
	c.doc += int(c.read())
	c.count = int(c.read())
	c.positions = c.data
	return true
}

func (c *cursor) skip() {
	for ; c.count > 0; c.count-- {
		for c.data[0] >= 0x80 {
			c.data = c.data[1:]
		}
		c.data = c.data[1:]
	}
}

func (c *cursor) read() uint64 {
	if first := c.data[0]; first < 0x80 {
		c.data = c.data[1:]
		return uint64(first)
	}
	v, n := binary.Uvarint(c.data)
	c.data = c.data[n:]
	return v
}

// at appends the positions in the current document to out.
func (c *cursor) at(out []uint32) []uint32 {
	rest, last := c.positions, uint64(0)
	for range c.count {
		v, n := binary.Uvarint(rest)
		rest, last = rest[n:], last+v
		out = append(out, uint32(last))
	}
	return out
}

// Match is a document that has a phrase.
type Match struct {
	Doc int32
	// Count is the number of occurrences; a minor one counts half.
	Count float32
}

// Find appends the documents that have the terms next to each other, in this order, to out.
func (x *List) Find(phrase []string, out []Match) []Match {
	cursors := make([]cursor, len(phrase))
	for i, term := range phrase {
		data := x.find(term)
		if data == nil {
			return out
		}
		cursors[i] = cursor{data: data, doc: -1}
	}
	switch len(cursors) {
	case 0:
		return out
	case 1:
		return x.documents(cursors[0].data, out)
	}
	var first, other []uint32
	for {
		if !together(cursors) {
			return out
		}
		doc := cursors[0].doc
		first = cursors[0].at(first[:0])
		for i := range cursors[1:] {
			other = cursors[i+1].at(other[:0])
			first = follow(first, other, uint32(i+1))
		}
		if count := x.weigh(doc, first); count > 0 {
			out = append(out, Match{int32(doc), count})
		}
	}
}

// documents appends all documents of one term.
func (x *List) documents(data []byte, out []Match) []Match {
	c := cursor{data: data}
	for doc := -1; len(c.data) > 0; {
		doc += int(c.read())
		n, at, count := c.read(), uint32(0), float32(0)
		for range n {
			at += uint32(c.read())
			if at >= x.minor[doc] {
				count += 0.5
			} else {
				count++
			}
		}
		out = append(out, Match{int32(doc), count})
	}
	return out
}

// together moves the cursors to the next document that all of them have.
func together(cursors []cursor) bool {
	if !cursors[0].next() {
		return false
	}
	for i := 1; i < len(cursors); {
		c := &cursors[i]
		for c.doc < cursors[0].doc {
			if !c.next() {
				return false
			}
		}
		if c.doc == cursors[0].doc {
			i++
			continue
		}
		for cursors[0].doc < c.doc {
			if !cursors[0].next() {
				return false
			}
		}
		i = 1
	}
	return true
}

// follow keeps the positions that another term follows at a distance.
func follow(first, other []uint32, distance uint32) []uint32 {
	kept := first[:0]
	at := 0
	for _, p := range first {
		for at < len(other) && other[at] < p+distance {
			at++
		}
		if at < len(other) && other[at] == p+distance {
			kept = append(kept, p)
		}
	}
	return kept
}

func (x *List) weigh(doc int, positions []uint32) (count float32) {
	for _, p := range positions {
		if p >= x.minor[doc] {
			count += 0.5
		} else {
			count++
		}
	}
	return count
}
