package simulated

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
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

// kinds are the activities that need a GPU, by the kind of job and the stem of their queues.
var kinds = map[string]map[string]string{
	"train":  {workflows.StemTrain: "RunTraining"},
	"search": {workflows.StemEmbed: "EmbedQuery"},
	"ingest": {workflows.StemDescribe: "DescribeChunk", workflows.StemTranscribe: "Transcribe", workflows.StemEmbed: "EmbedChunk"},
}

// start starts a training run, a search and an ingestion, all with the classes in the same order.
func (w wanted) start(t *testing.T, f *fleet) {
	t.Helper()
	common := workflows.Common{Tenant: "acme", Priority: 2}
	err := f.start(w.id("train"), "TrainSFT", common, train.Input{
		Common: common, BaseModel: "tiny/llama", Dataset: oneRow(), GPU: w.classes, GPUWait: w.wait,
	})
	require.NoError(t, err)
	profile := profile(w.wait, video.GPUNames(w.classes)...)
	err = f.start(w.id("search"), "SearchVideos", common, ingest.SearchInput{Common: common, Query: "harbour", Profile: profile})
	require.NoError(t, err)
	err = f.start(w.id("ingest"), "IngestVideo", common, ingest.VideoInput{Common: common, URI: "harbour.mp4", Profile: profile})
	require.NoError(t, err)
}

// TestFallbackAndPins: half of the GPU classes have workers. A job runs on the first class that has one, in the order of
// its list; a pin waits, and says for what. Then the other classes get workers.
func TestFallbackAndPins(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	served, absent := []string{"t4", "a10g", "a100-40gb", "h100"}, []string{"l4", "l40s", "a100-80gb", "h200", "b200"}
	require.ElementsMatch(t, append(slices.Clone(served), absent...), realGPUs())
	f.serveClasses(served...)
	here := []wanted{
		{never, []string{"T4"}, "t4"},
		{never, []string{"A10"}, "a10g"},
		{never, []string{"a100"}, "a100-40gb"},
		{never, []string{"H100!"}, "h100"},
		{never, []string{"h100", "t4"}, "h100"},
		{never, []string{"t4", "h100", "h200"}, "t4"}, // not the largest, not the smallest
		{soon, []string{"b200", "H100!"}, "h100"},
		{soon, []string{"l4", "L40S", "A100-40GB"}, "a100-40gb"},
	}
	waiting := []wanted{
		{soon, []string{"l4"}, "l4"},
		{soon, []string{"L40S!"}, "l40s"},
		{soon, []string{"A100-80GB"}, "a100-80gb"},
		{never, []string{"H200!"}, "h200"},
		{soon, []string{"B200!"}, "b200"},
		{soon, []string{"l40s", "l4"}, "l4"},
	}
	for _, w := range append(slices.Clone(here), waiting...) {
		w.start(t, f)
	}
	f.requireRun(t, here, false)

	// A pin waits for its class although others are idle, and says so at once.
	for _, w := range waiting {
		f.awaitClass(t, w)
		var p train.Progress
		patiently(t, "progress", func() error {
			said, err := f.client.QueryWorkflow(t.Context(), w.id("train"), "", workflows.QueryProgress)
			if err != nil {
				return err
			}
			return said.Get(&p)
		})
		require.Equal(t, "a worker of queue train-"+w.on, p.Waiting)
	}
	f.serveClasses(absent...)
	f.requireRun(t, waiting, true)
	for _, one := range f.taken {
		require.Equal(t, "acme", one.priority.FairnessKey, one)
		require.Equal(t, 2, one.priority.PriorityKey, one)
	}
}

// realGPUs are the classes of GPUs.
func realGPUs() []string {
	return slices.DeleteFunc(video.GPUClasses(), func(class string) bool { return class == "cpu" })
}

// serveClasses starts the workers of classes. Those of the last stage come first: the others release jobs, which come to
// the last stage while workers are still started.
func (f *fleet) serveClasses(classes ...string) {
	f.t.Helper()
	for _, stem := range []string{workflows.StemEmbed, workflows.StemTrain, workflows.StemDescribe, workflows.StemTranscribe} {
		for _, class := range classes {
			f.serve(workflows.ClassQueue(stem, class), 4)
		}
	}
}

