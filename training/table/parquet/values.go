package parquet

import (
	"encoding/binary"
)

// Encodings of values.
const (
	encodingPlain           = 0
	encodingPlainDictionary = 2
	encodingRLE             = 3
	encodingDeltas          = 5
	encodingDeltaLengths    = 6
	encodingDeltaTexts      = 7
	encodingDictionary      = 8
	encodingSplit           = 9
)

// scalar is one value: a text, or the bits of a number or a boolean. A text is valid until
// the next one is read.
type scalar struct {
	text []byte
	bits uint64
}

// valueReader reads the values of a page in turn.
type valueReader interface {
	next() (scalar, error)
}

// newValues reads the values of a page with at most so many.
func newValues(physical, encoding int, data []byte, most int, dictionary *dictionary) (valueReader, error) {
	isInt, isText := physical == typeInt32 || physical == typeInt64, physical == typeBytes
	switch {
	case encoding == encodingPlain:
		return &plain{physical: physical, data: data}, nil
	case encoding == encodingPlainDictionary || encoding == encodingDictionary:
		if dictionary == nil {
			return nil, corrupt("a page refers to a dictionary that is missing")
		}
		if len(data) == 0 {
			return &indexed{dictionary: dictionary}, nil
		}
		if data[0] > 32 {
			return nil, corrupt("a page of dictionary indices is damaged")
		}
		return &indexed{dictionary: dictionary, indices: hybrid{data: data[1:], width: int(data[0])}}, nil
	case encoding == encodingRLE && physical == typeBool:
		return newBooleans(data)
	case encoding == encodingDeltas && isInt:
		d, err := newDeltas(data, most)
		return &numbers{d, physical == typeInt32}, err
	case encoding == encodingDeltaLengths && isText:
		d, err := newDeltas(data, most)
		if err != nil {
			return nil, err
		}
		lengths, rest, err := d.readAll()
		return &texts{suffixes: lengths, data: rest}, err
	case encoding == encodingDeltaTexts && isText:
		return newDeltaTexts(data, most)
	case encoding == encodingSplit && !isText && physical != typeBool:
		size := sizeOf(physical)
		return &split{data: data, size: size, n: len(data) / size}, nil
	}
	return nil, &Error{Kind: Unsupported, Reason: "its encoding is not supported", Fix: "write it with the default encodings"}
}

func sizeOf(physical int) int {
	if physical == typeInt32 || physical == typeFloat {
		return 4
	}
	return 8
}

// plain reads values one behind the other.
type plain struct {
	physical int
	data     []byte
	bit      int
}

func (p *plain) next() (scalar, error) {
	switch p.physical {
	case typeBool:
		bits, err := bitsAt(p.data, p.bit, 1)
		p.bit++
		return scalar{bits: bits}, err
	case typeBytes:
		if len(p.data) < 4 {
			return scalar{}, errTruncated
		}
		n := binary.LittleEndian.Uint32(p.data)
		if uint64(n) > uint64(len(p.data)-4) {
			return scalar{}, errTruncated
		}
		text := p.data[4 : 4+n]
		p.data = p.data[4+n:]
		return scalar{text: text}, nil
	}
	size := sizeOf(p.physical)
	if len(p.data) < size {
		return scalar{}, errTruncated
	}
	v := scalar{bits: numberAt(p.data, size)}
	p.data = p.data[size:]
	return v, nil
}

func numberAt(data []byte, size int) uint64 {
	if size == 4 {
		return uint64(binary.LittleEndian.Uint32(data))
	}
	return binary.LittleEndian.Uint64(data)
}

// dictionary holds the distinct values of a column chunk.
type dictionary struct {
	data    []byte
	size    int      // of a number; 0 = texts
	offsets []uint32 // of texts, each behind its length
	n       int
}

