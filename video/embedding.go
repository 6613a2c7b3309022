package video

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cogniverse/cogflow/fault"
)

// Embedding is one vector (Rows 1) or one vector per patch or token (Rows > 1), as float32
// or as bits (value > 0), most significant bit first. Exactly one of Floats and Bits is
// set; the zero value is "no embedding".
type Embedding struct {
	Dim    int       `json:"dim"`
	Rows   int       `json:"rows"`
	Floats []float32 `json:"floats,omitempty"` // Rows × Dim
	Bits   []byte    `json:"bits,omitempty"`   // Rows × Dim/8
}

const (
	embeddingMagic = "COGE"
	headerLen      = 13 // magic, encoding, rows, dim
	maxCells       = 1 << 26
)

// Check reports whether the shape fits and every number is finite.
func (e Embedding) Check() error {
	bad := func(reason string) error {
		return fault.New(fault.Input, "check embedding", "", reason)
	}
	switch {
	case e.Dim <= 0 || e.Rows <= 0 || e.Dim > maxCells/e.Rows:
		return bad("no rows, no dimensions, or too many")
	case (e.Floats == nil) == (e.Bits == nil):
		return bad("must be either floats or bits")
	case e.Floats != nil && len(e.Floats) != e.Rows*e.Dim:
		return bad("number of floats is not rows × dim")
	case e.Bits != nil && (e.Dim%8 != 0 || len(e.Bits) != e.Rows*e.Dim/8):
		return bad("number of bits is not rows × dim")
	}
	for _, f := range e.Floats {
		if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
			return bad("NaN or infinity")
		}
	}
	return nil
}

// Binary returns e as bits: value > 0, most significant bit first, as numpy's
// packbits does. Dim must be a multiple of 8.
func (e Embedding) Binary() Embedding {
	if e.Bits != nil {
		return e
	}
	out := Embedding{Dim: e.Dim, Rows: e.Rows, Bits: make([]byte, len(e.Floats)/8)}
	for i, f := range e.Floats {
		if f > 0 {
			out.Bits[i/8] |= 0x80 >> (i % 8)
		}
	}
	return out
}

// Kept returns e in the form that a profile stores.
func (e Embedding) Kept(k Keep) Embedding {
	switch k {
	case KeepBits:
		return e.Binary()
	case KeepBFloat16:
		if e.Floats == nil {
			return e
		}
		out := Embedding{Dim: e.Dim, Rows: e.Rows, Floats: make([]float32, len(e.Floats))}
		for i, f := range e.Floats {
			out.Floats[i] = math.Float32frombits(uint32(BFloat16(f)) << 16)
		}
		return out
	default:
		return e
	}
}

// BFloat16 is the upper half of a float32, rounded to nearest even. f must not be NaN; too
// large values become infinite.
func BFloat16(f float32) uint16 {
	bits := math.Float32bits(f)
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// half reports whether every float fits into 16 bits without loss.
func (e Embedding) half() bool {
	for _, f := range e.Floats {
		if math.Float32bits(f)&0xffff != 0 {
			return false
		}
	}
	return e.Floats != nil
}

// BadVector is the fault of one vector in a response with several: the others may be valid.
// Its text is that of Err.
type BadVector struct{ Err error } //nolint:errname // as money.Charged

// AsBadVector wraps the model's mistakes. A mistake of the profile, such as a wrong
// dimension, concerns every vector and is returned unchanged.
func AsBadVector(err error) error {
	if fault.ClassOf(err) != fault.Transport {
		return err
	}
	return &BadVector{err}
}

func (b *BadVector) Error() string { return b.Err.Error() }

// Unwrap returns the fault.
func (b *BadVector) Unwrap() error { return b.Err }

// CheckVector reports whether a model's vector matches the stage. A wrong dimension is the
// profile's mistake; the rest is the model's.
func (s Stage) CheckVector(e Embedding) error {
	bad := func(class fault.Class, reason string) error {
		return fault.New(class, "embed with", s.Model, reason)
	}
	if err := e.Check(); err != nil {
		return &fault.Error{Class: fault.Transport, Op: "embed with", Subject: s.Model, Err: err}
	}
	switch {
	case e.Dim != s.Dim:
		return bad(fault.Input, fmt.Sprintf("%d dimensions where the profile says %d; correct embed.dim, or the model", e.Dim, s.Dim))
	case !s.Multi && e.Rows != 1:
		return bad(fault.Input, fmt.Sprintf("%d vectors where the profile says one; set embed.multi for such a model", e.Rows))
	}
	return nil
}

// MarshalBinary writes the stored form: magic, encoding, rows and dim as
// big-endian uint32, then little-endian floats (32 bits, or their upper 16
// where the lower are all zero) or packed bits.
func (e Embedding) MarshalBinary() ([]byte, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	out := make([]byte, 0, headerLen+4*len(e.Floats)+len(e.Bits))
	out = append(out, embeddingMagic...)
	half := e.half()
	switch {
	case e.Bits != nil:
		out = append(out, 'b')
	case half:
		out = append(out, 'h')
	default:
		out = append(out, 'f')
	}
	out = binary.BigEndian.AppendUint32(out, uint32(e.Rows))
	out = binary.BigEndian.AppendUint32(out, uint32(e.Dim))
	for _, f := range e.Floats {
		if half {
			out = binary.LittleEndian.AppendUint16(out, uint16(math.Float32bits(f)>>16))
		} else {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(f))
		}
	}
	return append(out, e.Bits...), nil
}

// UnmarshalBinary reads the stored form and refuses anything else.
func (e *Embedding) UnmarshalBinary(data []byte) error {
	bad := fault.New(fault.Input, "read embedding", "", "not an embedding, or truncated")
	if len(data) < headerLen || string(data[:4]) != embeddingMagic {
		return bad
	}
	got := Embedding{
		Rows: int(binary.BigEndian.Uint32(data[5:])),
		Dim:  int(binary.BigEndian.Uint32(data[9:])),
	}
	if got.Rows <= 0 || got.Dim <= 0 || got.Dim > maxCells/got.Rows {
		return bad
	}
	body, cells := data[headerLen:], got.Rows*got.Dim
	switch {
	case data[4] == 'b' && len(body)*8 == cells:
		got.Bits = append([]byte(nil), body...)
	case data[4] == 'f' && len(body) == 4*cells:
		got.Floats = make([]float32, cells)
		for i := range got.Floats {
			got.Floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:]))
		}
	case data[4] == 'h' && len(body) == 2*cells:
		got.Floats = make([]float32, cells)
		for i := range got.Floats {
			got.Floats[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(body[2*i:])) << 16)
		}
	default:
		return bad
	}
	if err := got.Check(); err != nil {
		return err
	}
	*e = got
	return nil
}
