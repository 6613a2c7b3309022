package video

import "github.com/cogniverse/cogflow/tenant"

// Call is one call of a model that costs money or GPU time.
type Call struct {
	Tenant       tenant.ID
	Job          string // workflow id of the outermost workflow
	Workflow     string // workflow id that made the call
	Kind         string // "describe", "embed"
	Model        string
	Fingerprint  Fingerprint // of the answer
	CostMicroUSD int64       // worst case, reserved until the call ends
}

// Spend sums up the calls of a job.
type Spend struct {
	Calls        int   `json:"calls"`              // begun
	Answered     int   `json:"answered"`           // ended with a stored answer
	Open         int   `json:"open"`               // begun and never ended: in flight, or lost with a worker
	Repeated     int   `json:"repeated"`           // begun again although an earlier one of the same fingerprint was answered or lost
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
	Limit   int // 0 = 100
}
