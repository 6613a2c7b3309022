package cli

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
)

// OpenFile shows a file in the program that the desktop has for it, such as the browser.
func OpenFile(ctx context.Context, path string) error {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	if err := exec.CommandContext(ctx, opener, path).Run(); err != nil {
		return fmt.Errorf("open %q with %s: %w; open it by hand", path, opener, err)
	}
	return nil
}
