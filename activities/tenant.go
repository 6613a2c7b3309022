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

// Each activity works for one tenant, which its input names. Tenants records it, and
// Confined limits the store to the keys of that tenant, whatever else an input holds.
// The worker program installs both, so a new activity is confined without any code of its own.

// owned is an input that names its tenant.
type owned interface{ Owner() tenant.ID }

// Tenants is an interceptor that records the tenant of an activity.
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
	return t.Next.ExecuteActivity(ctx, in) // no tenant: the activity cannot reach the store
}

type tenantKey struct{}

// WithTenant is a context that reaches the keys of t; see Confined.
func WithTenant(ctx context.Context, t tenant.ID) context.Context {
	return context.WithValue(ctx, tenantKey{}, t)
}

// Confined limits a store to the keys of the activity's tenant. A context without a tenant
// reaches nothing.
func Confined(s Store) Store { return confined{s} }

type confined struct{ store Store }

func (c confined) check(ctx context.Context, key string) error {
	t, ok := ctx.Value(tenantKey{}).(tenant.ID)
	if !ok {
		return fault.New(fault.Input, "reach object", key, "the activity has no tenant")
	}
	if !strings.HasPrefix(key, string(t)+"/") {
		return fault.New(fault.Input, "reach object", key, "the object does not belong to tenant "+string(t))
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

func (c confined) Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := c.check(ctx, key); err != nil {
		return nil, err
	}
	return c.store.Part(ctx, key, offset, length)
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

// OwnerOf is the tenant of a key; "" = none.
func OwnerOf(key string) tenant.ID {
	name, _, ok := strings.Cut(key, "/")
	if t, err := tenant.Parse(name); ok && name != "" && err == nil {
		return t
	}
	return ""
}

// OwnerOfPrefix is t or, if that is empty, the tenant of a prefix of keys: tasks of a
// workflow that an earlier build scheduled name their tenant in the prefix.
func OwnerOfPrefix(t tenant.ID, prefix string) tenant.ID {
	if t != "" {
		return t
	}
	return OwnerOf(prefix)
}
