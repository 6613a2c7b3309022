package optimize

import (
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
)

// columnsOf lists the columns of all rows, in order of their first appearance.
func columnsOf(sets ...[]*prompt.Object) (all []string) {
	seen := map[string]bool{}
	for _, rows := range sets {
		for _, row := range rows {
			for _, name := range row.Keys() {
				if !seen[name] {
					seen[name] = true
					all = append(all, name)
				}
			}
		}
	}
	return all
}

// check refuses, before the first call, a metric by which every row of a set would score 0.
func (o *optimization) check() error {
	if err := o.job.Metric.CheckScores(); err != nil {
		return fault.Wrap(fault.Input, "read metric", string(o.job.Metric.Kind), err)
	}
	for _, set := range []struct {
		name string
		rows []*prompt.Object
	}{{"trainset", o.Train}, {"valset", o.Val}, {"testset", o.Confirm}} {
		if len(set.rows) == 0 {
			continue
		}
		columns := columnsOf(set.rows)
		for _, need := range o.job.Metric.Columns() {
			if !slices.Contains(columns, need) {
				return fault.New(fault.Input, "read "+set.name, "", fmt.Sprintf(
					"none of its %d rows has the column %q, which the metric needs; correct the rows or the metric", len(set.rows), need))
			}
		}
	}
	return nil
}
