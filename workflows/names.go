// Package workflows holds the deterministic recipes. A recipe names activities
// and orders them; it does no I/O, and its history holds references and counts,
// never frames, captions, vectors, secrets or URLs of services.
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
	StemTranscribe = "transcribe"
	StemDescribe   = "describe"
	StemEmbed      = "embed"
	StemTrain      = "train"
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
	SignalPause  = "pause"  // start nothing new
	SignalResume = "resume" // go on
	SignalBudget = "budget" // a new hard limit in USD; how a library tells its videos
	SignalStop   = "stop"   // training: enough; keep the best so far

	SignalVideoDone = "video_done" // from IngestVideo to its library: VideoDone

	QueryProgress = "progress" // LibraryProgress, VideoProgress or TrainProgress

	UpdateConcurrency = "set_concurrency" // IngestLibrary: videos at a time, an int
	UpdateBudget      = "set_budget"      // a new hard limit in USD, a number; 0 = none
	UpdateApprove     = "approve"         // OptimizePrompts: true promotes what waits for approval
)

// Search attributes, registered by `make up` and the deployment.
const (
	AttrTenant  = "CogTenant"  // Keyword
	AttrKind    = "CogKind"    // Keyword: the workflow type
	AttrProfile = "CogProfile" // Keyword
	AttrStage   = "CogStage"   // Keyword
	AttrFailed  = "CogFailed"  // Int: items that failed
	AttrCost    = "CogCostUSD" // Double
)
