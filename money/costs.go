package money

import "time"

// Dimension is a property of ledger entries by which costs are summed up.
type Dimension string

// The dimensions.
const (
	ByTenant   Dimension = "tenant"
	ByOrg      Dimension = "org" // the part of a tenant before its colon, else the whole tenant
	ByWorkflow Dimension = "workflow"
	ByJob      Dimension = "job"
	ByModel    Dimension = "model"
	ByDay      Dimension = "day" // in UTC, by the clock of the ledger
	ByKind     Dimension = "kind"
	ByGPU      Dimension = "gpu" // class; "" = not known
)

// Dimensions lists all of them.
func Dimensions() []Dimension {
	return []Dimension{ByTenant, ByOrg, ByWorkflow, ByJob, ByModel, ByGPU, ByDay, ByKind}
}

// CostQuery selects entries of a ledger and how they are summed up. An entry belongs to the
// time at which its call began.
type CostQuery struct {
	By     []Dimension // in this order; empty = the total only
	Since  time.Time   // inclusive; zero = from the first entry
	Until  time.Time   // exclusive; zero = to the last entry
	Tenant string      // empty = all
	Limit  int         // maximum number of groups; 0 = all
}

// Cost sums up ledger entries.
type Cost struct {
	Calls    int64 // made; entries without a request do not count
	Answered int64 // ended with a stored answer
	Refused  int64 // not billed
	Charged  int64 // billed without a usable answer
	Lost     int64 // outcome unknown; booked at their reservation
	Open     int64 // in flight
	Repeated int64 // billed although an earlier call for the same answer was billed

	SettledMicroUSD  int64
	FailedMicroUSD   int64 // of it, for calls without a usable answer
	ReservedMicroUSD int64 // by open calls

	Used // by calls that ended
}

// Failed is the number of calls that ended without a usable answer.
func (c Cost) Failed() int64 { return c.Refused + c.Charged + c.Lost }

// CostGroup is the cost of the entries that share the values of the dimensions.
type CostGroup struct {
	Values []string // one for each dimension
	Cost
}

// Costs is the answer to a CostQuery.
type Costs struct {
	Total Cost
	// Groups are sorted: newest day first, then the most expensive first.
	Groups []CostGroup
	Number int // of groups, also beyond the limit
}
