package optimize

import (
	"context"
	"fmt"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/prompt/mipro/propose"
)

// reflections is the number of reflections so far.
func (in SearchStep) reflections() int {
	if in.Final {
		return max(in.Reflections, 1)
	}
	return in.Reflections
}

// reflectedName is where the instructions of a reflection are stored; the first is 0.
func reflectedName(reflection int) string {
	if reflection == 0 {
		return "reflected.json"
	}
	return fmt.Sprintf("reflected-%d.json", reflection)
}

// ReflectOnFailures gets new instructions from the failures of the best program so far.
func (a *Activities) ReflectOnFailures(ctx context.Context, in SearchStep) (Asked, error) {
	c, err := a.begin(ctx, in.Spender)
	if err != nil {
		return Asked{}, err
	}
	best, err := a.best(ctx, c.o, in)
	if err != nil {
		return Asked{}, err
	}
	rules := c.o.Rules.OrFormer()
	size := propose.Reflection{Examples: rules.Rows(c.o.plan.SearchRuns(), len(c.o.plan.Train)), Variants: rules.ReflectVariants}
	if rules.Reflections > 1 {
		size.Number = in.Reflections + 1
	}
	s := propose.NewReflect(c.o.plan, best.program, size)
	if err := c.run(ctx, s, never); err != nil {
		return c.asked(), err
	}
	if err := activities.WriteJSON(ctx, a.Store, a.stored(in.Spender, reflectedName(in.Reflections)), s.Instructions()); err != nil {
		return c.asked(), err
	}
	return c.total(ctx)
}
