package money

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"time"
)

// Alert says that a budget passed a threshold in a period. There is one for each threshold,
// period and amount of a budget, so a budget that is raised warns again at its new amount.
type Alert struct {
	Budget
	Name    string    // of the period, as Period.Name
	Percent int       // the threshold; 100 = the limit is reached
	Spent   int64     // micro-USD that were settled when it was passed
	At      time.Time // when it was passed, by the clock of the ledger
}

// LimitReached is the threshold of a call that was refused, and of a soft budget that is spent.
const LimitReached = 100

// MaxThreshold is the highest threshold in percent: a soft budget can be spent several times.
const MaxThreshold = 1000

// ID names an alert. Receivers that see it twice have been told twice.
func (a Alert) ID() string {
	h := sha256.New()
	for _, part := range []string{
		a.Org, a.Tenant, a.Model, string(a.Period), strconv.FormatBool(a.Soft), strconv.FormatInt(a.MicroUSD, 10), a.Name, strconv.Itoa(a.Percent),
	} {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return "alert_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// Refused is the alert of a hard budget that leaves no room for a call.
func (s Standing) Refused() Alert { return s.alert(LimitReached) }

// Passed are the alerts of the thresholds, in percent, that settled costs have passed.
// Reservations do not count: they are the most that calls may cost.
func (s Standing) Passed(thresholds []int) (out []Alert) {
	for _, percent := range thresholds {
		if s.MicroUSD <= 0 || s.Settled <= 0 || percent <= 0 {
			continue
		}
		spentHigh, spentLow := bits.Mul64(uint64(s.Settled), 100)
		high, low := bits.Mul64(uint64(s.MicroUSD), uint64(percent))
		if spentHigh > high || spentHigh == high && spentLow >= low {
			out = append(out, s.alert(percent))
		}
	}
	return out
}

func (s Standing) alert(percent int) Alert {
	return Alert{Budget: s.Budget, Name: s.Period.Name(s.At), Percent: percent, Spent: s.Settled, At: s.At}
}

// Text is an alert for people.
func (a Alert) Text() string {
	kind := "Budget"
	if a.Soft {
		kind = "Soft budget"
	}
	period := "in total"
	if a.Period != Total {
		period = a.Name
	}
	text := fmt.Sprintf("%s of %s (%s %s): %s spent", kind, a.Scope, Dollars(a.MicroUSD), period, Dollars(a.Spent))
	switch {
	case a.Percent >= LimitReached && a.Soft:
		return text + fmt.Sprintf("; that is over %d %%. It stops nothing.", a.Percent)
	case a.Percent >= LimitReached:
		return text + ". Calls that cost money wait. Raise it: " + a.Command("USD")
	default:
		return text + fmt.Sprintf("; that is over %d %%.", a.Percent)
	}
}
