package parquet

import "encoding/binary"

// bitsAt returns width bits, at most 64, from a bit position on; low bits come first.
func bitsAt(data []byte, at, width int) (uint64, error) {
	if width == 0 {
		return 0, nil
	}
	if at+width > 8*len(data) {
		return 0, errTruncated
	}
	var wide [16]byte
	copy(wide[:], data[at/8:min(len(data), at/8+9)])
	shift := at % 8
	v := binary.LittleEndian.Uint64(wide[:]) >> shift
	if shift > 0 {
		v |= uint64(wide[8]) << (64 - shift)
	}
	if width < 64 {
		v &= 1<<width - 1
	}
	return v, nil
}

// hybrid reads numbers in runs of one value and in bit-packed groups.
type hybrid struct {
	data   []byte
	width  int
	repeat int    // left of a run of one value
	value  uint64 // of that run
	packed []byte
	at     int // bit in packed
	left   int // of the packed numbers
}

func (h *hybrid) next() (uint64, error) {
	for h.repeat == 0 && h.left == 0 {
		if err := h.run(); err != nil {
			return 0, err
		}
	}
	if h.repeat > 0 {
		h.repeat--
		return h.value, nil
	}
	h.left--
	v, err := bitsAt(h.packed, h.at, h.width)
	h.at += h.width
	return v, err
}

func (h *hybrid) run() error {
	head, n := binary.Uvarint(h.data)
	if n <= 0 || head>>1 > 1<<31 {
		return errTruncated
	}
	h.data = h.data[n:]
	count := int(head >> 1)
	if head&1 == 1 {
		size := min(count*h.width, len(h.data)) // writers may leave out the end of the last group
		h.packed, h.data = h.data[:size], h.data[size:]
		h.at, h.left = 0, 8*count
		return nil
	}
	size := (h.width + 7) / 8
	if size > len(h.data) {
		return errTruncated
	}
	var wide [8]byte
	copy(wide[:], h.data[:size])
	h.value, h.repeat = binary.LittleEndian.Uint64(wide[:]), count
	h.data = h.data[size:]
	return nil
}

// deltas reads numbers that are stored as differences, in blocks of miniblocks.
type deltas struct {
	data       []byte
	perMini    int
	minis      int
	left       int // numbers
	last       uint64
	first      bool
	smallest   uint64
	widths     []byte // of the miniblocks of this block that are left
	mini       []byte
	at, inMini int
	width      int
}

const maxBlock = 1 << 16

func newDeltas(data []byte, most int) (*deltas, error) {
	d := &deltas{data: data, first: true}
	var head [3]uint64
	for i := range head {
		n, size := binary.Uvarint(d.data)
		if size <= 0 {
			return nil, errTruncated
		}
		head[i], d.data = n, d.data[size:]
	}
	first, size := binary.Varint(d.data)
	if size <= 0 {
		return nil, errTruncated
	}
	d.data, d.last = d.data[size:], uint64(first)
	block, minis := head[0], head[1]
	if block == 0 || block > maxBlock || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 || head[2] > uint64(most) {
		return nil, corrupt("a page of differences is damaged")
	}
	d.perMini, d.minis, d.left = int(block/minis), int(minis), int(head[2])
	return d, nil
}

func (d *deltas) next() (int64, error) {
	if d.left == 0 {
		return 0, errTruncated
	}
	d.left--
	if d.first {
		d.first = false
		return int64(d.last), nil
	}
	if d.inMini == 0 {
		if err := d.nextMini(); err != nil {
			return 0, err
		}
	}
	d.inMini--
	delta, err := bitsAt(d.mini, d.at, d.width)
	d.at += d.width
	d.last += d.smallest + delta
	return int64(d.last), err
}

func (d *deltas) nextMini() error {
	if len(d.widths) == 0 {
		smallest, size := binary.Varint(d.data)
		if size <= 0 || d.minis > len(d.data)-size {
			return errTruncated
		}
		d.smallest, d.data = uint64(smallest), d.data[size:]
		d.widths, d.data = d.data[:d.minis], d.data[d.minis:]
	}
	d.width, d.widths = int(d.widths[0]), d.widths[1:]
	size := d.perMini / 8 * d.width
	if d.width > 64 || size > len(d.data) {
		return errTruncated
	}
	d.mini, d.data = d.data[:size], d.data[size:]
	d.at, d.inMini = 0, d.perMini
	return nil
}

// readAll returns all numbers, which must be lengths, and what follows them.
func (d *deltas) readAll() ([]uint32, []byte, error) {
	all := make([]uint32, d.left)
	for i := range all {
		n, err := d.next()
		if err != nil {
			return nil, nil, err
		}
		if n < 0 || n > maxPage {
			return nil, nil, corrupt("a text has an invalid length")
		}
		all[i] = uint32(n)
	}
	return all, d.data, nil
}
