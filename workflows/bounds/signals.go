package bounds

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/safetext"
)

// The highest numbers that a signal may have. Real ones are far below: a profile limits the
// frames of a video, and training runs for days.
const (
	maxSignalCount   = 1<<31 - 1
	maxSignalAmount  = 1e15 // tokens, bytes, seconds, micro-USD
	maxSignalText    = 2000 // bytes of all names of metrics
	maxSignalMetrics = 64
	ledgerKey        = 32 // hexadecimal digits of money.NewKey
)

// Extracted checks the progress of an extraction.
func Extracted(e ingest.Extracted) error {
	if !Counts(e.Chunks, e.Frames) || e.Chunks > e.Frames {
		return fmt.Errorf("%d chunks of %d frames are out of range", e.Chunks, e.Frames)
	}
	return nil
}

// Training checks the progress of a training. Text that is only shown is truncated.
func Training(s *train.Signal) error {
	s.ETASeconds = min(max(s.ETASeconds, 0), maxSignalCount)
	for _, text := range []*string{&s.Phase, &s.Device, &s.Trouble} {
		*text = safetext.Line(*text, safetext.MaxReason)
	}
	switch {
	case !Counts(s.Step, s.Total, s.Checkpoint, s.BestStep):
		return errors.New("a step is out of range")
	case !Amounts(s.Epoch, float64(s.Tokens), s.TokensPerSecond, float64(s.MemoryBytes)):
		return errors.New("an amount is out of range")
	case !metrics(s.Metrics) || !metrics(s.BaseMetrics):
		return errors.New("there are too many metrics")
	}
	if s.Tally == nil {
		return nil
	}
	return tally(*s.Tally)
}

func tally(t train.Tally) error {
	switch {
	case !Counts(t.Attempts, t.Reached, t.Redone, t.Failures, t.MicroBatch, t.Accumulation):
		return errors.New("a count of the tally is out of range")
	case !Amounts(t.Seconds, float64(t.CostMicroUSD), float64(t.SliceUsed), float64(t.SliceMS), float64(t.Slice)):
		return errors.New("an amount of the tally is out of range")
	}
	for _, key := range []string{t.SliceKey, t.NextKey} {
		if key != "" && (len(key) != ledgerKey || strings.Trim(key, "0123456789abcdef") != "") {
			return errors.New("a key of the tally is not one of the ledger's")
		}
	}
	return nil
}

func metrics(m map[string]float64) bool {
	size := 0
	for _, name := range workflow.DeterministicKeys(m) {
		size += len(name)
	}
	return len(m) <= maxSignalMetrics && size <= maxSignalText
}

// Counts reports whether all numbers are valid counts.
func Counts(all ...int) bool {
	for _, n := range all {
		if n < 0 || n > maxSignalCount {
			return false
		}
	}
	return true
}

// Amounts reports whether all numbers are valid amounts.
func Amounts(all ...float64) bool {
	for _, n := range all {
		if !(n >= 0 && n <= maxSignalAmount) {
			return false
		}
	}
	return true
}
