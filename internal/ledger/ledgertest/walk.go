package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

// modelled is an entry of the model. An open one has no outcome.
type modelled struct {
	key     string
	cost    int64 // reserved
	owner   Ledger
	booked  money.Booking
	settled bool // by its caller, so that its booking stands
}

type model []*modelled

func (m model) sums() (settled, reserved int64) {
	for _, e := range m {
		settled += e.booked.MicroUSD
		if e.booked.Outcome == "" {
			reserved += e.cost
		}
	}
	return settled, reserved
}

// testWalk takes random steps by several processes, some of which end, and compares the
// ledger with a model after each step.
func testWalk(t *testing.T, s Store) {
	const limit = 300
	random := rand.New(rand.NewPCG(3, 4))
	processes := []Ledger{s.open(t), s.open(t), s.open(t)}
	var m model
	for step := range 300 {
		i := random.IntN(len(processes))
		l := processes[i]
		switch n := random.IntN(20); {
		case n < 9:
			c := call("job", fmt.Sprint(step), int64(random.IntN(40)))
			settled, reserved := m.sums()
			r, err := l.TryReserve(t.Context(), c, limit)
			switch verdict := money.Decide(limit, settled, reserved, c.CostMicroUSD); {
			case c.CostMicroUSD > 0 && verdict == money.Exceeded:
				require.Equal(t, fault.Budget, fault.ClassOf(err), "step %d: %v", step, err)
			case c.CostMicroUSD > 0 && verdict == money.Wait:
				require.ErrorIs(t, err, money.ErrNoRoom, "step %d", step)
			default:
				require.NoError(t, err, "step %d", step)
				m = append(m, &modelled{key: r.Key, cost: c.CostMicroUSD, owner: l})
			}
		case n < 19 && len(m) > 0:
			e := m[random.IntN(len(m))]
			said := money.Booking{Outcome: money.Answered, MicroUSD: random.Int64N(e.cost + 1)}
			if random.IntN(4) == 0 {
				said = money.Booking{Outcome: money.Released}
			}
			if !e.settled {
				e.booked, e.settled = said, true
			}
			require.Equal(t, e.booked, settle(t, l, e.key, said.Outcome, said.MicroUSD), "step %d", step)
		case n == 19:
			require.NoError(t, l.Close())
			for _, e := range m {
				if e.owner == l && e.booked.Outcome == "" {
					e.booked = money.Booking{Outcome: money.Lost, MicroUSD: e.cost}
				}
			}
			processes[i] = s.open(t)
		}
		settled, reserved := m.sums()
		sum := spend(t, processes[0])
		require.Equal(t, []int64{settled, reserved, settled}, []int64{sum.CostMicroUSD, sum.Reserved, spent(t, processes[0], "job", "job/video")}, "step %d", step)
	}
}
