// Package postings is an inverted index of one set of documents in memory: which documents
// have a term, how often and where. It is built once and does not change. The package does
// not know how texts become terms, or what documents are.
package postings

import (
	"encoding/binary"
	"slices"
	"sort"
	"strings"
)

// List is an index. Documents have the numbers from 0 in the order in which they were added.
type List struct {
	terms   string   // all terms, sorted, without separators
	ends    []uint32 // of each term in terms
	data    []byte   // of each term: its documents, and its positions in each; see Builder
	offsets []uint32 // of each term in data; one more than terms
	lengths []uint32 // number of terms by document
	minor   []uint32 // by document: position from which a term counts half
	total   int
}

// Builder collects documents. The zero value is ready for use.
type Builder struct {
	ids     map[string]int
	terms   []string
	lists   []entry
	lengths []uint32
	minor   []uint32
	total   int
	next    uint32 // position of the next term in the current document
}

// entry is the postings of one term: for each document the distance to the previous one,
// the number of positions, and the distances between these, all as varints.
type entry struct {
	data  []byte
	open  []uint32 // positions in the current document
	doc   int      // current document + 1; 0 = none yet
	wrote int      // document + 1 that was last written to data
}

// Next begins a document.
func (b *Builder) Next() {
	b.lengths = append(b.lengths, 0)
	b.minor = append(b.minor, ^uint32(0))
	b.next = 0
}

// Minor tells that the other terms of the document count half.
func (b *Builder) Minor() { b.minor[len(b.minor)-1] = b.next + 1 }

// Add adds a term to the document. It is adjacent to the previous one if joined is true.
func (b *Builder) Add(term string, joined bool) {
	b.next++
	if !joined {
		b.next++ // a gap, which no phrase matches
	}
	if b.ids == nil {
		b.ids = map[string]int{}
	}
	id, ok := b.ids[term]
	if !ok {
		id = len(b.terms)
		term = strings.Clone(term)
		b.ids[term] = id
		b.terms = append(b.terms, term)
		b.lists = append(b.lists, entry{})
	}
	e, doc := &b.lists[id], len(b.lengths)
	if e.doc != doc {
		e.close()
		e.doc = doc
	}
	e.open = append(e.open, b.next)
	b.lengths[doc-1]++
	b.total++
}

// close writes the current document.
func (e *entry) close() {
	if e.doc == 0 {
		return
	}
	e.data = binary.AppendUvarint(e.data, uint64(e.doc-e.wrote))
	e.data = binary.AppendUvarint(e.data, uint64(len(e.open)))
	last := uint32(0)
	for _, at := range e.open {
		e.data = binary.AppendUvarint(e.data, uint64(at-last))
		last = at
	}
	e.wrote, e.open = e.doc, e.open[:0]
}

// Build returns the index. The builder must not be used afterwards.
func (b *Builder) Build() *List {
	order := make([]int, len(b.terms))
	size, letters := 0, 0
	for i := range order {
		order[i] = i
		b.lists[i].close()
		size += len(b.lists[i].data)
		letters += len(b.terms[i])
	}
	slices.SortFunc(order, func(x, y int) int { return strings.Compare(b.terms[x], b.terms[y]) })
	x := &List{
		ends: make([]uint32, 0, len(order)), data: make([]byte, 0, size), offsets: make([]uint32, 1, len(order)+1),
		lengths: slices.Clip(b.lengths), minor: slices.Clip(b.minor), total: b.total,
	}
	var text strings.Builder
	text.Grow(letters)
	for _, i := range order {
		text.WriteString(b.terms[i])
		x.ends = append(x.ends, uint32(text.Len()))
		x.data = append(x.data, b.lists[i].data...)
		x.offsets = append(x.offsets, uint32(len(x.data)))
	}
	x.terms = text.String()
	return x
}

// Bytes is the memory that the index takes.
func (x *List) Bytes() int {
	return len(x.terms) + len(x.data) + 4*(len(x.ends)+len(x.offsets)+len(x.lengths)+len(x.minor))
}

// Total is the number of terms in all documents.
func (x *List) Total() int { return x.total }

// Length is the number of terms of a document.
func (x *List) Length(doc int) int { return int(x.lengths[doc]) }

func (x *List) term(i int) string {
	from := uint32(0)
	if i > 0 {
		from = x.ends[i-1]
	}
	return x.terms[from:x.ends[i]]
}

// find returns the postings of a term; nil = no document has it.
func (x *List) find(term string) []byte {
	i := sort.Search(len(x.ends), func(i int) bool { return x.term(i) >= term })
	if i == len(x.ends) || x.term(i) != term {
		return nil
	}
	return x.data[x.offsets[i]:x.offsets[i+1]]
}
