package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cogniverse/cogflow/panics"
)

// Bounds of a tool.
const (
	toolWall   = 30 * time.Second
	toolOutput = 16 << 20        // bytes
	toolLinger = 2 * time.Second // between the end of the tool and the end of all its descendants
)

// Tool runs an installed program that gets no untrusted input, such as nvidia-smi, and
// returns its output, also together with an *ExitError. The program runs without a sandbox,
// but like every child it ends with this process, and so do its descendants. Only
// Limits.Wall applies (0 = 30 s). When it is exceeded, Tool returns ErrWall, even if the
// program hangs in a driver, where the kernel cannot kill it.
func Tool(ctx context.Context, c Command) ([]byte, error) {
	if c.Limits.Wall == 0 {
		c.Limits.Wall = toolWall
	}
	c.Limits = Limits{Wall: c.Limits.Wall, FileSize: ^uint64(0)}
	p, err := (&Sandbox{}).Start(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []byte
	ended := make(chan error, 1)
	panics.Go(func() error {
		var reading error
		if out, reading = io.ReadAll(io.LimitReader(p.Stdout, toolOutput+1)); len(out) > toolOutput {
			p.Kill()
			_ = p.Wait() // killed here
			return fmt.Errorf("%w: %d bytes", ErrOutput, toolOutput)
		}
		return errors.Join(p.Wait(), reading)
	}, func(err error) { ended <- err })
	select {
	case err := <-ended:
		return out, err
	case <-p.ctx.Done():
	}
	select {
	case err := <-ended:
		return out, err
	case <-time.After(toolLinger):
		return nil, context.Cause(p.ctx)
	}
}
