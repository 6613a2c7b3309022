package cli

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
)

// OpenFile opens a file in the default program of the desktop, such as the browser.
func OpenFile(ctx context.Context, path string) error {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	if err := exec.CommandContext(ctx, opener, path).Run(); err != nil {
		return fmt.Errorf("open %q with %s: %w; open it manually", path, opener, err)
	}
	return nil
}
