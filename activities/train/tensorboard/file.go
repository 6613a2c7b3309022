package tensorboard

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cogniverse/cogflow/training"
)

// Encode writes the scalars of a job as an event file. Equal events give equal bytes. The times
// of the file count from began and leave out what lies between two attempts.
func Encode(began time.Time, events []training.Event) []byte {
	base := float64(began.UnixNano()) / 1e9
	head := protowire.AppendTag(wallTime(base), eventVersion, protowire.BytesType)
	out := appendRecord(nil, protowire.AppendString(head, "brain.Event:2"))
	for _, s := range scalars(events) {
		value := protowire.AppendString(protowire.AppendTag(nil, valueTag, protowire.BytesType), s.tag)
		value = protowire.AppendTag(value, valueSimple, protowire.Fixed32Type)
		value = protowire.AppendFixed32(value, math.Float32bits(float32(s.value)))
		summary := protowire.AppendBytes(protowire.AppendTag(nil, summaryValue, protowire.BytesType), value)
		event := protowire.AppendTag(wallTime(base+s.elapsed), eventStep, protowire.VarintType)
		event = protowire.AppendVarint(event, uint64(s.step)) //nolint:gosec // Event.Check: it is not negative
		event = protowire.AppendBytes(protowire.AppendTag(event, eventSummary, protowire.BytesType), summary)
		out = appendRecord(out, event)
	}
	return out
}

// Fields of TensorFlow's messages Event, Summary and Summary.Value (event.proto, summary.proto).
const (
	eventTime, eventStep, eventVersion, eventSummary = 1, 2, 3, 5

	summaryValue          = 1
	valueTag, valueSimple = 1, 2
)

func wallTime(seconds float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, eventTime, protowire.Fixed64Type), math.Float64bits(seconds))
}

// appendRecord adds a record of TensorFlow's format TFRecord: length, checksum of the length, data and
// checksum of the data.
func appendRecord(to, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	to = binary.LittleEndian.AppendUint32(append(to, length...), masked(length))
	return binary.LittleEndian.AppendUint32(append(to, data...), masked(data))
}

// masked is TFRecord's checksum, which is not the plain CRC of data that may hold CRCs itself.
func masked(data []byte) uint32 {
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// scalar is one point of a curve.
type scalar struct {
	tag     string
	step    int
	value   float64
	elapsed float64 // seconds of training before it, in all attempts
}

// scalars returns the points of all curves, ordered by step. A step that two attempts made has
// one point, that of the later.
func scalars(events []training.Event) []scalar {
	type place struct {
		tag  string
		step int
	}
	points := map[place]scalar{}
	var before, last float64 // seconds of former attempts, and of the present one so far
	for _, e := range events {
		if e.Elapsed < last {
			before += last
		}
		last = e.Elapsed
		for tag, value := range values(e) {
			points[place{tag, e.Step}] = scalar{tag, e.Step, value, before + e.Elapsed}
		}
	}
	return slices.SortedFunc(maps.Values(points), func(a, b scalar) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.tag, b.tag))
	})
}

// values are the numbers of an event under the names that transformers gives them. The evaluations
// of the base model, at step 0, and of the later ones are one curve.
func values(e training.Event) map[string]float64 {
	out := map[string]float64{}
	put := func(group string, metrics map[string]float64) {
		for name, v := range metrics {
			out[group+name] = v
		}
	}
	switch {
	case e.Event == training.EventEval && e.Of == training.OfBest:
		put("best/", e.Metrics)
	case e.Event == training.EventEval:
		put("eval/", e.Metrics)
	case e.Event == training.EventStep:
		put("train/", e.Metrics)
		out["train/loss"] = math.NaN() // a loss that is not a number is null
		if e.Loss != nil {
			out["train/loss"] = *e.Loss
		}
		out["train/learning_rate"], out["train/epoch"] = e.LearningRate, e.Epoch
		out["train/tokens"], out["train/tokens_per_second"] = float64(e.Tokens), e.TokensPerSecond
		out["train/memory_bytes"] = float64(e.MemoryBytes)
	}
	return out
}
