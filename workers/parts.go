package main

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
)

// part is a dependency that a worker opens only if one of its pools uses it. The object
// store is not a part, because every pool uses it.
type part int

const (
	partLedger       part = iota // the ledger of paid calls
	partIndex                    // the search index
	partScratch                  // a directory for temporary files
	partMedia                    // ffmpeg in its sandbox, and the sources of videos
	partPreview                  // the built-in describer; profiles contain its revision
	partDescribers               // servers that describe frames, with their keys
	partEmbedders                // embedding servers, with their keys
	partTranscribers             // transcription servers, with their keys
	partLMs                      // language models that optimize prompts, with their keys
	partServing                  // servers that load adapters, with their keys
	partTrainer                  // the training process and the GPUs of this host
)

// parts are the dependencies that the pools of a worker use.
type parts []part

func partsOf(pools []pool) (out parts) {
	for _, p := range pools {
		out = append(out, p.needs...)
	}
	return out
}

func (p parts) have(one part) bool { return slices.Contains(p, one) }

// askedBy returns the part to which an endpoint of a kind belongs.
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

// missingKey is the error of a worker without the key of an endpoint that its pools call.
func missingKey(what, name, variable string) error {
	return fault.New(fault.Auth, "read the key of "+what, name, "the variable "+variable+
		" is not set in the environment of this worker; set it, or serve the pool that requires it by another worker (--pools)")
}

// unusable is the error of a path in the configuration that cannot be used. Temporary
// conditions, such as a full disk, have the class capacity.
func unusable(op, path, setting string, err error) error {
	class := fault.Input
	if diskClass, _ := fault.DiskClass(err); diskClass == fault.Capacity && !errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) {
		class = fault.Capacity
	}
	return &fault.Error{
		Class: class, Op: op, Subject: path,
		Reason: "the path cannot be used; correct it in " + setting + ", or make it writable for this user", Err: err,
	}
}