// lastStage is the activity of an ingestion that begins when the others have ended.
const lastStage = "EmbedChunk"

// requireRun waits for the jobs, and checks which classes each tried, and on which it ran. If classes got workers
// meanwhile, the last stage can find one that the others did not.
func (f *fleet) requireRun(t *testing.T, jobs []wanted, meanwhile bool) {
	t.Helper()
	for _, w := range jobs {
		var trained train.Result
		f.awaitResult(t, w.id("train"), &trained)
		require.Equal(t, w.on, trained.GPU, "the result names the class")
		for kind, activities := range kinds {
			f.awaitResult(t, w.id(kind), nil)
			for stem, name := range activities {
				queues := f.requireInOrder(t, w, kind, stem, name)
				if !meanwhile || name != lastStage {
					require.Len(t, queues, len(w.tried()), "%s of %s: %s", name, w.id(kind), queues)
				}
			}
		}
	}
}

// requireInOrder checks that an activity was put on the queues of the classes in their order, on the next one only when
// none of the one before took it in time, and that it ran once, on the last. It returns the queues.
func (f *fleet) requireInOrder(t *testing.T, w wanted, kind, stem, name string) (queues []string) {
	t.Helper()
	id := w.id(kind)
	var want, ran []string
	for _, class := range w.tried() {
		want = append(want, workflows.ClassQueue(stem, class))
	}
	puts := f.puts(t, id, name)
	require.NotEmpty(t, puts, "%s of %s", name, id)
	for i, p := range puts {
		queues = append(queues, p.queue)
		require.Equal(t, i < len(puts)-1, p.unserved, "%s of %s on %s: no worker took it in time", name, id, p.queue)
	}
	require.LessOrEqual(t, len(queues), len(want), "%s of %s: %s", name, id, queues)
	require.Equal(t, want[:len(queues)], queues, "%s of %s", name, id)
	for _, one := range f.tasks(name) {
		if one.workflow == id {
			ran = append(ran, one.queue)
		}
	}
	require.Equal(t, queues[len(queues)-1:], ran, "%s of %s ran once", name, id)
	return queues
}

// put is an activity on a queue.
type put struct {
	queue    string
	unserved bool // no worker took it in time
}

// puts lists where a run put an activity.
func (f *fleet) puts(t *testing.T, id, name string) (puts []put) {
	t.Helper()
	patiently(t, "history of "+id, func() error {
		puts = nil
		at := map[int64]int{} // by event
		all := f.client.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for all.HasNext() {
			event, err := all.Next()
			if err != nil {
				return err
			}
			if a := event.GetActivityTaskScheduledEventAttributes(); a.GetActivityType().GetName() == name {
				at[event.GetEventId()] = len(puts)
				puts = append(puts, put{queue: a.GetTaskQueue().GetName()})
			}
			out := event.GetActivityTaskTimedOutEventAttributes()
			if i, ours := at[out.GetScheduledEventId()]; ours {
				puts[i].unserved = out.GetFailure().GetTimeoutFailureInfo().GetTimeoutType() == enums.TIMEOUT_TYPE_SCHEDULE_TO_START
			}
		}
		return nil
	})
	return puts
}

// awaitClass waits until all stages of a job that can begin wait for a worker of its class. Those of an ingestion begin at the
// same time, but one can come to the class later than another.
func (f *fleet) awaitClass(t *testing.T, w wanted) {
	t.Helper()
	for kind, activities := range kinds {
		for stem, name := range activities {
			if name == lastStage {
				continue
			}
			queue := workflows.ClassQueue(stem, w.on)
			await(t, name+" of "+w.id(kind)+" waits on "+queue, func() bool {
				d, err := f.client.DescribeWorkflow(t.Context(), w.id(kind), "")
				return err == nil && waitsOn(d, name, queue)
			})
		}
	}
}

func waitsOn(d *client.WorkflowExecutionDescription, name, queue string) bool {
	for _, a := range d.RawResponse.GetPendingActivities() {
		if a.GetActivityType().GetName() == name && a.GetActivityOptions().GetTaskQueue().GetName() == queue {
			return true
		}
	}
	return false
}
