package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	readTimeout = 60 * time.Second // for one frame, which usually takes 0.1 to 1 s
	readMemory  = 2 << 30          // bytes; usually 100 MB are needed
	maxOutput   = 4 << 20          // bytes for one frame
)

// reader reads text with tesseract, one process for each frame.
type reader struct {
	program   string
	languages string
	revision  string // "tesseract-5.3.0-eng"
	sandbox   *sandbox.Sandbox
	slots     chan struct{} // each process uses one core; more processes than cores only slow each other down
}

var versionLine = regexp.MustCompile(`^tesseract v?([0-9][0-9A-Za-z.\-]*)`)

func findReader(ctx context.Context, o Options) (*reader, error) {
	const op = "look for tesseract"
	name := o.Tesseract
	switch name {
	case NoTesseract:
		return nil, nil //nolint:nilnil // nil = text is not read
	case "":
		name = "tesseract"
	}
	program, err := exec.LookPath(name)
	if err != nil {
		if o.Tesseract == "" && errors.Is(err, exec.ErrNotFound) {
			return nil, nil //nolint:nilnil // not installed, and not required
		}
		return nil, &fault.Error{Class: fault.Input, Op: op, Subject: name, Reason: "install it, correct its path, or set it to \"none\"", Err: err}
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil, fault.Wrap(fault.Input, op, name, err)
	}
	r := &reader{program: program, languages: o.Languages, sandbox: o.Sandbox, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	if r.sandbox == nil {
		if r.sandbox, err = sandbox.New(ctx, sandbox.Config{}); err != nil {
			return nil, err
		}
	}
	if r.languages == "" {
		r.languages = "eng"
	}
	version, err := r.run(ctx, nil, "--version")
	if err != nil {
		return nil, err
	}
	match := versionLine.FindSubmatch(version)
	if match == nil {
		return nil, fault.New(fault.Input, op, program, "the output of --version is not that of tesseract; correct the path")
	}
	r.revision = "tesseract-" + string(match[1]) + "-" + r.languages
	// An empty page shows that the language data is installed, before the first frame needs it.
	if _, err := r.recognize(ctx, plane{w: 32, h: 32, pix: make([]byte, 32*32)}, "tessedit_do_invert=0"); err != nil {
		return nil, &fault.Error{Class: fault.Input, Op: op, Subject: program, Reason: "it failed on an empty test page; install the language data, for example tesseract-ocr-eng", Err: err}
	}
	return r, nil
}

// read returns the text in a frame, or "". It makes two passes: one for white letters on
// any background, as in most overlays, and one for all others on an even background.
func (r *reader) read(ctx context.Context, img image.RGBA64Image) (string, error) {
	var found [2][]line
	for i, pass := range []struct {
		plane
		invert string
	}{
		{whiteness(img), "tessedit_do_invert=0"}, // the letters are black already; without inversion, noise takes half the time
		{luma(img), "tessedit_do_invert=1"},
	} {
		if !pass.mayHoldText() {
			continue
		}
		var err error
		if found[i], err = r.recognize(ctx, pass.plane, pass.invert); err != nil {
			return "", err
		}
	}
	return merge(found[0], found[1]), nil
}

func (r *reader) recognize(ctx context.Context, p plane, option string) ([]line, error) {
	p = p.halved()
	if p.w < smallWidth {
		p = p.doubled()
	}
	// Mode 11 finds lines anywhere, in no order; the other modes expect a page.
	out, err := r.run(ctx, p.pgm(), "stdin", "stdout", "-l", r.languages, "--dpi", "150", "--psm", "11", "-c", option, "tsv")
	if err != nil {
		return nil, err
	}
	return parseTSV(out, p), nil
}

// run runs tesseract in the sandbox: what it reads came from an untrusted video.
func (r *reader) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out, err := r.sandbox.Run(ctx, sandbox.Command{
		Path: r.program, Args: args, Stdin: bytes.NewReader(stdin), Env: []string{"OMP_THREAD_LIMIT=1", "LC_ALL=C.UTF-8"},
		Limits: sandbox.Limits{Wall: readTimeout, CPU: readTimeout, Memory: readMemory, Total: readMemory, Files: 64, Processes: 64},
	}, maxOutput)
	exit, exited := errors.AsType[*sandbox.ExitError](err)
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, sandbox.ErrWall):
		return nil, fault.New(fault.Transport, "read text", "", fmt.Sprintf("tesseract took longer than %s", readTimeout))
	case errors.Is(err, sandbox.ErrOutput):
		return nil, fault.New(fault.Input, "read text", "", "tesseract wrote more than 4 MiB for one frame")
	case errors.Is(err, sandbox.ErrMemory):
		return nil, fault.New(fault.Input, "read text", "", "tesseract exceeded its memory limit of 2 GiB on one frame")
	case exited:
		return nil, &fault.Error{
			Class: fault.Transport, Op: "read text", Subject: r.program,
			Reason: safetext.Line(exit.Stderr, safetext.MaxReason), Err: errors.New(exit.Status),
		}
	}
	return nil, fault.Wrap(fault.Transport, "read text", r.program, err)
}
