package parquet

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/bits"
)

// Limits of pages.
const (
	maxPage   = 256 << 20 // bytes of one page, decompressed
	maxHeld   = 1 << 30   // bytes of the pages that are open at once
	maxHeader = 1 << 20   // bytes of the header of a page
)

// Kinds of pages.
const (
	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3
)

// cursor reads the values of one column of a row group in turn.
type cursor struct {
	node  *node
	file  *File
	at    int64 // of the next page
	end   int64
	codec int64
	left  int64 // values of the column chunk that are not in a page so far

	dictionary *dictionary
	page       int // values of the page that are left
	reps, defs hybrid
	values     valueReader
	held       int // bytes

	loaded   bool // the entry is that of rep, def and value
	rep, def int
	value    scalar
}

// done reports whether nothing is left.
func (c *cursor) done() bool { return !c.loaded && c.page == 0 && c.left == 0 }

// load makes the next entry available; there must be one.
func (c *cursor) load() error {
	if c.loaded {
		return nil
	}
	for c.page == 0 {
		if c.left == 0 {
			return corrupt("it has fewer values than other columns")
		}
		if err := c.nextPage(); err != nil {
			return err
		}
	}
	c.page--
	c.rep, c.def = 0, c.node.def
	for _, level := range []struct {
		most int
		from *hybrid
		to   *int
	}{{c.node.rep, &c.reps, &c.rep}, {c.node.def, &c.defs, &c.def}} {
		if level.most == 0 {
			continue
		}
		n, err := level.from.next()
		if err != nil {
			return err
		}
		if n > uint64(level.most) {
			return corrupt("a level is out of range")
		}
		*level.to = int(n)
	}
	c.loaded = true
	if c.def < c.node.def {
		return nil
	}
	var err error
	c.value, err = c.values.next()
	return err
}

// nextRep is the repetition level of the next entry; 0 at the end.
func (c *cursor) nextRep() (int, error) {
	if c.done() {
		return 0, nil
	}
	err := c.load()
	return c.rep, err
}

// nextPage reads pages up to the next one with values.
func (c *cursor) nextPage() error {
	header, size, err := c.header()
	if err != nil {
		return err
	}
	compressed, plainSize := header.get(3).number, header.get(2).number
	if compressed < 0 || compressed > c.end-c.at-int64(size) || plainSize < 0 {
		return corrupt("a page has an invalid size")
	}
	if plainSize > maxPage || compressed > maxPage {
		return limit("a page is larger than 256 MiB; write it with smaller pages")
	}
	start := c.at + int64(size)
	c.at = start + compressed
	if kind := header.get(1).number; kind == pageIndex {
		return nil
	}
	raw := c.file.scratch(int(compressed))
	if _, err := c.file.in.ReadAt(raw, start); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if crc := header.get(4); crc.kind != 0 && uint32(crc.number) != crc32.ChecksumIEEE(raw) {
		return corrupt("the checksum of a page differs")
	}
	switch header.get(1).number {
	case pageDictionary:
		return c.readDictionary(header.get(7), raw, int(plainSize))
	case pageData:
		return c.readV1(header.get(5), raw, int(plainSize))
	case pageDataV2:
		return c.readV2(header.get(8), raw, int(plainSize))
	default:
		return corrupt("a page is of an unknown kind")
	}
}

// header reads the header of the next page, and returns its length.
func (c *cursor) header() (*value, int, error) {
	for most := 1 << 10; ; most = maxHeader {
		n := min(int64(most), c.end-c.at)
		if n <= 0 {
			return nil, 0, corrupt("it has fewer pages than its metadata says")
		}
		data := make([]byte, n)
		if _, err := c.file.in.ReadAt(data, c.at); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		header, size, err := readStruct(data)
		if err == nil || n < int64(most) || most == maxHeader {
			return header, size, err
		}
	}
}

// hold decompresses a page. It counts extra bytes for what is made of it.
func (c *cursor) hold(raw []byte, size, extra int, compressed bool) ([]byte, error) {
	if c.file.held+size+extra > maxHeld {
		return nil, limit("its pages need more than 1 GiB of memory at once; write it with smaller pages")
	}
	data := make([]byte, size)
	codec := c.codec
	if !compressed || size == 0 {
		codec = codecNone
		raw = raw[:min(len(raw), size)]
	}
	if err := decompress(codec, data, raw); err != nil {
		return nil, err
	}
	c.file.held += size + extra
	c.held += size + extra
	return data, nil
}

// release gives back what the last page held.
func (c *cursor) release() {
	c.file.held -= c.held
	c.held = 0
}

func (c *cursor) readDictionary(header *value, raw []byte, size int) error {
	if c.dictionary != nil {
		return corrupt("it has two dictionaries")
	}
	if e := header.get(2).number; e != encodingPlain && e != encodingPlainDictionary {
		return corrupt("a dictionary is of an unknown encoding")
	}
	c.release()
	data, err := c.hold(raw, size, size, true)
	if err != nil {
		return err
	}
	c.held = 0 // kept up to the end of the row group
	c.dictionary, err = newDictionary(c.node.physical, data, header.get(1).number)
	return err
}

// begin checks how many values a page has.
func (c *cursor) begin(n int64) error {
	if n < 0 || n > c.left {
		return corrupt("a page has more values than its column")
	}
	c.release()
	c.left -= n
	c.page = int(n)
	return nil
}

// lengthsOf is the memory that decoded lengths of texts need.
func lengthsOf(encoding, n int64) int {
	if encoding == encodingDeltaLengths || encoding == encodingDeltaTexts {
		return int(8 * n)
	}
	return 0
}

func (c *cursor) readV1(header *value, raw []byte, size int) error {
	n, encoding := header.get(1).number, header.get(2).number
	if err := c.begin(n); err != nil || n == 0 {
		return err
	}
	data, err := c.hold(raw, size, lengthsOf(encoding, n), true)
	if err != nil {
		return err
	}
	for _, level := range []struct {
		most     int
		encoding int64
		to       *hybrid
	}{{c.node.rep, header.get(4).number, &c.reps}, {c.node.def, header.get(3).number, &c.defs}} {
		if level.most == 0 {
			continue
		}
		if level.encoding != encodingRLE {
			return &Error{Kind: Unsupported, Reason: "its levels are of an outdated encoding", Fix: rewrite}
		}
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return errTruncated
		}
		length := binary.LittleEndian.Uint32(data)
		*level.to = hybrid{data: data[4 : 4+length], width: bits.Len(uint(level.most))}
		data = data[4+length:]
	}
	c.values, err = newValues(c.node.physical, int(encoding), data, int(n), c.dictionary)
	return err
}

func (c *cursor) readV2(header *value, raw []byte, size int) error {
	n, encoding := header.get(1).number, header.get(4).number
	if err := c.begin(n); err != nil || n == 0 {
		return err
	}
	defs, reps := header.get(5).number, header.get(6).number
	if defs < 0 || reps < 0 || defs+reps > int64(min(len(raw), size)) {
		return corrupt("a page has invalid levels")
	}
	levels := append([]byte(nil), raw[:defs+reps]...) // raw is used again
	c.reps = hybrid{data: levels[:reps], width: bits.Len(uint(c.node.rep))}
	c.defs = hybrid{data: levels[reps:], width: bits.Len(uint(c.node.def))}
	packed := header.get(7).kind == 0 || header.get(7).number == 1
	data, err := c.hold(raw[defs+reps:], size-len(levels), len(levels)+lengthsOf(encoding, n), packed)
	if err != nil {
		return err
	}
	c.values, err = newValues(c.node.physical, int(encoding), data, int(n), c.dictionary)
	return err
}
