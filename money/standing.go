package money

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Budget limits what a scope may spend in each period. All budgets that cover a call apply to
// it, so one can only narrow what another allows.
type Budget struct {
	Scope
	Period   Period `json:"period"`
	MicroUSD int64  `json:"limit_micro_usd"` // 0 = nothing may be spent
	Soft     bool   `json:"soft,omitempty"`  // it blocks nothing
}

// Check refuses an invalid budget.
func (b Budget) Check() error {
	switch {
	case !slices.Contains(Periods(), b.Period):
		return fmt.Errorf("a period is day, month or total, not %q", string(b.Period))
	case b.MicroUSD < 0:
		return errors.New("a budget must not be negative")
	default:
		return b.Scope.Check()
	}
}

// Same reports whether two budgets differ only in their amounts: then the later one replaces
// the other.
func (b Budget) Same(o Budget) bool {
	b.MicroUSD = o.MicroUSD
	return b == o
}

// Compare orders budgets for people: organisations, then tenants, then models.
func (b Budget) Compare(o Budget) int {
	rank := func(b Budget) []string {
		soft := "0"
		if b.Soft {
			soft = "1"
		}
		return []string{
			fmt.Sprint(b.Org == ""), b.Org, fmt.Sprint(b.Tenant == ""), b.Tenant, b.Model,
			fmt.Sprint(slices.Index(Periods(), b.Period)), soft,
		}
	}
	return slices.Compare(rank(b), rank(o))
}

// Command is the command line that sets the budget; amount is its last argument.
func (b Budget) Command(amount string) string {
	args := []string{"cogflow budget set"}
	for _, f := range [][2]string{{"--org", b.Org}, {"--tenant", b.Tenant}, {"--model", b.Model}, {"--period", string(b.Period)}} {
		if f[1] != "" {
			args = append(args, f[0]+" "+quoted(f[1]))
		}
	}
	if b.Soft {
		args = append(args, "--soft")
	}
	return strings.Join(append(args, amount), " ")
}

// quoted is an argument as a shell reads it.
func quoted(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Standing is a budget and what has been spent of it in its current period.
type Standing struct {
	Budget
	Settled  int64     // micro-USD
	Reserved int64     // micro-USD of open entries
	At       time.Time // by the clock of the ledger
}

// Left is what may still be reserved, in micro-USD; 0 if nothing.
func (s Standing) Left() int64 { return max(0, s.MicroUSD-Sum(s.Settled, s.Reserved)) }

// The states of a budget.
const (
	StateOK      = "ok"
	StateNear    = "80 %" // that much of it is spent or reserved
	StateReached = "reached"
)

// State says how much of the budget is spent or reserved.
func (s Standing) State() string {
	switch used := Sum(s.Settled, s.Reserved); {
	case used >= s.MicroUSD:
		return StateReached
	case used >= s.MicroUSD-s.MicroUSD/5:
		return StateNear
	default:
		return StateOK
	}
}

// End is when the period ends; zero = never.
func (s Standing) End() time.Time {
	_, end := s.Period.Bounds(s.At)
	return end
}

// Afford is the rule of hard budgets: a call must fit all of them. It returns the budget that
// blocks the call: of several, the one whose period ends last, because the call has to wait
// for it anyway. A free call is never blocked. One of unknown cost is blocked by any hard
// budget.
func Afford(cost int64, unpriced bool, all []Standing) (Verdict, Standing) {
	verdict, by := Fits, Standing{}
	for _, s := range all {
		if s.Soft {
			continue
		}
		v := Fits
		switch {
		case unpriced:
			v = Exceeded
		case cost <= 0:
		case Sum(s.Settled, cost) > s.MicroUSD:
			v = Exceeded
		case Sum(s.Settled, s.Reserved, cost) > s.MicroUSD:
			v = Wait
		}
		if v > verdict || v == verdict && v != Fits && endsLater(s, by) {
			verdict, by = v, s
		}
	}
	return verdict, by
}

func endsLater(s, o Standing) bool {
	return !o.End().IsZero() && (s.End().IsZero() || s.End().After(o.End()))
}

// Blocked is the cause of a fault: a budget that several jobs share leaves no room for a call.
// It is data of the run that waits. It does not say what others have spent.
type Blocked struct { //nolint:errname // it says what a run waits for, and is data of it
	Budget   Budget    `json:"budget"`
	Ends     time.Time `json:"ends,omitzero"`              // when its period ends, by the clock of the ledger; zero = never
	EndsInMS int64     `json:"ends_in_ms,omitempty"`       // until then, in milliseconds, whatever the reader's clock says
	Needed   int64     `json:"needed_micro_usd,omitempty"` // what the call may cost
	Unpriced bool      `json:"unpriced,omitempty"`         // what the call costs is not known
	InFlight bool      `json:"in_flight,omitempty"`        // calls in flight reserve what is left; they may settle for less
}

// NewBlocked is the cause by which a budget blocks a call.
func NewBlocked(by Standing, v Verdict, cost int64, unpriced bool) *Blocked {
	b := &Blocked{Budget: by.Budget, Ends: by.End(), Needed: cost, Unpriced: unpriced, InFlight: v == Wait}
	if !b.Ends.IsZero() {
		b.EndsInMS = max(1, b.Ends.Sub(by.At).Milliseconds())
	}
	return b
}

// Settled is the cause for a run that no longer waits for the calls in flight.
func (b *Blocked) Settled() *Blocked {
	out := *b
	out.InFlight = false
	return &out
}

// Is makes calls in flight that leave no room an ErrNoRoom.
func (b *Blocked) Is(target error) bool { return b.InFlight && target == ErrNoRoom }

func (b *Blocked) Error() string {
	switch {
	case b.Unpriced:
		return "its price is not known, so nothing is spent on it under the hard budget of " + b.Name() +
			"; set its price, or clear the budget"
	case b.InFlight:
		return fmt.Sprintf("it may cost %s, and calls in flight reserve what is left of the budget of %s; waiting for them to end",
			Dollars(b.Needed), b.Name())
	default:
		return fmt.Sprintf("it may cost %s, and the budget of %s has less left; %s", Dollars(b.Needed), b.Name(), b.Fix())
	}
}

// Name names the budget: "tenant acme ($50.00 a month)".
func (b *Blocked) Name() string {
	per := " a " + string(b.Budget.Period)
	if b.Budget.Period == Total {
		per = " in total"
	}
	return b.Budget.String() + " (" + Dollars(b.Budget.MicroUSD) + per + ")"
}

// Fix says what a person can do, and when the budget begins again.
func (b *Blocked) Fix() string {
	if b.Unpriced {
		return "set the price of the model, or clear the budget"
	}
	text := "raise it with " + b.Budget.Command("USD")
	if !b.Ends.IsZero() {
		text += "; it begins again at " + b.Ends.Format("2006-01-02 15:04") + " UTC"
	}
	return text
}

// Dollars is an amount for people, in USD with at least two decimals.
func Dollars(micro int64) string {
	sign := ""
	if micro < 0 {
		sign, micro = "-", -max(micro, -math.MaxInt64)
	}
	text := fmt.Sprintf("%d.%06d", micro/1_000_000, micro%1_000_000)
	return sign + "$" + strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(text, "0"), "0"), "0"), "0")
}
