package simulated

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
	"github.com/cogniverse/cogflow/workflows/train"
)

const (
	never = "1h" // a gpu_wait that no test waits for
	soon  = "1s"
)

// wanted is a job that lists GPU classes, and the class that it must run on.
type wanted struct {
	wait    string
	classes []string // as a person writes them
	on      string
}

func (w wanted) id(kind string) string { return kind + " " + strings.Join(w.classes, " ") }

// tried lists the classes on whose queues the job must be put, in this order.
func (w wanted) tried() []string {
	classes := video.GPUNames(w.classes)
	return classes[:slices.Index(classes, w.on)+1]
}

// start starts a training run and a search, both with the classes in the same order.
func (w wanted) start(t *testing.T, f *fleet) {
	t.Helper()
	common := workflows.Common{Tenant: "acme", Priority: 2}
	err := f.start(w.id("train"), "TrainSFT", common, train.Input{
		Common: common, BaseModel: "tiny/llama", Dataset: oneRow(), GPU: w.classes, GPUWait: w.wait,
	})
	require.NoError(t, err)
	err = f.start(w.id("embed"), "SearchVideos", common, ingest.SearchInput{
		Common: common, Query: "harbour", Profile: profile(w.wait, video.GPUNames(w.classes)...),
	})
	require.NoError(t, err)
}

// TestFallbackAndPins: half of the GPU classes have workers. A job runs on the first class that has one, in the order of
// its list; a pin waits, and says for what. Then the other classes get workers.
func TestFallbackAndPins(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	served, absent := []string{"t4", "a10g", "a100-40gb", "h100"}, []string{"l4", "l40s", "a100-80gb", "h200"}
	require.ElementsMatch(t, append(slices.Clone(served), absent...), slices.DeleteFunc(video.GPUClasses(), func(class string) bool {
		return class == "cpu" || class == "b200"
	}))
	f.serveClasses(served...)
	here := []wanted{
		{never, []string{"T4"}, "t4"},
		{never, []string{"A10"}, "a10g"},
		{never, []string{"a100"}, "a100-40gb"},
		{never, []string{"H100!"}, "h100"},
		{never, []string{"h100", "t4"}, "h100"},
		{never, []string{"t4", "h100", "h200"}, "t4"}, // not the largest, not the smallest
		{soon, []string{"h200", "H100!"}, "h100"},
		{soon, []string{"l4", "L40S", "A100-40GB"}, "a100-40gb"},
	}
	waiting := []wanted{
		{soon, []string{"l4"}, "l4"},
		{soon, []string{"L40S!"}, "l40s"},
		{soon, []string{"A100-80GB"}, "a100-80gb"},
		{never, []string{"H200!"}, "h200"},
		{soon, []string{"l40s", "l4"}, "l4"},
	}
	for _, w := range append(slices.Clone(here), waiting...) {
		w.start(t, f)
	}
	f.requireRun(t, here)

	// A pin waits for its class although others are idle, and says so at once.
	for _, w := range waiting {
		f.awaitClass(t, w.id("embed"), w.on)
		f.awaitClass(t, w.id("train"), w.on)
		var p train.Progress
		said, err := f.client.QueryWorkflow(t.Context(), w.id("train"), "", workflows.QueryProgress)
		require.NoError(t, err)
		require.NoError(t, said.Get(&p))
		require.Equal(t, "a worker of queue train-"+w.on, p.Waiting)
	}
	f.serveClasses(absent...)
	f.requireRun(t, waiting)
	for _, one := range f.taken {
		require.Equal(t, "acme", one.priority.FairnessKey, one)
		require.Equal(t, 2, one.priority.PriorityKey, one)
	}
}

func (f *fleet) serveClasses(classes ...string) {
	f.t.Helper()
	for _, class := range classes {
		for _, stem := range []string{workflows.StemTrain, workflows.StemEmbed} {
			f.serve(workflows.ClassQueue(stem, class), 4)
		}
	}
}

// requireRun waits for the jobs, and checks which classes each tried, and on which it ran.
func (f *fleet) requireRun(t *testing.T, jobs []wanted) {
	t.Helper()
	for _, w := range jobs {
		var trained train.Result
		require.NoError(t, f.client.GetWorkflow(t.Context(), w.id("train"), "").Get(t.Context(), &trained))
		require.Equal(t, w.on, trained.GPU, "the result names the class")
		require.NoError(t, f.client.GetWorkflow(t.Context(), w.id("embed"), "").Get(t.Context(), nil))
		for kind, name := range map[string]string{"train": "RunTraining", "embed": "EmbedQuery"} {
			var want, ran []string
			for _, class := range w.tried() {
				want = append(want, kind+"-"+class)
			}
			require.Equal(t, want, f.queues(t, w.id(kind), name), w.id(kind))
			for _, one := range f.tasks(name) {
				if one.workflow == w.id(kind) {
					ran = append(ran, one.queue)
				}
			}
			require.Equal(t, want[len(want)-1:], ran, "it ran once")
		}
	}
}

// queues lists the queues on which a run put an activity.
func (f *fleet) queues(t *testing.T, id, name string) (queues []string) {
	t.Helper()
	all := f.client.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for all.HasNext() {
		event, err := all.Next()
		require.NoError(t, err)
		if a := scheduled(event); a.GetActivityType().GetName() == name {
			queues = append(queues, a.GetTaskQueue().GetName())
		}
	}
	return queues
}

func scheduled(event *history.HistoryEvent) *history.ActivityTaskScheduledEventAttributes {
	return event.GetActivityTaskScheduledEventAttributes()
}

// awaitClass waits until a job waits for a worker of a class.
func (f *fleet) awaitClass(t *testing.T, id, class string) {
	t.Helper()
	await(t, id+" waits for "+class, func() bool {
		d, err := f.client.DescribeWorkflow(t.Context(), id, "")
		return err == nil && waitsFor(d, class)
	})
}

func waitsFor(d *client.WorkflowExecutionDescription, class string) bool {
	for _, a := range d.RawResponse.GetPendingActivities() {
		if strings.HasSuffix(a.GetActivityOptions().GetTaskQueue().GetName(), "-"+class) {
			return true
		}
	}
	return false
}
