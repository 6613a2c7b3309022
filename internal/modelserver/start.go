package modelserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu/procs"
	"github.com/cogniverse/cogflow/internal/lease"
)

const (
	startOp   = "start model server"
	pollEvery = 200 * time.Millisecond // of readiness
)

// starting does the steps of a start. What it took is given back if one fails.
func (s *server) starting(o *op) (_ *running, err error) {
	if s.Missing != nil {
		return nil, s.Missing
	}
	if err := s.backOff(o); err != nil {
		return nil, err
	}
	if s.m.o.Ask != nil {
		return s.borrow(o)
	}
	other, disown, err := s.own(o)
	if err != nil || other != nil {
		return other, err
	}
	defer func() {
		if err != nil {
			disown()
		}
	}()
	if err := s.free(o.ctx); err != nil {
		return nil, err
	}
	program, err := exec.LookPath(s.Command[0])
	if err != nil {
		return nil, &fault.Error{Class: fault.Input, Op: startOp, Subject: s.name, Reason: "correct the command in the configuration", Err: err}
	}
	env, devices, release := s.Env, "", func() {}
	if s.GPUs > 0 {
		text := fmt.Sprintf("model server %s waits for %d free GPU(s)", s.name, s.GPUs)
		o.says(func() string { return text })
		var l lease.Lease
		l, release, err = s.m.o.GPUs.Lease(o.ctx, lease.Ask{
			N: s.GPUs, Bytes: s.GPUBytes, Avoid: s.m.devices.avoid, Who: "model server " + s.name,
			Says: func(why string) { o.says(func() string { return text + ": " + why }) },
		})
		if err != nil {
			return nil, err
		}
		devices = l.Devices
		env = append(slices.Clip(env), "CUDA_VISIBLE_DEVICES="+devices, procs.Variable+"="+l.Mark)
	}
	p, err := s.boot(o, program, env)
	if devices != "" && (err == nil || fault.ClassOf(err) == fault.Transport) && o.ctx.Err() == nil {
		s.m.devices.record(strings.Split(devices, ","), err == nil)
	}
	if err != nil {
		release()
		return nil, err
	}
	return &running{process: p, devices: devices, since: s.m.o.Now(), release: func() { release(); disown() }}, nil
}

// backOff waits before a start that follows a failed one.
func (s *server) backOff(o *op) error {
	s.mu.Lock()
	until, last := s.retryAt, s.last
	s.mu.Unlock()
	left := func() time.Duration { return until.Sub(s.m.o.Now()) }
	if last == nil || left() <= 0 {
		return nil
	}
	o.says(func() string {
		return fmt.Sprintf("model server %s failed and is started again in %s: %v", s.name, max(0, left()).Round(time.Second), last)
	})
	return pause(o.ctx, left())
}

// free reports a fault if another program listens at the server's address.
func (s *server) free(ctx context.Context) error {
	host, port := s.address()
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return ctx.Err()
	}
	_ = conn.Close() // nothing was written
	return fault.New(fault.Input, startOp, s.name, "port "+port+
		" is already taken by another program; stop it, or choose another port in the command, ready and the endpoint's url")
}

// boot runs the command until the server is ready.
func (s *server) boot(o *op, program string, env []string) (*process, error) {
	output, err := openOutput(s.m.o.Logs, s.name)
	if err != nil {
		return nil, err
	}
	began := s.m.o.Now()
	passed := func() time.Duration { return s.m.o.Now().Sub(began) }
	s.mu.Lock()
	s.clock.usage.Starts++
	s.count(boot)
	s.mu.Unlock()
	defer func() { // a server that is ready is counted as idle or busy at once
		s.mu.Lock()
		defer s.mu.Unlock()
		s.count(off)
	}()
	o.mu.Lock()
	o.booting = began
	o.text = func() string {
		return fmt.Sprintf("starting model server %s, %d s of at most %d s", s.name, int(passed().Seconds()), int(s.BootTimeout.Seconds()))
	}
	o.mu.Unlock()
	booted, err := s.m.o.Locks.Want(s.bootLock())
	if err != nil {
		return nil, err
	}
	defer booted()
	p, err := spawn(s.m.o.Keeper, s.m.o.Grace, append([]string{program}, s.Command[1:]...), env, output)
	if err != nil {
		return nil, err
	}
	if err := s.untilReady(o.ctx, p, passed); err != nil {
		p.stop(s.m.o.Grace)
		return nil, err
	}
	return p, nil
}

func (s *server) untilReady(ctx context.Context, p *process, passed func() time.Duration) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-p.done:
			return p.fault(startOp, s.name)
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
			answer := s.ready(ctx)
			if answer == nil {
				return nil
			}
			if class := fault.ClassOf(answer); class != "" && class != fault.Transport && ctx.Err() == nil {
				return answer
			}
			if passed() < s.BootTimeout {
				continue
			}
			class := fault.Transport
			if errors.Is(answer, errStatus) { // it runs, but has no such path
				class = fault.Input
			}
			return &fault.Error{
				Class: class, Op: startOp, Subject: s.name, Err: answer,
				Reason: fmt.Sprintf("it was not ready after %s (boot_timeout_seconds); its output ends with: %s", s.BootTimeout, p.output.tail()),
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
