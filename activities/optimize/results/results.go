// Package results keeps the results of finished optimizations. A job has one for each name that its
// program was published under.
package results

import (
	"context"
	"encoding/json"

	"github.com/cogniverse/cogflow/activities"
)

// first is the only result that former builds know: of the name that was published first.
func first(prefix string) string { return prefix + "result.json" }

func named(prefix, program string) string { return prefix + "results/" + program + ".json" }

// program is the name of the program of a result.
func program(result json.RawMessage) string {
	var r struct {
		Program string `json:"program"`
	}
	_ = json.Unmarshal(result, &r) // a result without a name has another name than any
	return r.Program
}

// Read returns the result of a job for a program name; an empty name takes the first result. nil = the
// program was not published yet. prefix is the folder of the job.
func Read(ctx context.Context, s activities.Store, prefix, name string) (json.RawMessage, error) {
	done, err := load(ctx, s, first(prefix))
	if err != nil || name == "" || program(done) == name {
		return done, err
	}
	return load(ctx, s, named(prefix, name))
}

// load returns a stored result; nil = there is none.
func load(ctx context.Context, s activities.Store, key string) (result json.RawMessage, err error) {
	err = activities.ReadJSON(ctx, s, key, &result)
	if activities.Absent(err) {
		return nil, nil
	}
	return result, err
}

// Write stores the result of a job under the name of its program.
func Write(ctx context.Context, s activities.Store, prefix string, result json.RawMessage) error {
	there, err := load(ctx, s, first(prefix))
	if err != nil {
		return err
	}
	key, name := first(prefix), program(result)
	if there != nil && program(there) != name {
		key = named(prefix, name)
	}
	return activities.WriteManifest(ctx, s, key, result)
}
