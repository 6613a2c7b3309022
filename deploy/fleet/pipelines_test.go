//go:build linux

package fleet

import (
	"cmp"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
	"github.com/cogniverse/cogflow/workflows/optimize"
	"github.com/cogniverse/cogflow/workflows/train"
)

// TestFleet runs all pipelines with each pool on a host of its own, and compares the results with
// those of one host. Then it runs them again and again while hosts, networks, workers and databases
// break. COGFLOW_FLEET=faults leaves the comparison out.
func TestFleet(t *testing.T) {
	f := newFleet(t)
	modelMade := f.makeModel()
	f.startWorkers()
	f.upload(3, 6)
	compare := os.Getenv("COGFLOW_FLEET") != "faults"
	if compare {
		f.startSingle()
		f.eventually(func() bool { return f.cogflow(control, "health").Code == 0 }, f.temporal)
	}
	modelMade()
	if compare {
		f.runPipelines(control)
	}
	f.startCalm() // its hosts are idle now
	if compare {
		f.runPipelines(single)
		f.workers[single].Stop(startFor)
	}
	f.finishCalm()
	if compare {
		f.checkIsolation()
		f.checkRights()
		f.checkEqual()
		f.logf("the hosts equal one host")
	}

	faults, err := strconv.Atoi(cmp.Or(os.Getenv("COGFLOW_FLEET_FAULTS"), "8"))
	require.NoError(t, err)
	f.breakThings(f.plan(faults))
	f.logf("all faults are repaired")
	f.finish(15 * minute)
	f.logf("all jobs have ended; %d limits were raised, %d programs started again", f.raised, len(f.endedAt))
	f.checkRuns()
	// A worker that lives books the calls of one that was killed as lost.
	f.eventually(func() bool { return f.openEntries() == "0" }, f.ledgerDB.process)
	f.compareBill()
	require.Empty(t, f.net.Refused(), "a host connects to one that it does not need")
}

// runPipelines runs a job of each kind by the command line.
func (f *fleet) runPipelines(on string) {
	f.t.Helper()
	in := result[ingest.LibraryResult](f, on, "ingest", "s3://videos")
	require.Equal(f.t, 3, in.Indexed)
	found := result[ingest.SearchResult](f, on, "search", "red")
	require.NotEmpty(f.t, found.Hits)
	opt := result[optimize.Result](f, on, optimization()...)
	require.Equal(f.t, 1, opt.Version)
	tr := result[train.Result](f, on, training()...)
	require.Equal(f.t, "trained", tr.Status)
}
