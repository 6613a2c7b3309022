package main

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/frames"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workers/ondemand"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// implementations hold the activities of the pools.
type implementations struct {
	ingest   *ingest.Activities
	frames   *frames.Activities
	train    *train.Activities
	optimize *optimize.Activities
	adapters *registry.Adapters
	programs *registry.Programs
	health   *activities.Health
	hosts    *activities.Servers // nil = this worker process has no queue of its own
}

// pool is a set of workers on one task queue.
type pool struct {
	name     string
	class    bool               // one queue per GPU class
	slots    int                // concurrent activities
	tuner    worker.WorkerTuner // nil = slots
	plugins  []worker.Plugin
	needs    []part
	register func(r worker.Registry, h implementations)
	pays     bool          // its activities make paid calls
	grace    time.Duration // for running activities when the worker drains; see drain.go
}

func (p pool) queue(class string) string {
	if p.class {
		return workflows.ClassQueue(p.name, class)
	}
	return p.name
}

// pools returns all pools of this build.
func pools() []pool {
	return []pool{
		{name: workflows.QueueMain, slots: 64, needs: []part{partLedger, partPreview, partServing}, register: registerMain},
		{name: workflows.QueueMedia, slots: max(2, runtime.NumCPU()), needs: []part{partLedger, partPreview, partScratch, partMedia}, register: registerMedia},
		// More activities than call slots keep the slots busy: some frames of a chunk are
		// already stored, and a chunk has few calls at its end.
		{name: workflows.StemDescribe, class: true, slots: 16, pays: true, needs: []part{partLedger, partPreview, partDescribers}, register: registerDescribe},
		{name: workflows.StemEmbed, class: true, slots: 16, pays: true, needs: []part{partLedger, partEmbedders}, register: registerEmbed},
		{name: workflows.StemTranscribe, class: true, slots: 4, pays: true, needs: []part{partLedger, partTranscribers}, register: registerTranscribe},
		{name: workflows.QueueIndex, slots: 8, needs: []part{partIndex}, register: registerIndex},
		{name: workflows.QueueLM, slots: 16, pays: true, needs: []part{partLedger, partLMs}, register: registerLM},
		// training in train.go sets one slot for each device of this host that is well.
		{name: workflows.StemTrain, class: true, slots: 1, needs: []part{partLedger, partScratch, partTrainer}, register: registerTrain},
	}
}

func registerMain(r worker.Registry, h implementations) {
	a := h.ingest
	for _, w := range catalog.Types() {
		r.RegisterWorkflowWithOptions(w.Func, workflow.RegisterOptions{Name: w.Name})
	}
	register(r, map[string]any{
		"ResolveProfile": a.ResolveProfile, "ReadListing": a.ReadListing, "DropListing": a.DropListing,
		"Running": a.Running, "Spend": a.Spend, "PlanBatch": h.frames.PlanBatch, "FinishBatch": h.frames.FinishBatch, "Health": h.health.Health,
	})
	t := h.train
	register(r, map[string]any{
		"PlanTraining": t.PlanTraining, "ClaimJob": t.ClaimJob, "ReleaseJob": t.ReleaseJob, "PublishAdapter": t.PublishAdapter,
	})
	d := h.adapters
	register(r, map[string]any{
		"ListAdapters": d.ListAdapters, "ShowAdapter": d.ShowAdapter, "ReadRole": d.ReadRole, "ChangeRole": d.ChangeRole,
		"ServeAdapter": d.ServeAdapter,
	})
	o := h.optimize
	register(r, map[string]any{
		"ClaimOptimize": o.ClaimOptimize, "FinishOptimize": o.FinishOptimize, "PublishProgram": o.PublishProgram,
	})
	p := h.programs
	register(r, map[string]any{
		"ListPrograms": p.ListPrograms, "ShowProgram": p.ShowProgram, "ReadProgramRole": p.ReadProgramRole,
		"ChangeProgram": p.ChangeProgram,
	})
}

