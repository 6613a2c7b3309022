package training

import "github.com/cogniverse/cogflow/fault"

// Job is the document that a trainer process reads (trainer/PROTOCOL.md).
type Job struct {
	Version           int      `json:"version"` // ProtocolVersion
	Job               string   `json:"job"`
	Method            Method   `json:"method"`
	Model             Model    `json:"model"`
	Train             File     `json:"train"`
	Eval              *File    `json:"eval,omitempty"` // nil = no held-out rows
	WorkDir           string   `json:"work_dir"`       // absolute; the trainer writes below it only
	Resume            string   `json:"resume,omitempty"`
	Seed              int64    `json:"seed"`
	Numerics          Numerics `json:"numerics"`
	Device            string   `json:"device"` // "cpu" or "cuda"
	MicroBatch        int      `json:"micro_batch"`
	Accumulation      int      `json:"accumulation"` // micro_batch × accumulation is the same in every attempt
	Config            Config   `json:"config"`
	LoRA              *LoRA    `json:"lora,omitempty"`
	CheckpointSeconds float64  `json:"checkpoint_seconds"`
	Finish            bool     `json:"finish,omitempty"`   // stop training: evaluate and write the best so far
	Measure           bool     `json:"measure,omitempty"`  // only count the tokens of the rows: events data and done
	Clock             string   `json:"clock,omitempty"`    // RFC 3339: the time that chat templates read; empty = the machine's
	MayDrop           *MayDrop `json:"may_drop,omitempty"` // nil = the cut may leave out any number of rows
	Images            string   `json:"images,omitempty"`   // absolute folder of the rows' images, named by their SHA-256; empty = rows have none

	Start *StartFile `json:"start,omitempty"` // adapter that the job continues; nil = a fresh one
}

// MayDrop is how many rows the trainer may leave out because the cut to max_seq_length leaves
// nothing of their answer: what allow_dropped permits, less the rows with errors.
type MayDrop struct {
	Train int  `json:"train"`          // rows to train on
	Eval  *int `json:"eval,omitempty"` // held-out rows; nil = they count with those to train on, being of the same file
}

// Clock is the time that the chat templates of a job read, pinned by its first attempt.
type Clock struct {
	Time string `json:"time"` // RFC 3339
}

// ProtocolVersion is the version of both documents.
const ProtocolVersion = 1

// Kinds of events.
const (
	EventPhase      = "phase"      // what the process is doing
	EventDevice     = "device"     // what it runs on
	EventData       = "data"       // the tokenizer's counts of the dataset
	EventFindings   = "findings"   // problems of rows that the tokenizer shows; only if the job measures
	EventStep       = "step"       // one optimizer step is done
	EventEval       = "eval"       // the held-out rows were evaluated
	EventCheckpoint = "checkpoint" // a complete checkpoint is on the disk
	EventDone       = "done"
	EventError      = "error"
)

// PhaseEnd is the phase of the last event of a process that was not killed.
const PhaseEnd = "end"

// What an evaluation was of.
const (
	OfBase    = "base"    // the model before training
	OfCurrent = "current" // during training
	OfBest    = "best"    // what is published
)

