package training

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// Names of metrics (PROTOCOL.md).
const (
	MetricLoss     = "loss"
	MetricAccuracy = "accuracy"
	MetricMargin   = "margin"
	MetricNDCG     = "ndcg"
	MetricMRR      = "mrr"

	MetricAnswerLoss = "answer_loss" // of the tokens of a row's answer, without its question and template
	MetricOtherLoss  = "other_loss"  // of the same answer after questions of other rows
	MetricOtherNDCG  = "other_ndcg"  // of a row's documents, searched by anchors of other rows
)

// LowerIsBetter reports whether a smaller value of a metric is better.
func LowerIsBetter(metric string) bool {
	return metric == MetricLoss || metric == MetricAnswerLoss || metric == MetricOtherLoss
}

// PrimaryMetrics lists the metrics by which a method is judged: the first one that every
// row has decides. Jobs that an earlier cogflow began have no answer_loss, and neither have rows
// of plain text.
func PrimaryMetrics(method Method) []string {
	switch method {
	case Embedding:
		return []string{MetricNDCG, MetricAccuracy}
	case SFT:
		return []string{MetricAnswerLoss, MetricLoss}
	case KTO: // its loss also falls when a model makes all answers less likely, if most are rated bad
		return []string{MetricMargin}
	case DPO:
	}
	return []string{MetricLoss}
}

// otherMetric names the value of a metric with questions of other rows; "" = it has none.
func otherMetric(metric string) string {
	switch metric {
	case MetricAnswerLoss:
		return MetricOtherLoss
	case MetricNDCG:
		return MetricOtherNDCG
	}
	return ""
}

// RowValues are the metrics of one held-out row. A metric that was not a finite
// number is NaN.
type RowValues struct {
	Row    int
	Values map[string]float64
}

// maxRowLine limits a line of an evaluation's file, in bytes.
const maxRowLine = 64 << 10

// ReadRowValues reads the file that an evaluation writes (PROTOCOL.md): one
// object a line, numbered from 0 without a gap.
func ReadRowValues(r io.Reader) ([]RowValues, error) {
	const op = "read evaluation"
	var rows []RowValues
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxRowLine)
	for lines.Scan() {
		var fields map[string]*float64
		line := fmt.Sprintf("line %d", len(rows)+1)
		if err := json.Unmarshal(lines.Bytes(), &fields); err != nil {
			return nil, fault.Wrap(fault.Input, op, line, err)
		}
		if row := fields["row"]; row == nil || *row != float64(len(rows)) {
			return nil, fault.New(fault.Input, op, line, fmt.Sprintf("expected row %d", len(rows)))
		}
		delete(fields, "row")
		v := RowValues{Row: len(rows), Values: make(map[string]float64, len(fields))}
		for name, value := range fields {
			if v.Values[name] = math.NaN(); value != nil {
				v.Values[name] = *value
			}
		}
		rows = append(rows, v)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	return rows, fault.Disk(op, "", lines.Err())
}

// chooseMetric returns the first primary metric that every row has.
func chooseMetric(method Method, sides ...[]RowValues) (string, error) {
	names := PrimaryMetrics(method)
next:
	for _, name := range names {
		for _, rows := range sides {
			for _, r := range rows {
				if _, ok := r.Values[name]; !ok {
					continue next
				}
			}
		}
		return name, nil
	}
	return "", fault.New(fault.Input, "compare models", string(method), "the evaluations have no "+strings.Join(names, " or "))
}
