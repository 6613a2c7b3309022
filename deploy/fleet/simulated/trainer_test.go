package simulated

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cogniverse/cogflow/internal/trainer/trainertest"
	"github.com/cogniverse/cogflow/training"
)

// simulatedSteps of every job, and after how many steps there is a checkpoint.
const (
	simulatedSteps = 12
	saveEvery      = 4
)

// weights are what a job has after some steps: each step is a hash of the one before, so a step that is lost,
// repeated or of another job changes the result.
func weights(job string, steps int) (state string) {
	for step := range steps {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d", state, job, step))
		state = hex.EncodeToString(sum[:])
	}
	return state
}

// simulatedTrainer is a GPU that takes a time for each step.
type simulatedTrainer struct {
	step time.Duration
	log  *os.File // a line for each step of any process
}

// Run satisfies the port of the training activities.
func (g simulatedTrainer) Run(ctx context.Context, job training.Job, _ string, _ io.Writer, stop <-chan struct{}, on func(training.Event) error) error {
	at := &simulatedState{attempt: trainertest.Attempt{Job: job, On: on}}
	if err := at.begin(); err != nil {
		return err
	}
	clock := time.NewTicker(g.step)
	defer clock.Stop()
	for !job.Finish && at.Step < simulatedSteps {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-stop:
			if err := at.attempt.Save(at.Step, at.State, at); err != nil {
				return err
			}
			return training.ErrStopped
		case <-clock.C:
		}
		if _, err := fmt.Fprintln(g.log, job.Job, at.Step); err != nil {
			return err
		}
		if err := at.advance(); err != nil {
			return err
		}
	}
	return at.attempt.Finish(at.Step, at.State, trainertest.BetterLoss)
}

type simulatedState struct {
	attempt trainertest.Attempt
	Step    int
	State   string
}

func (s *simulatedState) begin() error {
	if err := s.attempt.On(training.Event{Event: training.EventDevice, Device: "simulated", Versions: map[string]string{"simulated": "1"}}); err != nil {
		return err
	}
	if resumed, err := s.attempt.Resume(s); resumed {
		return err
	}
	return s.attempt.Evaluate(training.OfBase, 0, trainertest.BaseLoss)
}

func (s *simulatedState) advance() error {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d", s.State, s.attempt.Job.Job, s.Step))
	s.State = hex.EncodeToString(sum[:])
	s.Step++
	err := s.attempt.Stepped(s.Step, simulatedSteps)
	if err == nil && s.Step%saveEvery == 0 && s.Step < simulatedSteps {
		err = s.attempt.Save(s.Step, s.State, s)
	}
	return err
}
