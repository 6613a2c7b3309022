package video

import "github.com/cogniverse/cogflow/tenant"

// Call is one call of a model that costs money or GPU time.
type Call struct {
	Tenant       tenant.ID
	Job          string // first run id of the outermost workflow
	Workflow     string // workflow id that made the call
	Kind         string // KindDescribe, …; "train" for GPU time
	Model        string
	Fingerprint  Fingerprint // of the answer
	Attempt      int         // number among the calls of the fingerprint in the job; 0 = the next one
	CostMicroUSD int64       // maximum, reserved until the call ends
	Unpriced     bool        // the cost is unknown, so the call is refused under a hard limit or budget
	Owed         bool        // the cost is incurred already, so it is booked whatever limits and budgets say
	GPU          string      // class of the GPU that does the work; "" = not known
	Unique       bool        // its fingerprint is random, so the ledger looks for no other call that has it
}

// Spend sums up the calls of a job.
type Spend struct {
	Calls        int   `json:"calls"`              // started; calls without a request do not count
	Describe     int   `json:"describe,omitempty"` // of them, of the kind "describe"
	ByKind       bool  `json:"by_kind,omitempty"`  // Describe was counted; false = an earlier build did not, if it is 0
	Answered     int   `json:"answered"`           // ended with a stored answer
	Open         int   `json:"open"`               // in flight
	Charged      int   `json:"charged,omitempty"`  // billed without a usable answer
	Lost         int   `json:"lost,omitempty"`     // outcome unknown; booked at their reservation
	Repeated     int   `json:"repeated"`           // billed although an earlier call of the same fingerprint was billed
	CostMicroUSD int64 `json:"cost_micro_usd"`     // settled
	Reserved     int64 `json:"reserved_micro_usd"` // micro-USD of open calls
}

// PublishedFilter narrows a listing of published generations. Zero fields match
// everything; results come in order of (profile, name, video).
type PublishedFilter struct {
	Tenant  tenant.ID
	Profile string
	Video   ID
	Offset  int
	Limit   int    // 0 = 100
	Name    string // file name
}
