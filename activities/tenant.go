package activities

import (
	"context"
	"io"
	"strings"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
)

// Each activity works for one tenant, which its input names. Tenants notes which,
// and Confined lets the store be touched below the keys of that tenant only,
// whatever else an input holds. Both are wired by workers; an activity that is
// added later is confined without doing anything.

// owned is an input of an activity.
type owned interface{ Owner() tenant.ID }

// Tenants is an interceptor that notes for which tenant an activity works.
type Tenants struct {
	interceptor.WorkerInterceptorBase
}

// InterceptActivity is called by the SDK.
func (*Tenants) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	t := &tenantActivity{}
	t.Next = next
	return t
}

type tenantActivity struct {
	interceptor.ActivityInboundInterceptorBase
}

// ExecuteActivity runs an activity within its tenant.
func (t *tenantActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	for _, arg := range in.Args {
		input, ok := arg.(owned)
		if !ok {
			continue
		}
		name := input.Owner()
		if id, err := tenant.Parse(string(name)); err != nil || id != name {
			return nil, fault.New(fault.Input, "run activity "+activity.GetInfo(ctx).ActivityType.Name, string(name), "its input names no tenant")
		}
		return t.Next.ExecuteActivity(WithTenant(ctx, name), in)
	}
	return t.Next.ExecuteActivity(ctx, in) // it has no tenant, and may touch nothing
}

type tenantKey struct{}

// WithTenant is a context that reaches the keys of t; see Confined.
func WithTenant(ctx context.Context, t tenant.ID) context.Context {
	return context.WithValue(ctx, tenantKey{}, t)
}

// Confined is a store that an activity reaches below its tenant's keys only. A
// context without a tenant reaches nothing.
func Confined(s Store) Store { return confined{s} }

type confined struct{ store Store }

func (c confined) check(ctx context.Context, key string) error {
	t, ok := ctx.Value(tenantKey{}).(tenant.ID)
	if !ok {
		return fault.New(fault.Input, "reach object", key, "the activity works for no tenant")
	}
	if !strings.HasPrefix(key, string(t)+"/") {
		return fault.New(fault.Input, "reach object", key, "it is not one of tenant "+string(t))
	}
	return nil
}

func (c confined) Put(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	if err := c.check(ctx, key); err != nil {
		return object.Info{}, err
	}
	return c.store.Put(ctx, key, r)
}

func (c confined) Create(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	if err := c.check(ctx, key); err != nil {
		return object.Info{}, err
	}
	return c.store.Create(ctx, key, r)
}

func (c confined) Replace(ctx context.Context, key, sha256 string, r io.Reader) (object.Info, error) {
	if err := c.check(ctx, key); err != nil {
		return object.Info{}, err
	}
	return c.store.Replace(ctx, key, sha256, r)
}

func (c confined) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	if err := c.check(ctx, key); err != nil {
		return nil, object.Info{}, err
	}
	return c.store.Get(ctx, key)
}

func (c confined) Stat(ctx context.Context, key string) (object.Info, error) {
	if err := c.check(ctx, key); err != nil {
		return object.Info{}, err
	}
	return c.store.Stat(ctx, key)
}

func (c confined) List(ctx context.Context, prefix string, yield func(object.Info) error) error {
	if err := c.check(ctx, prefix); err != nil {
		return err
	}
	return c.store.List(ctx, prefix, yield)
}

func (c confined) Delete(ctx context.Context, key string) error {
	if err := c.check(ctx, key); err != nil {
		return err
	}
	return c.store.Delete(ctx, key)
}

func (c confined) DeleteIf(ctx context.Context, key, sha256 string) error {
	if err := c.check(ctx, key); err != nil {
		return err
	}
	return c.store.DeleteIf(ctx, key, sha256)
}

// OwnerOf is the tenant that a key is of; "" = of none.
func OwnerOf(key string) tenant.ID {
	name, _, ok := strings.Cut(key, "/")
	if t, err := tenant.Parse(name); ok && name != "" && err == nil {
		return t
	}
	return ""
}

// OwnerOfPrefix is t, or where it is empty the tenant that a prefix of keys is of:
// what a workflow of an earlier build has scheduled names its tenant in the prefix.
func OwnerOfPrefix(t tenant.ID, prefix string) tenant.ID {
	if t != "" {
		return t
	}
	return OwnerOf(prefix)
}
