package parquet

import "encoding/binary"

// Limits of Thrift structs. A file's metadata has about 40 values a column of a row group.
const (
	maxValues = 1 << 20
	maxDepth  = 24
)

// Types of Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftInt16  = 4
	thriftInt32  = 5
	thriftInt64  = 6
	thriftDouble = 7
	thriftBytes  = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// value is one value of a Thrift struct of any type.
type value struct {
	kind   byte
	number int64
	bytes  []byte
	items  []value // of a list
	fields []field // of a struct
}

type field struct {
	id int16
	value
}

// get returns a field of a struct; the zero value if it is absent.
func (v *value) get(id int16) *value {
	for i := range v.fields {
		if v.fields[i].id == id {
			return &v.fields[i].value
		}
	}
	return &value{}
}

func (v *value) has(id int16) bool { return v.get(id).kind != 0 }

// thriftReader decodes the compact protocol. Nothing that it allocates is larger than what
// the bytes that are left can hold.
type thriftReader struct {
	data   []byte
	at     int
	values int
}

// readStruct decodes a struct at the beginning of data, and returns how long it is.
func readStruct(data []byte) (*value, int, error) {
	r := &thriftReader{data: data}
	v, err := r.value(thriftStruct, 0)
	return &v, r.at, err
}

func (r *thriftReader) byte() (byte, error) {
	if r.at >= len(r.data) {
		return 0, errTruncated
	}
	r.at++
	return r.data[r.at-1], nil
}

func (r *thriftReader) uvarint() (uint64, error) {
	n, size := binary.Uvarint(r.data[r.at:])
	if size == 0 {
		return 0, errTruncated
	}
	if size < 0 {
		return 0, corrupt("a number of the metadata is too large")
	}
	r.at += size
	return n, nil
}

func (r *thriftReader) varint() (int64, error) {
	u, err := r.uvarint()
	return int64(u>>1) ^ -int64(u&1), err
}

// take returns the next n bytes.
func (r *thriftReader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.data)-r.at) {
		return nil, errTruncated
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at], nil
}

func (r *thriftReader) value(kind byte, depth int) (v value, err error) {
	if r.values++; r.values > maxValues || depth > maxDepth {
		return v, limit("its metadata is too large: write it with fewer columns and larger row groups")
	}
	v.kind = kind
	switch kind {
	case thriftTrue, thriftFalse:
		v.number = int64(kind & 1)
	case thriftByte:
		var b byte
		b, err = r.byte()
		v.number = int64(int8(b))
	case thriftInt16, thriftInt32, thriftInt64:
		v.number, err = r.varint()
	case thriftDouble:
		v.bytes, err = r.take(8)
	case thriftBytes:
		var n uint64
		if n, err = r.uvarint(); err == nil {
			v.bytes, err = r.take(n)
		}
	case thriftList, thriftSet:
		v.items, err = r.list(depth + 1)
	case thriftMap:
		v.items, err = r.mapping(depth + 1)
	case thriftStruct:
		v.fields, err = r.structFields(depth + 1)
	default:
		err = corrupt("its metadata has a value of an unknown type")
	}
	return v, err
}

func (r *thriftReader) list(depth int) ([]value, error) {
	head, err := r.byte()
	if err != nil {
		return nil, err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = r.uvarint(); err != nil {
			return nil, err
		}
	}
	return r.elements(n, depth, head&15)
}

func (r *thriftReader) mapping(depth int) ([]value, error) {
	n, err := r.uvarint()
	if err != nil || n == 0 {
		return nil, err
	}
	kinds, err := r.byte()
	if err != nil {
		return nil, err
	}
	return r.elements(n, depth, kinds>>4, kinds&15)
}

// elements reads n elements, each of one value of every kind.
func (r *thriftReader) elements(n uint64, depth int, kinds ...byte) ([]value, error) {
	if n > uint64(len(r.data)-r.at) { // each takes a byte at least
		return nil, errTruncated
	}
	if uint64(r.values)+n > maxValues {
		return nil, limit("its metadata is too large: write it with fewer columns and larger row groups")
	}
	items := make([]value, 0, int(n)*len(kinds))
	for range n {
		for _, kind := range kinds {
			if kind == thriftTrue || kind == thriftFalse { // in a list each has a byte
				b, err := r.byte()
				if err != nil {
					return nil, err
				}
				kind = b
			}
			v, err := r.value(kind, depth)
			if err != nil {
				return nil, err
			}
			items = append(items, v)
		}
	}
	return items, nil
}

func (r *thriftReader) structFields(depth int) (fields []field, err error) {
	id := int16(0)
	for {
		head, err := r.byte()
		if err != nil {
			return nil, err
		}
		if head == 0 {
			return fields, nil
		}
		if delta := head >> 4; delta != 0 {
			id += int16(delta)
		} else {
			n, err := r.varint()
			if err != nil {
				return nil, err
			}
			id = int16(n)
		}
		v, err := r.value(head&15, depth)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field{id, v})
	}
}
