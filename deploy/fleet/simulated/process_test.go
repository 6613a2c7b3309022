package simulated

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/trainer/trainertest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/summary"
	"github.com/cogniverse/cogflow/video"
)

// process is a worker in a process of its own: real activities, store and ledger, and simulated GPUs.
type process struct {
	Address, Namespace string
	Dir                string   // the store and the ledger, which all processes share
	Queues             []string // that it serves
	Slots              int      // of each queue
	Step               time.Duration
}

// asProcess is the variable that makes the test binary run as a worker; its value is a process.
const asProcess = "COGFLOW_SIMULATED_WORKER"

// runProcess serves until it is killed.
func runProcess(text string) error {
	var p process
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	ctx := context.Background()
	var c client.Client
	err := persist(func() (err error) {
		c, err = client.DialContext(ctx, client.Options{
			HostPort: p.Address, Namespace: p.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))),
		})
		return err
	})
	if err != nil {
		return err
	}
	named, err := p.activities(ctx, c)
	if err != nil {
		return err
	}
	fatal := make(chan error)
	for _, queue := range p.Queues {
		err := persist(func() error {
			_, err := startWorker(c, queue, p.Slots, named, func(err error) { fatal <- err })
			return err
		})
		if err != nil {
			return err
		}
	}
	return <-fatal
}

func (p process) activities(ctx context.Context, c client.Client) (map[string]any, error) {
	store, err := blob.Open(ctx, "file://"+filepath.Join(p.Dir, "store"))
	if err != nil {
		return nil, err
	}
	booked, err := ledger.Open(p.ledger())
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(p.Dir, "scratch-")
	if err != nil {
		return nil, err
	}
	steps, err := os.OpenFile(p.steps(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	prices := estimate.Prices{}
	for _, class := range video.GPUClasses() {
		prices[class] = 36 // USD an hour: a cent a second
	}
	t := &train.Activities{
		Store: store, Ledger: booked, Models: trainertest.OneModel{}, Trainer: simulatedTrainer{p.Step, steps}, GPUs: trainertest.FreeGPUs{}, Runs: runs{c},
		Prices: prices, Scratch: scratch, Kept: filepath.Join(scratch, "kept"), SaveEvery: 300, Version: "simulated",
		Reports: train.Reports{Train: func(w io.Writer, r summary.Run) error { return json.NewEncoder(w).Encode(r.Status) }},
	}
	spend := &ingest.Activities{Ledger: booked}
	return map[string]any{
		"PrepareDataset": t.PrepareDataset, "PlanTraining": t.PlanTraining, "ClaimJob": t.ClaimJob, "RunTraining": t.RunTraining,
		"PublishAdapter": t.PublishAdapter, "WriteTrainReport": t.WriteTrainReport, "ReleaseJob": t.ReleaseJob, "Spend": spend.Spend,
	}, nil
}

func (p process) ledger() string { return filepath.Join(p.Dir, "ledger.db") }

func (p process) log() string { return filepath.Join(p.Dir, "worker.log") }

// steps is the file with a line for each step that a simulated GPU computed.
func (p process) steps() string { return filepath.Join(p.Dir, "steps") }

// runs says which runs are open, from the server.
type runs struct{ client client.Client }

func (r runs) Running(ctx context.Context, id, run string) (bool, error) {
	d, err := r.client.DescribeWorkflow(ctx, id, run)
	return err == nil && d.Status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING, err
}

func (r runs) ChainRunning(ctx context.Context, id, run string) (bool, error) {
	return r.Running(ctx, id, run)
}

func (runs) VideoTenant(context.Context, string, string) (tenant.ID, error) {
	return "", errors.New("there are no videos")
}

func (r runs) Signal(ctx context.Context, id, run, name string, in any) error {
	return r.client.SignalWorkflow(ctx, id, run, name, in)
}
