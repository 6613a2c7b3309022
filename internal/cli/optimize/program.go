package optimize

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/saved"
	"github.com/cogniverse/cogflow/prompt/yaml"
)

// readProgram reads and checks a local program: a program file, or a file that DSPy saved. It
// returns nil if a worker reads the program.
func (a app) readProgram(o *options) (*prompt.Program, error) {
	if transfer.Remote(o.program) {
		if o.signature != "" {
			return nil, cli.Usage("--signature requires a local file as --program")
		}
		var err error
		o.in.Program, err = at(o.program)
		return nil, err
	}
	if info, err := os.Stat(o.program); err == nil && info.IsDir() {
		return nil, saved.FolderError(o.program)
	}
	text, err := readLimited("program", o.program, prompt.MaxProgramBytes)
	if err != nil {
		return nil, err
	}
	if err := saved.CheckPickle(o.program, text); err != nil {
		return nil, err
	}
	if saved.Is(text) {
		return a.readSaved(o, text)
	}
	if o.signature != "" {
		return nil, cli.Usage("--signature is for a program that DSPy saved; %s is a program file", o.program)
	}
	program, err := programFile(o.program, text)
	if err != nil {
		return nil, err
	}
	o.in.Program = program.text
	return program.Program, nil
}

// parsedProgram is a program with its file as JSON.
type parsedProgram struct {
	*prompt.Program
	text json.RawMessage
}

// programFile reads a program file in JSON or YAML.
func programFile(name string, text []byte) (parsedProgram, error) {
	text, err := yaml.JSON(text, reflect.TypeFor[prompt.Program]())
	if err != nil {
		return parsedProgram{}, fault.Wrap(fault.Input, "read program", name, err)
	}
	program, err := prompt.Read(text)
	if err != nil {
		return parsedProgram{}, fmt.Errorf("%s: %w", name, err)
	}
	return parsedProgram{program, text}, nil
}

// readSaved reads a program that DSPy saved, with the names and types of its fields from
// --signature, or with the names in the file.
func (a app) readSaved(o *options, text []byte) (program *prompt.Program, err error) {
	switch {
	case o.signature != "":
		var said []byte
		if said, err = readLimited("signature", o.signature, prompt.MaxProgramBytes); err != nil {
			return nil, err
		}
		signature, err := programFile(o.signature, said)
		if err != nil {
			return nil, err
		}
		program, err = saved.Load(signature.Program, text)
		if err != nil {
			return nil, err
		}
	case o.in.Name == "":
		return nil, cli.Usage("--name is required: %s was saved by DSPy and holds no name", o.program)
	default:
		if program, err = saved.Named(o.in.Name, text); err != nil {
			return nil, err
		}
		a.Note("The names of the fields are from %s; every field is text. For other types, use --signature.", o.program)
	}
	o.in.Program, err = json.Marshal(program)
	o.converted = true
	return program, err
}

// uploadProgram stores a large program. A program that DSPy saved is stored as a program file.
func (a app) uploadProgram(ctx context.Context, o *options) (uri string, err error) {
	if !o.converted {
		return transfer.Upload(ctx, a.App, o.in.Tenant, o.program)
	}
	file, err := os.CreateTemp("", "program-*.json")
	if err != nil {
		return "", fault.Disk("write program", o.program, err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(o.in.Program)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", fault.Disk("write program", file.Name(), err)
	}
	return transfer.Upload(ctx, a.App, o.in.Tenant, file.Name())
}
