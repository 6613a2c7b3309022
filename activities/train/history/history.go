// Package history reads and writes the events of a training job as they are kept with its
// checkpoints and its result: one JSON object a line.
package history

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/checkpoints"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Of reads the events of a job: those of its result, or of its newest checkpoint where that is
// further. A job that was stopped and then continued has both. None = nothing is stored yet.
func Of(ctx context.Context, s activities.Store, t tenant.ID, job string) ([]training.Event, error) {
	var out training.Output
	prefix := training.OutputPrefix(t, job)
	err := activities.ReadJSON(ctx, s, prefix+training.ManifestName, &out)
	ended := err == nil
	if err != nil && !activities.Absent(err) {
		return nil, err
	}
	whole, _, err := checkpoints.List(ctx, s, t, job)
	if err != nil {
		return nil, err
	}
	for _, at := range whole {
		var m training.StoredCheckpoint
		if err := activities.ReadJSON(ctx, s, at+training.ManifestName, &m); activities.Absent(err) {
			continue // it was pruned just now
		} else if err != nil {
			return nil, err
		}
		if ended && out.Outcome.Steps >= m.Step {
			break
		}
		return Read(ctx, s, at+m.Token+"/"+training.EventsName)
	}
	if !ended {
		return nil, nil
	}
	return Read(ctx, s, prefix+out.Token+"/"+training.EventsName)
}

// Read reads a file of events.
func Read(ctx context.Context, s activities.Store, key string) ([]training.Event, error) {
	data, err := activities.ReadAll(ctx, s, key)
	if err != nil {
		return nil, err
	}
	return Decode(key, data)
}

// Decode reads events that an error calls by a name.
func Decode(name string, data []byte) ([]training.Event, error) {
	var out []training.Event
	for line := range bytes.Lines(data) {
		var e training.Event
		err := json.Unmarshal(line, &e)
		if err == nil {
			err = e.Check()
		}
		if err != nil {
			return nil, fault.Wrap(fault.Input, "read events", name, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// Write stores events and describes their file.
func Write(ctx context.Context, s activities.Store, key string, events []training.Event) (training.CheckpointFile, error) {
	lines, err := Encode(events)
	if err != nil {
		return training.CheckpointFile{}, err
	}
	info, err := s.Put(ctx, key, bytes.NewReader(lines))
	return training.CheckpointFile{Name: training.EventsName, Size: info.Size, SHA256: info.SHA256}, err
}

// Encode writes events, one a line.
func Encode(events []training.Event) ([]byte, error) {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, e := range events {
		if err := encoder.Encode(e); err != nil {
			return nil, err
		}
	}
	return lines.Bytes(), nil
}
