// Leases checks GPU leases against the real driver of this machine, in less than a minute:
// go run ./deploy/gpucheck/leases --python trainer/.venv/bin/python. It is a part of `make gpu-check`.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/nvml"
	"github.com/cogniverse/cogflow/internal/gpu/procs"
	"github.com/cogniverse/cogflow/internal/lease"
)

// hold is a process that uses a fifth of the memory of its GPU until it is ended.
const hold = `import time, torch
free, total = torch.cuda.mem_get_info()
held = torch.zeros(total // 5, dtype=torch.uint8, device="cuda")
print("held", flush=True)
time.sleep(60)`

func main() {
	python := flag.String("python", "python3", "interpreter with a CUDA torch")
	library := flag.String("library", "", "NVML; empty = where the system has it")
	tool := flag.String("nvidia-smi", "", "nvidia-smi; empty = the one in PATH")
	reads := flag.Bool("reads", false, "compare the readings and lease, without a process on the GPU")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, *library, *tool, *python, *reads); err != nil {
		fmt.Fprintln(os.Stderr, "leases:", err)
		cancel()
		os.Exit(1) //nolint:gocritic // cancel is called
	}
}

func run(ctx context.Context, library, tool, python string, reads bool) error {
	driver, found, err := nvml.Open(library)
	if err != nil || !found {
		return errors.Join(err, errors.New("NVML does not load; this machine has no driver of NVIDIA, or this build has no cgo"))
	}
	defer driver.Close()
	devices, err := compare(ctx, driver, tool)
	if err != nil {
		return err
	}
	table, err := lease.OfHost(ctx, gpu.NewHost(driver, nil), []string{devices[0].UUID}, "gpu-check", "gpu-check")
	if err != nil {
		return err
	}
	if err := leases(ctx, table, devices[0]); err != nil || reads {
		return err
	}
	return holders(ctx, table, devices[0], python)
}

// compare compares NVML with nvidia-smi.
func compare(ctx context.Context, driver gpu.Devices, tool string) ([]gpu.Device, error) {
	smi, found, err := gpu.FindSMI()
	if tool != "" {
		smi, found = gpu.SMIAt(tool), true
	}
	if err != nil || !found {
		return nil, errors.Join(err, errors.New("nvidia-smi is not installed"))
	}
	one, err := driver.Read(ctx)
	if err != nil {
		return nil, err
	}
	other, err := smi.Read(ctx)
	if err != nil {
		return nil, err
	}
	if len(one) == 0 || len(one) != len(other) {
		return nil, fmt.Errorf("NVML lists %d devices, and nvidia-smi %d", len(one), len(other))
	}
	const near = 1 << 30 // processes come and go, and profiles of instances are rounded
	for i, d := range one {
		o := other[i]
		same := d.UUID == o.UUID && d.Name == o.Name && d.Profile == o.Profile && d.Bus == o.Bus && abs(d.MemoryBytes-o.MemoryBytes) < near &&
			(o.UsedBytes < 0 || abs(d.UsedBytes-o.UsedBytes) < near) && d.Uncorrected == o.Uncorrected && d.RemapFailed == o.RemapFailed
		if !same {
			return nil, fmt.Errorf("NVML and nvidia-smi differ: %+v and %+v", d, o)
		}
		say("ok  %s: %s of %s used, by NVML and nvidia-smi", d, gpu.Bytes(d.UsedBytes), gpu.Bytes(d.MemoryBytes))
	}
	return one, nil
}

func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) }

func abs(n int64) int64 { return max(n, -n) }

// leases takes the whole of a device, and shares of it.
func leases(ctx context.Context, table *lease.Table, d gpu.Device) error {
	release, why, err := take(ctx, table, 0, 0)
	if release == nil {
		return errors.Join(err, errors.New("the GPU is not free: "+why))
	}
	if second, _, err := take(ctx, table, 0, 0); second != nil || err != nil {
		return errors.Join(err, errors.New("the GPU was leased twice"))
	}
	release()
	first, why, err := take(ctx, table, d.MemoryBytes/3, 0)
	if first == nil {
		return errors.Join(err, errors.New("no share was given: "+why))
	}
	defer first()
	second, why, err := take(ctx, table, d.MemoryBytes/3, 0)
	if second == nil {
		return errors.Join(err, errors.New("no second share was given: "+why))
	}
	defer second()
	third, why, err := take(ctx, table, d.MemoryBytes/3, 0)
	if third != nil || err != nil {
		return errors.Join(err, errors.New("three thirds were given, and nothing is left for the driver"))
	}
	say("ok  whole leases and shares exclude each other: %s", why)
	return nil
}

// take takes a lease, or says why it waits for longer than patience.
func take(ctx context.Context, table *lease.Table, bytes int64, patience time.Duration) (release func(), why string, err error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	_, release, err = table.Take(waiting, lease.Ask{N: 1, Bytes: bytes, Who: "gpu-check", Says: func(reason string) {
		if why = reason; time.Since(began) >= patience {
			cancel()
		}
	}})
	if err != nil && ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return nil, why, nil
	}
	return release, why, err
}

// holders checks that a process without a lease keeps the GPU from being leased and is named, and that
// one that outlives its lease is ended.
func holders(ctx context.Context, table *lease.Table, d gpu.Device, python string) error {
	stranger, err := start(ctx, python, d.UUID, "")
	if err != nil {
		return err
	}
	const untilRead = 2 * time.Second
	release, why, err := take(ctx, table, 0, untilRead)
	if release != nil || err != nil {
		return errors.Join(err, errors.New("a GPU that another process uses was leased"))
	}
	if !strings.Contains(why, fmt.Sprintf("process %d", stranger.Process.Pid)) {
		say("--  the process was not named, as inside a container: %s", why)
	} else {
		say("ok  a stranger keeps the GPU: %s", why)
	}
	if err := stranger.Process.Kill(); err != nil {
		return err
	}
	_ = stranger.Wait() // it was killed
	const untilFree = 20 * time.Second
	l, release, err := table.Take(ctx, lease.Ask{N: 1, Who: "gpu-check"})
	if err != nil {
		return err
	}
	orphan, err := start(ctx, python, d.UUID, l.Mark)
	if err != nil {
		return err
	}
	release()
	_ = orphan.Wait() // the release has killed it; otherwise this waits until the minute is over
	if release, why, err = take(ctx, table, 0, untilFree); release == nil {
		return errors.Join(err, errors.New("the GPU is not free after an orphan has ended: "+why))
	}
	release()
	say("ok  a process that outlives its lease is ended")
	return nil
}

func start(ctx context.Context, python, device, mark string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, python, "-c", hold)
	cmd.Env = append(os.Environ(), "CUDA_VISIBLE_DEVICES="+device, procs.Variable+"="+mark)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("the process could not use the GPU: %w", err)
	}
	return cmd, nil
}
