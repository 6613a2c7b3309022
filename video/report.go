package video

import (
	"time"

	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
)

// Report is the content of the page about one finished ingest run. It holds pictures, so it
// is made where it is rendered and is never a payload.
type Report struct {
	Title       string // empty = named after Source
	Kind        string // workflow type: "IngestLibrary" or "IngestVideo"
	Source      string // the requested URI
	Tenant      tenant.ID
	Profile     string
	Index       string // where the documents are, for people
	WorkflowID  string
	RunID       string
	Started     time.Time
	Ended       time.Time
	Versions    []Version // versions of all parts, in the order to show
	Preview     bool      // captions by the built-in preview models
	Unsandboxed bool      // a worker decoded media without a sandbox
	Totals      Totals
	Stages      []StageTime // of the whole run, in the order of the pipeline

	Videos        []Section
	OmittedVideos int // number of videos that are not shown
	Failures      []Failure
	MoreFailures  int             // number of failures that are not shown
	Unusable      []outcome.Group // answers of the describer that are not captions
}

// Version names one part of a run: "cogflow" "1.2.0", "describe" "cogflow/preview-describer
// 1".
type Version struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Totals counts what a run did.
type Totals struct {
	Videos        int     `json:"videos"`            // videos that were looked at
	Indexed       int     `json:"indexed"`           // videos published by this run
	Unchanged     int     `json:"unchanged"`         // videos published earlier with the same fingerprints
	Failed        int     `json:"failed"`            // videos that failed; see failures
	Skipped       int     `json:"skipped"`           // files that do not have the name of a video
	Frames        int     `json:"frames"`            // frames of the videos published by this run
	Documents     int     `json:"documents"`         // documents of the videos published by this run
	Refused       int     `json:"refused,omitempty"` // frames that a model refused to describe
	DescribeCalls int     `json:"describe_calls"`    // describe calls of this run
	RepeatedCalls int     `json:"repeated_calls"`    // billed calls for a frame after its first one, such as after a kill
	CostUSD       float64 `json:"cost_usd"`          // paid in all, in USD
}

// StageTime is when a stage was active and its load. Offsets count from the start of the
// run.
type StageTime struct {
	Name    string `json:"name"`             // "extract", "describe", "embed", "index"
	Frames  int    `json:"frames,omitempty"` // frames that passed through
	Calls   int    `json:"calls,omitempty"`  // of a model
	BusyMS  int64  `json:"busy_ms"`          // sum over all concurrent activities
	StartMS int64  `json:"start_ms"`         // when the first one began
	EndMS   int64  `json:"end_ms"`           // when the last one ended
}

// WallMS is the time from the first start to the last end.
func (s StageTime) WallMS() int64 { return max(0, s.EndMS-s.StartMS) }

// Parallel is the mean number of concurrent activities of the stage; 0 = unknown.
func (s StageTime) Parallel() float64 {
	if s.WallMS() == 0 {
		return 0
	}
	return float64(s.BusyMS) / float64(s.WallMS())
}

// FramesPerSecond is the throughput while the stage was active; 0 = unknown.
func (s StageTime) FramesPerSecond() float64 {
	if s.WallMS() == 0 {
		return 0
	}
	return float64(s.Frames) * 1000 / float64(s.WallMS())
}

// The outcomes of one video.
const (
	StatusIndexed   = "indexed"
	StatusUnchanged = "unchanged"
	StatusFailed    = "failed"
)

// Section is one video of a report.
type Section struct {
	Name         string
	URI          string
	Sidecar      string // file of subtitles beside the video that is its speech; empty = none
	Video        ID
	Status       string
	DurationMS   int64 // 0 = unknown
	Width        int   // pixels; 0 = unknown
	Height       int
	Frames       int // kept
	Documents    int
	Duplicates   int  // dropped: looked like the last kept frame
	Blank        int  // shots that were left out
	Capped       bool // max_frames cut the rest off
	DecodeErrors int  // damaged places that were skipped
	Thumbnail    []byte
	Stages       []StageTime
	TakenMS      []int64 // presentation timestamps of all kept frames; nil = those of Sheet
	Sheet        []ContactFrame
}

// Omitted is how many kept frames the contact sheet leaves out.
func (v Section) Omitted() int { return max(0, v.Frames-len(v.Sheet)) }

// ContactFrame is one cell of a contact sheet.
type ContactFrame struct {
	PTSMS        int64
	StartMS      int64
	EndMS        int64
	JPEG         []byte // small; empty = no picture
	Caption      string
	OnScreenText string
}

// Failure says which video failed, where and why.
type Failure struct {
	URI    string `json:"uri"`    // the video
	Stage  string `json:"stage"`  // stage that failed
	Class  string `json:"class"`  // error class; empty = unclassified
	Reason string `json:"reason"` // what failed and why
}

// Limits of a report, so that the page opens at once.
const (
	MaxReportVideos   = 200
	MaxReportFailures = 200
	maxReportFrames   = 200
	maxSheetFrames    = 24
)

// SheetFrames is the number of frames per video in a report of that many videos.
func SheetFrames(videos int) int {
	return min(maxSheetFrames, max(1, maxReportFrames/max(1, videos)))
}

// Spread picks at most k of n positions, evenly from the first to the last;
// one alone is the middle.
func Spread(n, k int) []int {
	k = min(n, k)
	if k <= 0 {
		return nil
	}
	if k == 1 {
		return []int{n / 2}
	}
	out := make([]int, k)
	for i := range out {
		out[i] = i * (n - 1) / (k - 1)
	}
	return out
}
