package train

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
)

// The inputs of all runs of a sweep go to the server in one workflow task, whose limit is 4
// MB; a larger task is retried for ever. The work on the input must also fit into the one
// second that the SDK allows.
const (
	maxSweepInputs = 1 << 20 // bytes of the inputs of all runs
	maxVaried      = 64      // settings
	maxVariedName  = 256     // bytes
	maxVariedDepth = 8       // names between dots

	unbounded = 1 << 40 // more than an input can hold
)

// bound refuses a sweep that is too large, and takes the rows that all runs share out of
// their inputs. It returns the maximum size of the inputs. Sweeps of builds without these
// limits continue unchanged.
func (r *sweepRun) bound(ctx workflow.Context) (size int, err error) {
	if workflow.GetVersion(ctx, "sweep-inputs-bounded", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return unbounded, nil
	}
	varied := workflow.DeterministicKeys(r.in.Grid)
	if err := checkVaried("grid", varied); err != nil {
		return 0, err
	}
	for _, run := range r.in.Runs[:min(len(r.in.Runs), maxSweep)] {
		names := workflow.DeterministicKeys(run)
		if err := checkVaried("runs", names); err != nil {
			return 0, err
		}
		varied = append(varied, names...)
	}
	return maxSweepInputs, r.takeRows(varied)
}

func checkVaried(field string, names []string) error {
	if len(names) > maxVaried {
		return fault.New(fault.Input, "read input", field, fmt.Sprintf("varies %d settings; must be at most %d", len(names), maxVaried))
	}
	for _, name := range names {
		if len(name) > maxVariedName || strings.Count(name, ".") >= maxVariedDepth {
			return fault.New(fault.Input, "read input", field, fmt.Sprintf(
				"a name of a setting has at most %d bytes and %d parts", maxVariedName, maxVariedDepth))
		}
	}
	return nil
}

// takeRows replaces rows of the common input by the name that they are stored under, see
// storeRows. Varied rows and invalid datasets are left to the checks of each run.
func (r *sweepRun) takeRows(varied []string) error {
	var common map[string]json.RawMessage
	if strictjson.Unmarshal(r.in.Train, &common) != nil {
		return nil //nolint:nilerr // the check of the first run reports it better
	}
	for _, field := range []string{"dataset", "eval_dataset"} {
		var d activities.Dataset
		if varies(varied, field) || strictjson.Unmarshal(common[field], &d) != nil || len(d.Rows) == 0 || d.URI != "" {
			continue
		}
		if err := checkDataset("train."+field, d); err != nil {
			return err
		}
		rows, err := train.NewStoreRows(tenant.ID(r.in.Tenant), d.Rows)
		if err != nil {
			return fault.Wrap(fault.Input, "read input", "train."+field, err)
		}
		d.Rows, d.URI = nil, rows.URI
		if d.Name == "" {
			d.Name = "rows of the input"
		}
		if common[field], err = json.Marshal(d); err != nil {
			return fault.Wrap(fault.Input, "read input", "train."+field, err)
		}
		r.rows = append(r.rows, rows)
	}
	if len(r.rows) == 0 {
		return nil
	}
	var err error
	r.in.Train, err = json.Marshal(common)
	return fault.Wrap(fault.Input, "read input", "train", err)
}

func varies(names []string, field string) bool {
	for _, name := range names {
		if top, _, _ := strings.Cut(name, "."); strings.EqualFold(top, field) {
			return true
		}
	}
	return false
}

// storeRows stores the shared rows once.
func (r *sweepRun) storeRows(ctx workflow.Context) error {
	var a *train.Activities
	for _, rows := range r.rows {
		if err := workflows.Do(r.Media(ctx, "store the rows of the input"), a.StoreRows, rows); err != nil {
			return err
		}
	}
	return nil
}

// runID is the workflow id of a run of a sweep.
func runID(ctx workflow.Context, i int) string {
	return fmt.Sprintf("%s/%03d", workflow.GetInfo(ctx).WorkflowExecution.ID, i)
}
