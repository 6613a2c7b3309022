package money

import "time"

// CostReport is the answer to a CostQuery as documents have it, with amounts in USD.
type CostReport struct {
	Since  *time.Time  `json:"since"` // null = from the first entry
	Until  *time.Time  `json:"until"` // null = to the last entry
	Tenant string      `json:"tenant,omitempty"`
	By     []Dimension `json:"by"`
	Total  CostSum     `json:"total"`
	Groups []CostRow   `json:"groups"`
	Number int         `json:"groups_total"` // also those beyond the limit
}

// CostRow is the cost of one group.
type CostRow struct {
	Group map[Dimension]string `json:"group"`
	CostSum
}

// CostSum is a cost with amounts in USD.
type CostSum struct {
	Calls    int64   `json:"calls"`
	Answered int64   `json:"answered"`
	Refused  int64   `json:"refused"`
	Charged  int64   `json:"charged"`
	Lost     int64   `json:"lost"`
	Open     int64   `json:"open"`
	Repeated int64   `json:"repeated"`
	Settled  float64 `json:"settled_usd"`
	Failed   float64 `json:"failed_usd"` // of it, for calls without a usable answer
	Reserved float64 `json:"reserved_usd"`

	InputTokens     int64   `json:"input_tokens"` // cached ones included; 0 = not known
	CachedTokens    int64   `json:"cached_tokens"`
	OutputTokens    int64   `json:"output_tokens"` // reasoning included
	ReasoningTokens int64   `json:"reasoning_tokens"`
	GPUSeconds      float64 `json:"gpu_seconds"`
}

func (c Cost) sum() CostSum {
	return CostSum{
		Calls: c.Calls, Answered: c.Answered, Refused: c.Refused, Charged: c.Charged, Lost: c.Lost, Open: c.Open, Repeated: c.Repeated,
		Settled: usd(c.SettledMicroUSD), Failed: usd(c.FailedMicroUSD), Reserved: usd(c.ReservedMicroUSD),
		InputTokens: c.InputTokens, CachedTokens: c.CachedTokens, OutputTokens: c.OutputTokens, ReasoningTokens: c.ReasoningTokens,
		GPUSeconds: float64(c.GPUMS) / 1000,
	}
}

func usd(micro int64) float64 { return float64(micro) / 1e6 }

// Report is the answer to a query as documents have it.
func (c Costs) Report(q CostQuery) CostReport {
	out := CostReport{
		Since: given(q.Since), Until: given(q.Until), Tenant: q.Tenant, By: q.By, Total: c.Total.sum(), Groups: []CostRow{}, Number: c.Number,
	}
	for _, g := range c.Groups {
		one := CostRow{map[Dimension]string{}, g.sum()}
		for i, by := range q.By {
			one.Group[by] = g.Values[i]
		}
		out.Groups = append(out.Groups, one)
	}
	return out
}

func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// BudgetReport is a budget as documents have it, with amounts in USD.
type BudgetReport struct {
	Scope
	Period      Period     `json:"period"`
	Kind        string     `json:"kind"` // hard or soft
	LimitUSD    float64    `json:"limit_usd"`
	SpentUSD    float64    `json:"spent_usd"`    // settled in this period
	ReservedUSD float64    `json:"reserved_usd"` // by calls in flight
	LeftUSD     float64    `json:"left_usd"`
	State       string     `json:"state"`                // ok, 80 % or reached
	Ends        *time.Time `json:"period_end,omitempty"` // none for a total
}

// Kind is hard or soft.
func (b Budget) Kind() string {
	if b.Soft {
		return "soft"
	}
	return "hard"
}

// Report is the budget as documents have it.
func (s Standing) Report() BudgetReport {
	r := BudgetReport{
		Scope: s.Scope, Period: s.Period, Kind: s.Kind(), LimitUSD: usd(s.MicroUSD), SpentUSD: usd(s.Settled),
		ReservedUSD: usd(s.Reserved), LeftUSD: usd(s.Left()), State: s.State(),
	}
	if end := s.End(); !end.IsZero() {
		r.Ends = &end
	}
	return r
}
