package circuit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/circuit"
)

// clock is a time that moves when it is told to.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func enter(t *testing.T, b *circuit.Breaker) circuit.Pass {
	t.Helper()
	p, wait := b.Enter()
	require.Zero(t, wait)
	return p
}

func TestOpensAndCloses(t *testing.T) {
	t.Parallel()
	c := &clock{}
	b := circuit.New(circuit.Options{Failures: 3, Most: 4 * time.Second, Now: c.now})
	late := enter(t, b)
	for range 2 {
		b.Fail(enter(t, b))
	}
	b.Succeed(enter(t, b))
	for range 3 {
		require.False(t, enter(t, b).Try(), "a success begins the count anew")
		b.Fail(circuit.Pass{})
	}
	for _, between := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
		_, wait := b.Enter()
		require.Equal(t, between, wait)
		b.Fail(late)
		c.advance(between)
		p := enter(t, b)
		require.True(t, p.Try())
		_, wait = b.Enter()
		require.Equal(t, between, wait, "one at a time; the others come back soon")
		b.Fail(p)
	}
	require.Equal(t, 11*time.Second, b.Down())
	c.advance(4 * time.Second)
	b.Succeed(enter(t, b))
	require.Zero(t, b.Down())
	require.False(t, enter(t, b).Try())
	require.False(t, enter(t, b).Try())
}

func TestGrace(t *testing.T) {
	t.Parallel()
	c := &clock{}
	b := circuit.New(circuit.Options{Grace: 10 * time.Second, Now: c.now})
	b.Fail(enter(t, b))
	c.advance(9 * time.Second)
	b.Fail(enter(t, b))
	enter(t, b)
	c.advance(time.Second)
	b.Fail(circuit.Pass{})
	_, wait := b.Enter()
	require.Equal(t, time.Second, wait)
}

// TestLostTry: a probe that never reports its result blocks the others only for a limited
// time; a probe that reports its cancellation does not block them.
func TestLostTry(t *testing.T) {
	t.Parallel()
	c := &clock{}
	b := circuit.New(circuit.Options{Now: c.now})
	b.Fail(enter(t, b))
	c.advance(time.Second)
	lost := enter(t, b)
	c.advance(10 * time.Second)
	second := enter(t, b)
	require.True(t, second.Try())
	b.Leave(lost)
	_, wait := b.Enter()
	require.Positive(t, wait, "an old pass gives no right away")
	b.Leave(second)
	require.True(t, enter(t, b).Try())
}

// TestOneTry: of many that ask at once exactly one tries.
func TestOneTry(t *testing.T) {
	t.Parallel()
	c := &clock{}
	b := circuit.New(circuit.Options{Now: c.now})
	b.Fail(circuit.Pass{})
	c.advance(time.Second)
	var tries, refused atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if p, wait := b.Enter(); wait > 0 {
				refused.Add(1)
			} else if p.Try() {
				tries.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, tries.Load())
	require.EqualValues(t, 99, refused.Load())
}
