package preview

import (
	"context"
	"image"
	"runtime"
	"strings"

	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/video"
)

// Describer writes captions with classical computer vision: on-screen text,
// colours, light, texture and composition. It does not recognize objects or
// people. Make one with NewDescriber.
type Describer struct {
	reader *reader // nil: no tesseract, no text
}

// Options say how a Describer reads text. The zero value is a good default.
type Options struct {
	// Tesseract is the program that reads text. Empty: the one on the PATH if
	// there is one. NoTesseract: text is not read.
	Tesseract string
	// Languages are tesseract's, joined by '+'. Empty: "eng".
	Languages string
	// Sandbox runs tesseract. nil: the Describer makes its own, which requires bubblewrap.
	Sandbox *sandbox.Sandbox
}

// NoTesseract makes a Describer that does not look for text.
const NoTesseract = "none"

// NewDescriber finds tesseract and checks that it works. It is not an error when
// none is installed, only when o names a program that cannot be used.
func NewDescriber(ctx context.Context, o Options) (*Describer, error) {
	r, err := findReader(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Describer{reader: r}, nil
}

// Revision identifies everything that determines the captions, including tesseract and
// its languages. A new revision means a new fingerprint.
func (d *Describer) Revision() string {
	if d.reader == nil {
		return lookRevision + "-notext"
	}
	return lookRevision + "-" + d.reader.revision
}

// ReadsText reports whether captions contain text that tesseract read.
func (d *Describer) ReadsText() bool { return d.reader != nil }

// Limit allows one call per processor: the work is local and CPU-bound.
func (d *Describer) Limit(string) int { return runtime.NumCPU() }

// Describe writes the caption of one frame. The prompt is ignored.
func (d *Describer) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	if err := checkModel("describe frame", r.Stage.Model, DescriberModel); err != nil {
		return video.Caption{}, err
	}
	if err := r.OnePicture("the built-in preview describer"); err != nil {
		return video.Caption{}, err
	}
	if err := ctx.Err(); err != nil {
		return video.Caption{}, err
	}
	img, err := decode(r.JPEG)
	if err != nil {
		return video.Caption{}, err
	}
	g := shrink(img)
	text := ""
	if d.reader != nil {
		if text, err = d.reader.read(ctx, img); err != nil {
			return video.Caption{}, err
		}
	}
	return video.Caption{
		Text:         sentence(img.Bounds(), g, text),
		OnScreenText: text,
		Model:        DescriberModel,
		Revision:     d.Revision(),
		Preview:      true,
	}, nil
}

func sentence(b image.Rectangle, g grid, text string) string {
	parts := []string{palette(g), light(g), texture(g), composition(g)}
	if h := horizon(g); h != "" {
		parts = append(parts, h)
	}
	look := strings.Join(append(parts, shape(b.Dx(), b.Dy())), "; ") + "."
	if text == "" {
		return look
	}
	return "On-screen text: “" + text + "”. " + look
}
