package training

// Plan is what an estimate is made from.
type Plan struct {
	Method   Method
	Model    string
	Shape    Shape
	Config   Config
	LoRA     *LoRA
	Numerics Numerics
	Classes  []string // in the order of the input

	Rows       int   // trained on
	Tokens     int64 // of one epoch, after truncation
	Longest    int   // tokens of the longest row, before truncation; 0 = max_seq_length
	EvalRows   int
	EvalTokens int64

	Speeds    []Speed // of earlier runs, newest last
	Prices    Prices
	BudgetUSD float64 // hard limit; 0 = none
	CPUBytes  int64   // memory of a cpu worker; 0 = not known
}

// Speed is how fast an earlier run was.
type Speed struct {
	Model           string   `json:"model"`
	Method          Method   `json:"method"`
	Class           string   `json:"class"`
	Numerics        Numerics `json:"numerics"`
	LoRA            bool     `json:"lora"`
	TokensPerSecond float64  `json:"tokens_per_second"`
	StartupSeconds  float64  `json:"startup_seconds,omitempty"` // until the first step; 0 = not known
	PeakBytes       int64    `json:"peak_bytes,omitempty"`
}

// Where a figure comes from.
const (
	Measured = "measured" // in an earlier run of the same kind
	Formula  = "formula"
	Unknown  = "unknown"
)

// Estimate is what a job will need, by class.
type Estimate struct {
	Parameters     int64           `json:"parameters"`
	LoRAParameters int64           `json:"lora_parameters,omitempty"` // 0 = all weights are trained
	Numerics       Numerics        `json:"numerics"`
	Tokens         int64           `json:"tokens"` // trained on, in all epochs
	Steps          int             `json:"steps"`  // of the optimizer, unless it stops early
	Classes        []ClassEstimate `json:"classes"`
}

// ClassEstimate is what it needs on one class.
type ClassEstimate struct {
	Class           string   `json:"class"`
	Fits            bool     `json:"fits"`
	NeedBytes       int64    `json:"need_bytes"`
	HasBytes        int64    `json:"has_bytes,omitempty"` // 0 = not known
	MicroBatch      int      `json:"micro_batch"`
	Accumulation    int      `json:"accumulation"`
	TokensPerSecond float64  `json:"tokens_per_second"`
	Seconds         float64  `json:"seconds"`
	CostUSD         *float64 `json:"cost_usd"` // null = the price is not known
	Source          string   `json:"source"`   // of the speed: "measured", "formula" or "unknown"
	Reason          string   `json:"reason,omitempty"`
}

// Estimate says what the job needs on each class. The error is an input fault
// when it fits none of them and a budget fault when it costs too much on all
// that it fits; the estimate is whole in both cases.
func (p Plan) Estimate() (Estimate, error) { panic("skeleton") }

// SmallerBatch is the next smaller micro-batch with the same product.
func SmallerBatch(micro, accumulation int) (int, int, bool) { panic("skeleton") }
