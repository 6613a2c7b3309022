// Servers checks model servers on demand with the GPU of this machine, in less than four minutes: a
// real `transformers serve` and the embedder, with tiny models that it makes. It is a part of
// `make gpu-check`; with --cpu it does the same steps on a machine without a GPU.
// go run ./deploy/gpucheck/servers --python trainer/.venv/bin/python
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/workers/gpus"
)

func main() {
	if code, asked := modelserver.Keep(os.Args[1:]); asked {
		os.Exit(code)
	}
	python := flag.String("python", "python3", "interpreter with torch, transformers and the packages of the embedder")
	cpu := flag.Bool("cpu", false, "without a GPU: its leases are those of a device that does not exist")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	if err := run(ctx, *python, *cpu); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		cancel()
		os.Exit(1) //nolint:gocritic // cancel is called
	}
}

func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) }

func run(ctx context.Context, python string, cpu bool) error {
	python, err := filepath.Abs(python)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gpu-check-servers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	table, class, closeGPUs, err := devices(ctx, cpu)
	if err != nil {
		return err
	}
	defer closeGPUs()
	c := check{ctx: ctx, dir: dir, table: table, class: class}
	describer, embedder, err := models(ctx, python, dir)
	if err != nil {
		return err
	}
	device := "cuda"
	if cpu {
		device = "cpu"
	}
	for _, m := range []model{transformers(python, describer, device), vectors(python, embedder)} {
		if err := c.lives(m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return c.fails(vectors(python, embedder))
}

// devices are the leases of one GPU of this machine.
func devices(ctx context.Context, cpu bool) (table *lease.Table, class string, done func(), err error) {
	if cpu {
		say("--  without a GPU: leases are of a device that does not exist, and the models run on the CPU")
		return lease.New([]string{fmt.Sprintf("gpu-check-%d", os.Getpid())}), "l4", func() {}, nil
	}
	if class, err = gpus.Class(ctx, "auto", gpus.Open); err != nil {
		return nil, "", nil, err
	}
	if class == "cpu" {
		return nil, "", nil, errors.New("this machine has no GPU, so nothing was checked; --cpu does the same steps without one")
	}
	all := gpus.New(ctx, gpus.Options{Class: class, Open: gpus.Open})
	table, err = all.Table()
	return table, class, func() { _ = all.Close() }, err
}

// models makes tiny models with random weights.
func models(ctx context.Context, python, dir string) (describer, embedder string, err error) {
	describer, embedder = filepath.Join(dir, "vlm"), filepath.Join(dir, "embedder")
	for _, args := range [][]string{
		{"embedder/tests/tiny_vlm.py", describer},
		{"-c", "import sys; from conftest import build; build(sys.argv[1])", embedder},
	} {
		cmd := exec.CommandContext(ctx, python, args...)
		cmd.Env = append(os.Environ(), "PYTHONPATH=embedder/src:embedder/tests", "PYTHONDONTWRITEBYTECODE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("make a model: %w\n%s", err, out)
		}
	}
	return describer, embedder, nil
}

// model is a model server with one request that shows that it works.
type model struct {
	name, path, request, answer string
	server                      ownserver.Server
	endpoint                    config.Endpoint
}

func transformers(python, folder, device string) model {
	m := model{
		name: "transformers serve", path: "/v1/chat/completions", answer: `"content"`,
		request: fmt.Sprintf(`{"model": %q, "max_tokens": 4, "messages": [{"role": "user", "content": [{"type": "text", "text": "a tram"}, {"type": "image_url", "image_url": {"url": %q}}]}]}`,
			folder, picture()),
		server:   ownserver.Server{Name: "vlm", Unlisted: true}, // it lists a cache of downloads
		endpoint: config.Endpoint{Name: "vlm", Kind: config.OpenAI, Models: []string{folder}, OwnServer: "vlm"},
	}
	return m.at(filepath.Join(filepath.Dir(python), "transformers"), "serve", "--device", device, folder)
}

func vectors(python, folder string) model {
	m := model{
		name: "embedder", path: "/pooling", answer: `"data"`, request: `{"model": "tiny", "task": "token_embed", "input": "a red tram"}`,
		server:   ownserver.Server{Name: "vectors"},
		endpoint: config.Endpoint{Name: "vectors", Kind: config.Pooling, Models: []string{"tiny"}, OwnServer: "vectors"},
	}
	return m.at(python, "-m", "embedder", "--model", folder, "--revision", "1", "--merged", "--name", "tiny")
}