func newDictionary(physical int, data []byte, n int64) (*dictionary, error) {
	d := &dictionary{data: data, n: int(n)}
	if n < 0 || n > int64(len(data)) || physical == typeBool {
		return nil, corrupt("a dictionary is damaged")
	}
	if physical != typeBytes {
		d.size = sizeOf(physical)
		if n > int64(len(data)/d.size) {
			return nil, errTruncated
		}
		return d, nil
	}
	if n > int64(len(data)/4) {
		return nil, errTruncated
	}
	d.offsets = make([]uint32, 0, n)
	at := 0
	for range n {
		if len(data)-at < 4 {
			return nil, errTruncated
		}
		length := binary.LittleEndian.Uint32(data[at:])
		at += 4
		if uint64(length) > uint64(len(data)-at) {
			return nil, errTruncated
		}
		d.offsets = append(d.offsets, uint32(at))
		at += int(length)
	}
	return d, nil
}

func (d *dictionary) get(i uint64) (scalar, error) {
	if i >= uint64(d.n) {
		return scalar{}, corrupt("a value is not in its dictionary")
	}
	if d.size > 0 {
		return scalar{bits: numberAt(d.data[int(i)*d.size:], d.size)}, nil
	}
	at := d.offsets[i]
	return scalar{text: d.data[at : at+binary.LittleEndian.Uint32(d.data[at-4:])]}, nil
}

// indexed reads values of a dictionary by their indices.
type indexed struct {
	dictionary *dictionary
	indices    hybrid
}

func (r *indexed) next() (scalar, error) {
	i, err := r.indices.next()
	if err != nil {
		return scalar{}, err
	}
	return r.dictionary.get(i)
}

type booleans struct{ hybrid }

func newBooleans(data []byte) (valueReader, error) {
	if len(data) == 0 {
		return &booleans{}, nil
	}
	if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
		return nil, errTruncated
	}
	return &booleans{hybrid{data: data[4 : 4+binary.LittleEndian.Uint32(data)], width: 1}}, nil
}

func (r *booleans) next() (scalar, error) {
	bits, err := r.hybrid.next()
	return scalar{bits: bits & 1}, err
}

type numbers struct {
	deltas *deltas
	narrow bool
}

func (r *numbers) next() (scalar, error) {
	n, err := r.deltas.next()
	if r.narrow {
		n = int64(uint32(n))
	}
	return scalar{bits: uint64(n)}, err
}

// texts reads texts by their lengths, each behind a prefix of the text before.
type texts struct {
	prefixes, suffixes []uint32 // prefixes = nil: none
	data               []byte
	last               []byte
}

func newDeltaTexts(data []byte, most int) (valueReader, error) {
	d, err := newDeltas(data, most)
	if err != nil {
		return nil, err
	}
	prefixes, rest, err := d.readAll()
	if err != nil {
		return nil, err
	}
	if d, err = newDeltas(rest, most); err != nil {
		return nil, err
	}
	suffixes, rest, err := d.readAll()
	if err == nil && len(prefixes) != len(suffixes) {
		err = corrupt("a page of texts is damaged")
	}
	return &texts{prefixes: prefixes, suffixes: suffixes, data: rest}, err
}

func (r *texts) next() (scalar, error) {
	if len(r.suffixes) == 0 || int64(r.suffixes[0]) > int64(len(r.data)) {
		return scalar{}, errTruncated
	}
	n := r.suffixes[0]
	text := r.data[:n]
	r.suffixes, r.data = r.suffixes[1:], r.data[n:]
	if r.prefixes == nil {
		return scalar{text: text}, nil
	}
	shared := r.prefixes[0]
	r.prefixes = r.prefixes[1:]
	if int64(shared) > int64(len(r.last)) {
		return scalar{}, corrupt("a text refers to more than the text before it")
	}
	if int64(shared)+int64(n) > maxPage {
		return scalar{}, limit("a text is longer than what is read")
	}
	r.last = append(r.last[:shared], text...)
	return scalar{text: r.last}, nil
}

// split reads numbers whose first bytes come first, then all second bytes, and so on.
type split struct {
	data        []byte
	size, n, at int
}

func (r *split) next() (scalar, error) {
	if r.at == r.n {
		return scalar{}, errTruncated
	}
	var wide [8]byte
	for i := range r.size {
		wide[i] = r.data[i*r.n+r.at]
	}
	r.at++
	return scalar{bits: binary.LittleEndian.Uint64(wide[:])}, nil
}
