package main

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
)

// part is something that a worker opens only if a pool that it serves uses it.
// The object store is no part: every pool uses it.
type part int

const (
	partLedger       part = iota // of the paid calls
	partIndex                    // the search index
	partScratch                  // a directory for temporary files
	partMedia                    // ffmpeg in its sandbox, and the sources of videos
	partPreview                  // the built-in describer, whose revision is in profiles
	partDescribers               // model servers, with their keys
	partEmbedders                // likewise
	partTranscribers             // likewise
	partLMs                      // language models that optimize prompts, likewise
	partServing                  // servers that load adapters, likewise
	partTrainer                  // the training process and the GPUs of this host
)

// parts are what the pools of a worker use.
type parts []part

func partsOf(pools []pool) (out parts) {
	for _, p := range pools {
		out = append(out, p.needs...)
	}
	return out
}

func (p parts) have(one part) bool { return slices.Contains(p, one) }

// askedBy is the part that an endpoint of a kind belongs to.
func askedBy(k config.Kind) part {
	switch k {
	case config.Transcriptions:
		return partTranscribers
	case config.Pooling, config.Embeddings:
		return partEmbedders
	case config.OpenAI, config.CogniverseVLM:
	}
	return partDescribers
}

// missingKey says that a worker lacks the key of an endpoint that its pools ask.
func missingKey(what, name, variable string) error {
	return fault.New(fault.Auth, "read the key of "+what, name, "the variable "+variable+
		" is not set in the environment of this worker; set it, or serve the pool that needs it from another worker (--pools)")
}

// unusable says that a path of the configuration cannot be used. What may pass by
// itself, such as a full disk, is a matter of capacity.
func unusable(op, path, setting string, err error) error {
	class := fault.Input
	if passing, _ := fault.DiskClass(err); passing == fault.Capacity && !errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) {
		class = fault.Capacity
	}
	return &fault.Error{
		Class: class, Op: op, Subject: path,
		Reason: "the path cannot be used; correct it in " + setting + ", or make it writable for this user", Err: err,
	}
}
