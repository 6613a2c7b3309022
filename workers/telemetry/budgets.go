package telemetry

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cogniverse/cogflow/money"
)

// maxBudgets limits the series of budgets: those with the least left, in proportion, are shown.
const maxBudgets = 100

// Budgets shows the budgets of the ledger. read must not wait: it returns what was last read, when,
// and why no newer read succeeded. A nil server does nothing.
func (s *Server) Budgets(read func() (all []money.Standing, at time.Time, err error)) error {
	if s == nil || s.provider == nil {
		return nil
	}
	m := s.meter()
	gauge := func(name, text string) metric.Float64ObservableGauge {
		g, err := m.Float64ObservableGauge(name, metric.WithDescription(text))
		if err != nil {
			return nil // RegisterCallback then refuses it
		}
		return g
	}
	left := gauge("cogflow.budget.left.usd", "US dollars of a budget that are neither spent nor reserved in its period.")
	limit := gauge("cogflow.budget.limit.usd", "US dollars of a budget.")
	hidden := gauge("cogflow.budgets.hidden", "Budgets without metrics, because others have less left.")
	failed := gauge("cogflow.budget.read.failed", "1 if the ledger could not be read the last time; the budgets are then as they were before.")
	age := gauge("cogflow.budget.read.age.seconds", "Seconds since the budgets were read.")
	_, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		all, at, err := read()
		all = slices.Clone(all)
		slices.SortStableFunc(all, func(a, b money.Standing) int { return cmp.Compare(share(a), share(b)) })
		for _, b := range all[:min(len(all), maxBudgets)] {
			of := metric.WithAttributes(budgetAttributes(b.Budget)...)
			o.ObserveFloat64(left, usd(b.Left()), of)
			o.ObserveFloat64(limit, usd(b.MicroUSD), of)
		}
		o.ObserveFloat64(hidden, float64(max(0, len(all)-maxBudgets)))
		o.ObserveFloat64(failed, map[bool]float64{true: 1}[err != nil])
		if !at.IsZero() {
			o.ObserveFloat64(age, time.Since(at).Seconds())
		}
		return nil
	}, left, limit, hidden, failed, age)
	return err
}

func usd(micro int64) float64 { return float64(micro) / 1e6 }

// share is the part of a budget that is left.
func share(s money.Standing) float64 {
	if s.MicroUSD <= 0 {
		return 0
	}
	return float64(s.Left()) / float64(s.MicroUSD)
}

func budgetAttributes(b money.Budget) []attribute.KeyValue {
	kind := "hard"
	if b.Soft {
		kind = "soft"
	}
	return []attribute.KeyValue{
		attribute.String("org", b.Org), attribute.String("tenant", b.Tenant), attribute.String("model", b.Model),
		attribute.String("period", string(b.Period)), attribute.String("kind", kind),
	}
}
