// Package bounds limits the size of start inputs and signals, because Temporal repeats
// them in histories and takes 2 MiB in one payload. It knows sizes, not meaning.
package bounds

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// In bytes.
const (
	name    = 255          // of any name; most names have a stricter rule of their own
	uri     = video.MaxURI // a path, a URL or an object
	query   = 4096         // a sentence, not a document
	rows    = 1 << 20      // rows or examples as they are written; they have an exact limit of their own
	program = 512 << 10    // a program, or a metric, which may hold one
	runs    = 1 << 20      // the overrides of each run of a sweep
	state   = 2 << 20      // what cogflow itself hands on, within one payload of the server
	entries = 256          // of a list
)

// Check returns an input fault that names the first field of a start input that is too
// long. A field without an entry here has the limit of a name.
func Check(input []byte) error {
	err := strictjson.Bounds{
		Text: name, List: entries,
		Texts: map[string]int{
			"uri": uri, "source": uri, "dataset.uri": uri, "eval_dataset.uri": uri,
			"program.uri": uri, "metric.uri": uri, "trainset.uri": uri, "valset.uri": uri, "testset.uri": uri,
			"query":                       query,
			"prompt":                      query,
			"sft_config.output_dir":       uri, // Cogniverse's, which mean nothing here
			"dpo_config.output_dir":       uri,
			"embedding_config.output_dir": uri,
		},
		Parts: map[string]int{
			"dataset.rows": rows, "eval_dataset.rows": rows, "trainset": rows, "valset": rows, "testset": rows,
			"program": program, "metric": program,
			"sft_config.chat_template_kwargs": training.MaxTemplateBytes, "dpo_config.chat_template_kwargs": training.MaxTemplateBytes,
			"train": runs, "grid": runs, "runs": runs,
			"resume": state, "library": state,
		},
	}.Check(input)
	if place, ok := errors.AsType[*strictjson.Error](err); ok {
		return fault.New(fault.Input, "read input", place.Place, place.Reason)
	}
	return err
}
