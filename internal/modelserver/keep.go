package modelserver

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/panics"
)

// keep runs a command as a keeper; see Keep.
func keep(grace time.Duration, command []string) (code int) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	var ending atomic.Bool
	end := sync.OnceFunc(func() {
		ending.Store(true)
		_ = syscall.Kill(0, syscall.SIGTERM) // this process handles it
		time.AfterFunc(grace, func() { _ = syscall.Kill(0, syscall.SIGKILL) })
	})
	ignore := func(error) {}
	panics.Go(func() error {
		<-asked
		end()
		return nil
	}, ignore)
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // the configuration names it; signals end it
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = child.Within(syscall.SIGKILL)
	err := child.OnOneThread(func() error {
		if err := cmd.Start(); err != nil {
			return err
		}
		panics.Go(func() error {
			_, err := io.Copy(io.Discard, os.Stdin)
			end()
			return err
		}, ignore)
		return cmd.Wait()
	})
	// Who asked may have died: the signal of its death can come before the end of its pipe. Otherwise
	// the parent lives, and ends what is left of the group.
	if ending.Load() {
		_ = syscall.Kill(0, syscall.SIGKILL)
	}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		fmt.Fprintln(os.Stderr, err)
		return notExecutable
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return signalled + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}