func registerMedia(r worker.Registry, h implementations) {
	a := h.ingest
	register(r, map[string]any{
		"ListSource": a.ListSource, "Estimate": a.Estimate, "Inspect": a.Inspect,
		"Extract": a.Extract, "WriteReport": a.WriteReport, "Health": h.health.Health,
	})
	t := h.train
	register(r, map[string]any{
		"PrepareDataset": t.PrepareDataset, "StoreRows": t.StoreRows, "WriteTrainReport": t.WriteTrainReport, "WriteSweepReport": t.WriteSweepReport,
	})
	o := h.optimize
	register(r, map[string]any{"PrepareOptimize": o.PrepareOptimize, "WriteOptimizeReport": o.WriteOptimizeReport})
}

func registerDescribe(r worker.Registry, h implementations) {
	register(r, map[string]any{"DescribeChunk": h.ingest.DescribeChunk, "DescribeBatch": h.frames.DescribeBatch, "Health": h.health.Health})
}

func registerEmbed(r worker.Registry, h implementations) {
	a := h.ingest
	register(r, map[string]any{"EmbedChunk": a.EmbedChunk, "EmbedSpeech": a.EmbedSpeech, "EmbedQuery": a.EmbedQuery, "Health": h.health.Health})
}

func registerTranscribe(r worker.Registry, h implementations) {
	a := h.ingest
	register(r, map[string]any{"Transcribe": a.Transcribe, "Health": h.health.Health})
}

func registerIndex(r worker.Registry, h implementations) {
	a := h.ingest
	register(r, map[string]any{
		"Claim": a.Claim, "Abandon": a.Abandon, "IndexChunks": a.IndexChunks, "IndexSpeech": a.IndexSpeech, "PublishVideo": a.PublishVideo,
		"DeleteVideo": a.DeleteVideo, "ListVideos": a.ListVideos, "Search": a.Search, "Health": h.health.Health,
	})
}

func registerLM(r worker.Registry, h implementations) {
	o := h.optimize
	register(r, map[string]any{
		"BootstrapDemos": o.BootstrapDemos, "ProposeInstructions": o.ProposeInstructions, "SearchTrials": o.SearchTrials,
		"ReflectOnFailures": o.ReflectOnFailures, "ConfirmBest": o.ConfirmBest, "Health": h.health.Health,
	})
}

func registerTrain(r worker.Registry, h implementations) {
	register(r, map[string]any{"RunTraining": h.train.RunTraining, "Health": h.health.Health})
}

// hostPool is the pool of this worker process alone, if its model servers are asked about.
func hostPool(h implementations) []pool {
	if h.hosts == nil {
		return nil
	}
	return []pool{{name: workflows.HostQueue(ondemand.Queue()), slots: 8, register: func(r worker.Registry, _ implementations) {
		register(r, map[string]any{
			"ModelServers": h.hosts.ModelServers, "WarmModelServer": h.hosts.WarmModelServer, "ReleaseModelServer": h.hosts.ReleaseModelServer,
		})
	}}}
}

// register registers activities by explicit names, so that histories stay valid when code moves.
func register(r worker.Registry, byName map[string]any) {
	for name, a := range byName {
		r.RegisterActivityWithOptions(a, activity.RegisterOptions{Name: name})
	}
}

// poolNames lists the pools by name.
func poolNames() []string {
	var names []string
	for _, p := range pools() {
		names = append(names, p.name)
	}
	return names
}

// choosePools selects pools by name. An empty list, for example from an empty variable, is an
// error.
func choosePools(names []string) ([]pool, error) {
	if len(names) == 0 {
		return nil, fault.New(fault.Input, "choose pools", "", "--pools is empty; list pools, or omit it to serve all")
	}
	if slices.Equal(names, []string{"all"}) {
		return pools(), nil
	}
	var chosen []pool
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fault.New(fault.Input, "choose pools", name, "it is listed twice")
		}
		at := slices.IndexFunc(pools(), func(p pool) bool { return p.name == name })
		if at < 0 {
			return nil, fault.New(fault.Input, "choose pools", name,
				"this build serves "+strings.Join(poolNames(), ", ")+" or all")
		}
		chosen = append(chosen, pools()[at])
	}
	return chosen, nil
}
