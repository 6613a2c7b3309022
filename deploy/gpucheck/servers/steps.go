package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/workers/ondemand"
)

// check is what the steps share.
type check struct {
	ctx   context.Context //nolint:containedctx // of the program
	dir   string
	table *lease.Table
	class string
}

// marker is a variable of the servers, by which their processes are found.
const marker = "COGFLOW_GPU_CHECK"

// at lets a command serve the model at a free port.
func (m model) at(command ...string) model {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it resolves no name
	if err != nil {
		panic(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(address)
	source, err := filepath.Abs("embedder/src")
	if err != nil {
		panic(err)
	}
	m.server.Command = append(command, "--host", "127.0.0.1", "--port", port)
	m.server.Ready, m.server.GPUs, m.server.Scaledown, m.server.BootTimeout = "http://"+address+"/health", 1, time.Hour, 2*time.Minute
	m.server.Env = map[string]string{"PYTHONPATH": source, "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1", marker: m.server.Name}
	m.endpoint.URL = "http://" + address
	if m.endpoint.Kind == config.OpenAI {
		m.endpoint.URL += "/v1"
	}
	return m
}

// picture is a small image as a data URL.
func picture() string {
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewRGBA(image.Rect(0, 0, 56, 56))); err != nil {
		panic(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(out.Bytes())
}

// open makes the servers of a worker.
func (c check) open(m model) (*ondemand.Servers, error) {
	return ondemand.New(ondemand.Options{
		Config: config.Config{Scratch: c.dir, Servers: []ownserver.Server{m.server}, Endpoints: []config.Endpoint{m.endpoint}},
		Getenv: os.Getenv, //nolint:forbidigo // servers get PATH and HOME
		Class:  c.class, GPUs: func() (*lease.Table, error) { return c.table, nil },
	})
}

// use brings the server up and makes the request.
func (c check) use(s *ondemand.Servers, m model) (release func(), took time.Duration, err error) {
	began := time.Now()
	release, err = s.Up(c.ctx, m.endpoint.Server(), func(string) {})
	if err != nil {
		return nil, 0, err
	}
	base := strings.TrimSuffix(m.endpoint.URL, "/v1")
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, base+m.path, strings.NewReader(m.request))
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		release()
		return nil, 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), m.answer) {
		release()
		return nil, 0, errors.Join(err, fmt.Errorf("status %d: %.500s", answer.StatusCode, text))
	}
	return release, time.Since(began), nil
}

// until waits until a server is in a state.
func (c check) until(s *ondemand.Servers, state modelserver.State) error {
	for {
		now := s.Reports()()[0].State
		if now == state {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-c.ctx.Done():
			return fmt.Errorf("the server is %s and not %s: %w", now, state, c.ctx.Err())
		}
	}
}

// lives checks the life of a server: start, SIGKILL, training that wants its GPU, idle stop.
func (c check) lives(m model) error {
	s, err := c.open(m)
	if err != nil {
		return err
	}
	defer s.Close()
	release, took, err := c.use(s, m)
	if err != nil {
		return err
	}
	say("ok  %s: from nothing to the first answer in %.1f s", m.name, took.Seconds())

	if training, err := c.train(3 * time.Second); training != nil || err != nil {
		return errors.Join(err, errors.New("training got the GPU of a busy server"))
	}
	say("ok  %s: a busy server keeps its GPU", m.name)

	if err := kill(m.server.Name); err != nil {
		return err
	}
	release()
	if err := c.until(s, modelserver.Failed); err != nil {
		return err
	}
	release, took, err = c.use(s, m)
	if err != nil {
		return err
	}
	say("ok  %s: after SIGKILL it answers again in %.1f s", m.name, took.Seconds())

	release()
	began := time.Now()
	training, err := c.train(time.Minute)
	if training == nil {
		return errors.Join(err, errors.New("training did not get the GPU of an idle server"))
	}
	say("ok  %s: training got the GPU of the idle server in %.1f s", m.name, time.Since(began).Seconds())
	training()
	return c.idles(m)
}

// idles checks that an idle server stops.
func (c check) idles(m model) error {
	m.server.Scaledown = time.Second
	s, err := c.open(m)
	if err != nil {
		return err
	}
	defer s.Close()
	release, _, err := c.use(s, m)
	if err != nil {
		return err
	}
	release()
	began := time.Now()
	if err := c.until(s, modelserver.Stopped); err != nil {
		return err
	}
	say("ok  %s: idle for %s, it has stopped after %.1f s", m.name, m.server.Scaledown, time.Since(began).Seconds())
	return nil
}

// train takes the GPU as training does; nil = not within patience.
func (c check) train(patience time.Duration) (release func(), err error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	_, release, err = c.table.Take(ctx, lease.Ask{N: 1, Who: "gpu-check"})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil
	}
	return release, err
}

// kill ends the processes of a server.
func kill(server string) error {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return err
	}
	killed := 0
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // of a process
		if err != nil || !slices.Contains(strings.Split(string(text), "\x00"), marker+"="+server) {
			continue // it has ended, or is of another user
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	if killed == 0 {
		return errors.New("the process of the server was not found")
	}
	return nil
}

// fails checks starts that must fail, and say why.
func (c check) fails(m model) error {
	hung, taken, liar, lost := m, m, m, m
	hung.server.Command, hung.server.BootTimeout = []string{"sleep", "60"}, 2*time.Second
	liar.endpoint.Models = []string{"another/model"}
	lost.server.Ready += "/wrong"
	lost.server.BootTimeout = 30 * time.Second
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it resolves no name
	if err != nil {
		return err
	}
	defer l.Close()
	taken.server.Ready = "http://" + l.Addr().String() + "/health"
	for _, f := range []struct {
		what  string
		m     model
		class fault.Class
	}{
		{"a boot that does not end", hung, fault.Transport},
		{"a port that is taken", taken, fault.Input},
		{"a server of another model", liar, fault.Input},
		{"a readiness URL that answers 404", lost, fault.Input},
	} {
		s, err := c.open(f.m)
		if err != nil {
			return err
		}
		release, _, err := c.use(s, f.m)
		closed := s.Close()
		if release != nil {
			return fmt.Errorf("%s: it was used", f.what)
		}
		if fault.ClassOf(err) != f.class || closed != nil {
			return errors.Join(fmt.Errorf("%s: %w", f.what, err), closed)
		}
		say("ok  %s: %.150s", f.what, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	return nil
}
