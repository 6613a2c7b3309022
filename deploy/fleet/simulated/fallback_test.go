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
	f.requireRun(t, here, wanted.tried)

	// A pin waits for its class although others are idle, and says so at once.
	for _, w := range waiting {
		for kind := range kinds {
			f.awaitClass(t, w.id(kind), w.on)
		}
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
	f.requireRun(t, waiting, func(w wanted) []string { return w.tried()[:1] })
	for _, one := range f.taken {
		require.Equal(t, "acme", one.priority.FairnessKey, one)
		require.Equal(t, 2, one.priority.PriorityKey, one)
	}
}

// realGPUs are the classes of GPUs.
func realGPUs() []string {
	return slices.DeleteFunc(video.GPUClasses(), func(class string) bool { return class == "cpu" })
}

func (f *fleet) serveClasses(classes ...string) {
	f.t.Helper()
	for _, class := range classes {
		for _, stem := range []string{workflows.StemTrain, workflows.StemDescribe, workflows.StemTranscribe, workflows.StemEmbed} {
			f.serve(workflows.ClassQueue(stem, class), 4)
		}
	}
}

// requireRun waits for the jobs, and checks which classes each tried, and on which it ran. The last stage of an ingestion
// begins when the others have ended, so it can find other classes.
func (f *fleet) requireRun(t *testing.T, jobs []wanted, lastStage func(wanted) []string) {
	t.Helper()
	for _, w := range jobs {
		var trained train.Result
		f.awaitResult(t, w.id("train"), &trained)
		require.Equal(t, w.on, trained.GPU, "the result names the class")
		for kind, activities := range kinds {
			f.awaitResult(t, w.id(kind), nil)
			for stem, name := range activities {
				tried := w.tried()
				if name == "EmbedChunk" {
					tried = lastStage(w)
				}
				f.requireRanOn(t, tried, w.id(kind), stem, name)
			}
		}
	}
}

func (f *fleet) requireRanOn(t *testing.T, tried []string, id, stem, name string) {
	t.Helper()
	var want, ran []string
	for _, class := range tried {
		want = append(want, workflows.ClassQueue(stem, class))
	}
	require.Equal(t, want, f.queues(t, id, name), id)
	for _, one := range f.tasks(name) {
		if one.workflow == id {
			ran = append(ran, one.queue)
		}
	}
	require.Equal(t, want[len(want)-1:], ran, "%s of %s ran once", name, id)
}

// queues lists the queues on which a run put an activity.
func (f *fleet) queues(t *testing.T, id, name string) (queues []string) {
	t.Helper()
	patiently(t, "history of "+id, func() error {
		queues = nil
		all := f.client.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for all.HasNext() {
			event, err := all.Next()
			if err != nil {
				return err
			}
			if a := scheduled(event); a.GetActivityType().GetName() == name {
				queues = append(queues, a.GetTaskQueue().GetName())
			}
		}
		return nil
	})
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
