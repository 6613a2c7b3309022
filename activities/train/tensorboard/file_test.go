package tensorboard

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cogniverse/cogflow/activities/train/history"
	"github.com/cogniverse/cogflow/training"
)

var update = flag.Bool("update-tensorboard", false, "rewrite trainer/testdata/events.out.tfevents.sample")

var began = time.Date(2026, 11, 28, 23, 59, 30, 0, time.UTC)

// TestSample: the file of the trainer's sample of events, which trainer/tests/test_tensorboard.py reads
// with TensorBoard itself.
func TestSample(t *testing.T) {
	t.Parallel()
	samples := filepath.Join("..", "..", "..", "trainer", "testdata")
	lines, err := os.ReadFile(filepath.Join(samples, "events.jsonl"))
	require.NoError(t, err)
	lines = bytes.ReplaceAll(lines, []byte(`, "grad_norm": null`), nil) // as a worker does when it receives it
	events, err := history.Decode("events.jsonl", lines)
	require.NoError(t, err)
	got := Encode(began, events)
	require.Equal(t, got, Encode(began, events), "equal events give equal bytes")
	golden := filepath.Join(samples, "events.out.tfevents.sample")
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// point is what a record says.
type point struct {
	tag   string
	step  uint64
	value float32
	time  float64
}

// TestAttempts: a step that two attempts made has one point, and time goes on from one to the next.
func TestAttempts(t *testing.T) {
	t.Parallel()
	loss := func(v float64) *float64 { return &v }
	first := []training.Event{
		{Event: training.EventDevice, Elapsed: 1},
		{Event: training.EventEval, Of: training.OfBase, Metrics: map[string]float64{"loss": 3}, Elapsed: 2},
		{Event: training.EventStep, Step: 1, Loss: loss(2), Elapsed: 10},
		{Event: training.EventStep, Step: 2, Loss: loss(9), Elapsed: 20},
	}
	second := []training.Event{
		{Event: training.EventDevice, Elapsed: 1},
		{Event: training.EventEval, Of: training.OfBase, Metrics: map[string]float64{"loss": 3}, Elapsed: 2},
		{Event: training.EventStep, Step: 2, Loss: loss(1), Elapsed: 5},
		{Event: training.EventStep, Step: 3, Elapsed: 6},
		{Event: training.EventEval, Of: training.OfCurrent, Step: 3, Metrics: map[string]float64{"loss": 0.5}, Elapsed: 7},
		{Event: training.EventEval, Of: training.OfBest, Step: 3, Metrics: map[string]float64{"loss": 0.5}, Elapsed: 8},
	}
	found := map[string][]point{}
	for _, p := range read(t, Encode(began, append(first, second...))) {
		found[p.tag] = append(found[p.tag], p)
	}
	at := func(seconds float64) float64 { return float64(began.Unix()) + seconds }
	require.Equal(t, []point{{"eval/loss", 0, 3, at(22)}, {"eval/loss", 3, 0.5, at(27)}}, found["eval/loss"])
	require.Equal(t, []point{{"best/loss", 3, 0.5, at(28)}}, found["best/loss"])
	losses := found["train/loss"]
	require.Len(t, losses, 3)
	require.Equal(t, []point{{"train/loss", 1, 2, at(10)}, {"train/loss", 2, 1, at(25)}}, losses[:2])
	require.True(t, math.IsNaN(float64(losses[2].value)), "a loss that is not a number is shown as such")
}

// read decodes the records after the first.
func read(t *testing.T, data []byte) (out []point) {
	t.Helper()
	for len(data) > 0 {
		n := binary.LittleEndian.Uint64(data)
		require.Equal(t, masked(data[:8]), binary.LittleEndian.Uint32(data[8:]))
		record := data[12 : 12+n]
		require.Equal(t, masked(record), binary.LittleEndian.Uint32(data[12+n:]))
		data = data[16+n:]
		p := point{}
		fields(t, record, func(field protowire.Number, number uint64, text []byte) {
			switch int(field) {
			case eventTime:
				p.time = math.Float64frombits(number)
			case eventStep:
				p.step = number
			case eventVersion:
			default: // the summary
				fields(t, text, func(_ protowire.Number, _ uint64, value []byte) {
					fields(t, value, func(field protowire.Number, number uint64, text []byte) {
						if field == valueTag {
							p.tag = string(text)
						} else {
							p.value = math.Float32frombits(uint32(number)) //nolint:gosec // it has 32 bits
						}
					})
				})
			}
		})
		if p.tag != "" {
			out = append(out, p)
		}
	}
	return out
}

func fields(t *testing.T, message []byte, on func(field protowire.Number, number uint64, text []byte)) {
	t.Helper()
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		require.Positive(t, n)
		message = message[n:]
		var number uint64
		var text []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(message)
		case protowire.Fixed32Type:
			var short uint32
			short, n = protowire.ConsumeFixed32(message)
			number = uint64(short)
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(message)
		default:
			require.Fail(t, "unknown type", "%d", kind)
		}
		require.Positive(t, n)
		message = message[n:]
		on(field, number, text)
	}
}
