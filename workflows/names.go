// Package workflows holds what all workflows share: names, options, typed calls of
// activities, errors, the common input, and the current details. It knows no pipeline. The
// recipes are in its packages ingest, train and optimize; package job controls a long run,
// and package catalog lists all workflow types.
//
// A recipe names activities and orders them; it does no I/O, and its history holds
// references and counts, never frames, captions, vectors, secrets or URLs of services.
package workflows

import "github.com/cogniverse/cogflow/video"

// Task queues. The model queues exist once for each GPU class.
const (
	QueueMain  = "cogflow" // workflows, and activities that touch only metadata
	QueueMedia = "media"   // fetch, probe, extract
	QueueIndex = "index"   // the search index
	QueueLM    = "lm"      // calls of teacher and student
)

// Stems of the queues that exist once for each GPU class.
const (
	StemTranscribe = "transcribe" // speech to text
	StemDescribe   = "describe"   // captions
	StemEmbed      = "embed"      // vectors
	StemTrain      = "train"      // training
)

// ClassQueue is the queue of a stem for one GPU class: "describe-l40s".
func ClassQueue(stem, class string) string { return stem + "-" + class }

// ActivityQueues lists every task queue that activities are scheduled on.
func ActivityQueues() []string {
	out := []string{QueueMain, QueueMedia, QueueIndex, QueueLM}
	for _, stem := range []string{StemDescribe, StemEmbed, StemTranscribe, StemTrain} {
		for _, class := range video.GPUClasses() {
			out = append(out, ClassQueue(stem, class))
		}
	}
	return out
}

// Signals, queries and updates that workflows answer.
const (
	SignalPause  = "pause"  // start nothing new; calls in flight finish
	SignalResume = "resume" // continue after a pause
	SignalBudget = "budget" // a new hard limit in USD; a library sends it to its videos
	// SignalBudgets says that budgets which jobs share have changed: runs that wait for one try
	// again.
	SignalBudgets = "budgets_changed"
	SignalStop    = "stop" // end training or optimization early and keep the best so far

	SignalVideoDone = "video_done" // internal: from IngestVideo to its library

	QueryProgress = "progress" // how far a job is; the workflow reference describes the answer

	UpdateConcurrency = "set_concurrency" // IngestLibrary: concurrent videos, an integer
	UpdateBudget      = "set_budget"      // a new hard limit in USD, a number; 0 removes it
	UpdateApprove     = "approve"         // OptimizePrompts: true promotes the program that waits for approval, false keeps the old one
)

// Memos, which the lists of the server carry.
const (
	MemoName = "name" // what the run works on: a video, a source, an adapter or a program
)

// Search attributes, registered by `make up` and the deployment.
const (
	AttrTenant  = "CogTenant"  // Keyword: the tenant
	AttrKind    = "CogKind"    // Keyword: the workflow type
	AttrProfile = "CogProfile" // Keyword: the ingestion profile
	AttrStage   = "CogStage"   // Keyword: what the run does or waits for, such as extract, blocked, budget, done; dry_run for a dry run
	AttrFailed  = "CogFailed"  // Int: number of items that failed
	AttrCost    = "CogCostUSD" // Double: what the run has paid so far, in USD
)
