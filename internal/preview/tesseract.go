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
	"github.com/cogniverse/cogflow/safetext"
)

const (
	readTimeout = 60 * time.Second // for one frame; usual are 0.1 to 1 s
	maxOutput   = 4 << 20          // bytes of one answer
)

// reader reads text with tesseract, one process a frame.
type reader struct {
	program   string
	languages string
	revision  string        // "tesseract-5.3.0-eng"
	slots     chan struct{} // a process is one busy core: more of them only get slower together
}

var versionLine = regexp.MustCompile(`^tesseract v?([0-9][0-9A-Za-z.\-]*)`)

func findReader(ctx context.Context, o Options) (*reader, error) {
	const op = "look for tesseract"
	name := o.Tesseract
	switch name {
	case NoTesseract:
		return nil, nil //nolint:nilnil // "no reader" is one of the answers
	case "":
		name = "tesseract"
	}
	program, err := exec.LookPath(name)
	if err != nil {
		if o.Tesseract == "" && errors.Is(err, exec.ErrNotFound) {
			return nil, nil //nolint:nilnil // not installed, and nobody insists
		}
		return nil, &fault.Error{Class: fault.Input, Op: op, Subject: name, Reason: "install it, correct its path, or set it to \"none\"", Err: err}
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil, fault.Wrap(fault.Input, op, name, err)
	}
	r := &reader{program: program, languages: o.Languages, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	if r.languages == "" {
		r.languages = "eng"
	}
	version, err := r.run(ctx, nil, "--version")
	if err != nil {
		return nil, err
	}
	match := versionLine.FindSubmatch(version)
	if match == nil {
		return nil, fault.New(fault.Input, op, program, "it does not say which tesseract it is")
	}
	r.revision = "tesseract-" + string(match[1]) + "-" + r.languages
	// One empty page shows that the languages are there, before the first frame does.
	if _, err := r.recognize(ctx, plane{w: 32, h: 32, pix: make([]byte, 32*32)}, "tessedit_do_invert=0"); err != nil {
		return nil, &fault.Error{Class: fault.Input, Op: op, Subject: program, Reason: "it cannot read; is the language data installed?", Err: err}
	}
	return r, nil
}

// read returns the text in a frame, or "". It looks twice: for white letters,
// which may stand on any ground and are most of what is laid over videos, and
// for all others, which need an even ground.
func (r *reader) read(ctx context.Context, img image.RGBA64Image) (string, error) {
	var found [2][]line
	for i, pass := range []struct {
		plane
		invert string
	}{
		{whiteness(img), "tessedit_do_invert=0"}, // the letters are black: half the time on noise
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
	// Mode 11 looks for lines anywhere, in no order; the others expect a page.
	out, err := r.run(ctx, p.pgm(), "stdin", "stdout", "-l", r.languages, "--dpi", "150", "--psm", "11", "-c", option, "tsv")
	if err != nil {
		return nil, err
	}
	return parseTSV(out, p), nil
}

// run starts tesseract in a process group of its own, with nothing of our
// environment, and leaves no process behind.
func (r *reader) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// The kernel's parent-death signal goes by thread, so this one must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	limited, stop := context.WithTimeout(ctx, readTimeout)
	defer stop()
	cmd := exec.CommandContext(limited, r.program, args...)
	cmd.Env = []string{"OMP_THREAD_LIMIT=1", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = time.Second
	cmd.Stdin = bytes.NewReader(stdin)
	stdout, stderr := &limitedBuffer{limit: maxOutput}, &limitedBuffer{limit: 4 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, fault.New(fault.Transport, "read text", "", fmt.Sprintf("tesseract took longer than %s", readTimeout))
	case stdout.cut:
		return nil, fault.New(fault.Input, "read text", "", "tesseract answered more than 4 MiB for one frame")
	case err != nil:
		return nil, &fault.Error{
			Class: fault.Transport, Op: "read text", Subject: r.program,
			Reason: safetext.Line(stderr.kept.String(), safetext.MaxReason), Err: err,
		}
	}
	return stdout.kept.Bytes(), nil
}

// limitedBuffer keeps the first bytes. Then it fails, which closes the pipe, so
// that an endless answer ends.
type limitedBuffer struct {
	kept  bytes.Buffer // not embedded: its ReadFrom would go round the limit
	limit int
	cut   bool
}

var errTooLong = errors.New("too long")

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	keep := min(len(p), b.limit-b.kept.Len())
	b.kept.Write(p[:keep])
	if keep < len(p) {
		b.cut = true
		return keep, errTooLong
	}
	return keep, nil
}
