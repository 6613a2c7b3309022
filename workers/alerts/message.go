package alerts

import (
	"time"

	"github.com/cogniverse/cogflow/money"
)

// Message is an alert as receivers get it: the body of the webhook, and the signal.
type Message struct {
	ID        string    `json:"id"`        // the same for each attempt
	Type      string    `json:"type"`      // budget_alert
	Timestamp time.Time `json:"timestamp"` // when the threshold was passed
	Data      Data      `json:"data"`
}

// Data says which budget passed which threshold.
type Data struct {
	money.Scope
	Kind       string       `json:"kind"`                 // hard or soft
	Period     money.Period `json:"period"`               // day, month or total
	PeriodName string       `json:"period_name"`          // such as 2026-11-29
	Ends       *time.Time   `json:"period_end,omitempty"` // none for a total
	Percent    int          `json:"threshold_percent"`
	Reached    bool         `json:"reached"` // hard: calls that cost money wait; soft: it is spent
	LimitUSD   float64      `json:"limit_usd"`
	SpentUSD   float64      `json:"spent_usd"`
	Text       string       `json:"text"`
	Command    string       `json:"command"` // that changes the budget
}

func messageOf(a money.Alert) Message {
	d := Data{
		Scope: a.Scope, Kind: "hard", Period: a.Period, PeriodName: a.Name, Percent: a.Percent, Reached: a.Percent >= money.LimitReached,
		LimitUSD: float64(a.MicroUSD) / 1e6, SpentUSD: float64(a.Spent) / 1e6, Text: a.Text(), Command: a.Command("USD"),
	}
	if a.Soft {
		d.Kind = "soft"
	}
	if end, ok := a.Period.End(a.Name); ok {
		d.Ends = &end
	}
	return Message{ID: a.ID(), Type: Signal, Timestamp: a.At.UTC(), Data: d}
}
