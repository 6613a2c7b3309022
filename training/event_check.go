package training

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
)

// Limits of an event. A trainer is not trusted: its numbers are added up, multiplied with
// prices, shown to people and written to histories.
const (
	// MaxSteps is the largest number of a step: keys of checkpoints have eight digits.
	MaxSteps = 99_999_999

	maxEventCount  = 1 << 50 // rows, tokens and bytes
	maxEventNumber = 1e18    // of any measured value: a loss, a norm, tokens a second
	maxEventName   = 512     // bytes of a path, a name or a version
	maxEventNames  = 64      // metrics, versions
)

// Size is the approximate memory of an event, in bytes.
func (e Event) Size() int64 {
	const fixed, each = 512, 64
	size := fixed + len(e.Device) + len(e.Phase) + len(e.Message) + len(e.Rows) + len(e.Path)
	for name := range e.Metrics {
		size += each + len(name)
	}
	for name, version := range e.Versions {
		size += each + len(name) + len(version)
	}
	for _, f := range e.Findings {
		size += each + len(f.Field) + len(f.Reason) + len(f.Fix)
	}
	return int64(size)
}

// Check says why an event is invalid: it has no kind, lacks a required field, or has a
// number, name or path out of range.
func (e Event) Check() error {
	needsPath := e.Event == EventCheckpoint || e.Event == EventDone
	switch {
	case e.Event == "":
		return errors.New("it has no kind")
	case needsPath && e.Path == "":
		return errors.New("it has no path")
	case e.Path != "" && !inWork(e.Path), e.Rows != "" && !inWork(e.Rows):
		return errors.New("its path leads out of the work_dir, or is the work_dir itself")
	case e.Event == EventData && e.Data == nil:
		return errors.New("it has no data")
	}
	return cmp.Or(e.checkCounts(), e.checkNumbers(), e.checkNames(), checkFindings(e.Findings))
}

// inWork reports whether a path is below the work_dir, in its shortest form.
func inWork(path string) bool { return path != "." && fs.ValidPath(path) }

func (e Event) checkCounts() error {
	for name, step := range map[string]int{"step": e.Step, "total": e.Total, "best_step": e.BestStep} {
		if step < 0 || step > MaxSteps {
			return fmt.Errorf("its %s is not from 0 to %d", name, MaxSteps)
		}
	}
	counts := []int64{e.Tokens, e.MemoryBytes}
	if d := e.Data; d != nil {
		counts = append(counts, d.Tokens, d.EvalTokens)
		for _, n := range []int{d.Rows, d.EvalRows, d.P50, d.P90, d.P99, d.Max, d.Truncated, d.Dropped, d.EvalDropped, d.StepsPerEpoch, d.Sampled} {
			counts = append(counts, int64(n))
		}
	}
	if slices.ContainsFunc(counts, func(n int64) bool { return n < 0 || n > maxEventCount }) {
		return errors.New("one of its counts is negative or too large")
	}
	return nil
}

func (e Event) checkNumbers() error {
	for name, n := range map[string]float64{
		"elapsed": e.Elapsed, "epoch": e.Epoch, "learning_rate": e.LearningRate, "tokens_per_second": e.TokensPerSecond,
	} {
		if !(n >= 0 && n <= maxEventNumber) {
			return fmt.Errorf("its %s is negative or too large", name)
		}
	}
	for name, n := range e.Metrics {
		if !(math.Abs(n) <= math.MaxFloat64) || len(name) > maxEventName {
			return errors.New("one of its metrics is not a finite number, or its name is too long")
		}
	}
	if e.Loss != nil && !(math.Abs(*e.Loss) <= math.MaxFloat64) {
		return errors.New("its loss is not a finite number")
	}
	return nil
}

func (e Event) checkNames() error {
	if len(e.Metrics) > maxEventNames || len(e.Versions) > maxEventNames {
		return fmt.Errorf("it has more than %d metrics or versions", maxEventNames)
	}
	for name, version := range e.Versions {
		if len(name) > maxEventName || len(version) > maxEventName {
			return errors.New("one of its versions is too long")
		}
	}
	texts := []string{e.Event, e.Device, e.Of, e.Rows, e.Path, e.Class}
	if e.Event != EventPhase && e.Event != EventError { // those are not stored, and truncated where they are shown
		texts = append(texts, e.Phase, e.Message)
	}
	if slices.ContainsFunc(texts, func(text string) bool { return len(text) > maxEventName }) {
		return fmt.Errorf("one of its texts has more than %d bytes", maxEventName)
	}
	return nil
}