// Event is one line that a trainer process writes on descriptor 3. Fields that
// do not belong to its kind are zero. Paths are relative to the job's work_dir.
type Event struct {
	Event   string  `json:"event"`
	Elapsed float64 `json:"elapsed,omitempty"` // seconds since the process began, by its own clock
	Phase   string  `json:"phase,omitempty"`   // load, data, evaluate, train, save, end

	Device      string            `json:"device,omitempty"`       // device: "cpu" or the GPU's name
	MemoryBytes int64             `json:"memory_bytes,omitempty"` // device: total memory; step: peak of this process, on the GPU or (CPU) resident
	Versions    map[string]string `json:"versions,omitempty"`     // device: torch, transformers, …

	Data *DataStats `json:"data,omitempty"`

	Findings []Finding `json:"findings,omitempty"` // findings

	Step            int                `json:"step,omitempty"` // optimizer steps done
	Total           int                `json:"total,omitempty"`
	Epoch           float64            `json:"epoch,omitempty"`
	Loss            *float64           `json:"loss,omitempty"` // null = not a number
	LearningRate    float64            `json:"learning_rate,omitempty"`
	Tokens          int64              `json:"tokens,omitempty"` // trained on since step 0, in all attempts
	TokensPerSecond float64            `json:"tokens_per_second,omitempty"`
	Metrics         map[string]float64 `json:"metrics,omitempty"` // step: grad_norm, …; eval, done: see PROTOCOL.md

	Of       string `json:"of,omitempty"`        // eval
	Rows     string `json:"rows,omitempty"`      // eval: file with one JSON object per held-out row
	Path     string `json:"path,omitempty"`      // checkpoint: its directory; done: "output"
	BestStep int    `json:"best_step,omitempty"` // checkpoint, done

	Class   string `json:"class,omitempty"` // error: input, out_of_memory, diverged, internal
	Message string `json:"message,omitempty"`
}

// DataStats are the exact counts of the tokenizer.
type DataStats struct {
	Rows          int   `json:"rows"`            // training rows
	EvalRows      int   `json:"eval_rows"`       // held-out rows
	Tokens        int64 `json:"tokens"`          // tokens of one epoch, after truncation
	P50           int   `json:"p50"`             // median of tokens per row, before truncation
	P90           int   `json:"p90"`             // 90th percentile
	P99           int   `json:"p99"`             // 99th percentile
	Max           int   `json:"max"`             // longest row
	Truncated     int   `json:"truncated"`       // rows that max_seq_length cuts
	Dropped       int   `json:"dropped"`         // rows whose prompt leaves no room for an answer
	EvalDropped   int   `json:"eval_dropped"`    // held-out rows whose prompt leaves no room for an answer
	StepsPerEpoch int   `json:"steps_per_epoch"` // optimizer steps per epoch; 0 = only measured

	EvalTokens int64 `json:"eval_tokens,omitempty"` // of the held-out rows, after truncation; 0 = not counted
	Sampled    int   `json:"sampled,omitempty"`     // rows that were tokenized, evenly spread; 0 = all
}

// TooLong is the number of rows that were neither trained on nor evaluated, because
// max_seq_length leaves nothing of their answer. What embedding models drop has other causes.
func (d *DataStats) TooLong(m Method) int {
	if d == nil || m == Embedding {
		return 0
	}
	return d.Dropped + d.EvalDropped
}

// How a trainer process ends without success. The adapter that runs it returns them, by its
// exit code.
var (
	// ErrStopped: it was asked to stop, wrote a checkpoint and ended (75).
	ErrStopped = fault.New(fault.Preempted, "train", "", "stopped at a checkpoint")
	// ErrOutOfMemory: the micro-batch does not fit the device (71).
	ErrOutOfMemory = fault.New(fault.Capacity, "train", "", "the GPU is out of memory")
)

// Exit codes of the trainer process.
const (
	ExitDone        = 0
	ExitBadJob      = 64
	ExitInternal    = 70
	ExitOutOfMemory = 71
	ExitStopped     = 75
)

// CheckpointManifest is manifest.json of a checkpoint, written last, both by
// the trainer on its disk and by the worker in the object store.
type CheckpointManifest struct {
	Version  int              `json:"version"`
	Job      string           `json:"job"`
	Step     int              `json:"step"`
	BestStep int              `json:"best_step"`
	Tokens   int64            `json:"tokens"`
	Files    []CheckpointFile `json:"files"` // sorted by name
}

// CheckpointFile is one file of a checkpoint, or of an adapter.
type CheckpointFile struct {
	Name   string `json:"name"`   // relative path with slashes
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // of the content
}
