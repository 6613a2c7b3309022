package vlm

import (
	"cmp"
	"context"
	"encoding/base64"
	"strings"
	"sync"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/internal/picture"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Cogniverse describes frames with Cogniverse's own VLM service, one or several frames per
// call. The service reports failures with status 200, and in a batch the error of a frame
// is in place of its description. Both become faults here.
type Cogniverse struct {
	options       Options
	single, batch string
	client        *answer.Client
	limit         *limit.Limit

	mu     sync.Mutex
	queues map[tenant.ID]*queue // batches that are being filled
	ready  [][]*waiting         // batches that wait for the endpoint
	flying int                  // batches at the endpoint
}

// The names of the endpoints. Deployments have them in the host name, with
// hyphens, or as paths.
const (
	singleName = "generate_description"
	batchName  = "upload_and_process_frames"
)

// NewCogniverse makes a Cogniverse. The URL is that of generate_description, as
// Cogniverse's vlm_endpoint_url is, or the base of both endpoints.
func NewCogniverse(o Options) *Cogniverse {
	d := &Cogniverse{options: o, client: o.client(), limit: o.limit(), queues: map[tenant.ID]*queue{}}
	url := strings.TrimSuffix(o.URL, "/")
	hyphened := strings.NewReplacer("_", "-")
	switch {
	case strings.Contains(url, hyphened.Replace(singleName)):
		d.single = url
		d.batch = strings.Replace(url, hyphened.Replace(singleName), hyphened.Replace(batchName), 1)
	case strings.Contains(url, singleName):
		d.single, d.batch = url, strings.Replace(url, singleName, batchName, 1)
	default:
		d.single, d.batch = url+"/"+singleName, url+"/"+batchName
	}
	return d
}

// Limit is the number of concurrent frames of the service, as far as it is known. With
// batches it is the number of concurrent batches times their size.
func (d *Cogniverse) Limit(string) int { return d.limit.Limit() * max(d.options.Batch, 1) }

// Describe writes the caption of one frame. A prompt of the profile is sent
// to the single endpoint, because the batch endpoint has no prompt.
func (d *Cogniverse) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	if err := r.OnePicture("Cogniverse's VLM service"); err != nil {
		return video.Caption{}, money.NeverSent(err)
	}
	jpeg, err := picture.Fit(r.JPEG, cmp.Or(r.Stage.MaxPixels, video.DescribeMaxPixels))
	if err != nil {
		return video.Caption{}, money.NeverSent(err)
	}
	if r.Stage.Structured {
		return video.Caption{}, money.NeverSent(fault.New(fault.Input, op, r.Stage.Model,
			"Cogniverse's VLM service does not support structured answers; unset describe.structured, or use an OpenAI endpoint"))
	}
	var text string
	if d.options.Batch > 1 && r.Stage.Prompt == "" {
		text, err = d.enqueue(ctx, r.Tenant, jpeg)
	} else {
		text, err = answer.Measure(d.limit, func() (string, error) { return d.one(ctx, jpeg, r.Stage.Prompt) })
	}
	if err != nil {
		return video.Caption{}, named(answer.About(op, r.Stage.Model, err))
	}
	if text, err = checkText(d.client.Redactor(), r.Stage.Model, text); err != nil {
		return video.Caption{}, money.ChargeUnknown(err) // the service has processed the frame
	}
	return caption(r.Stage, text), nil
}

func (d *Cogniverse) one(ctx context.Context, jpeg []byte, prompt string) (string, error) {
	request := map[string]string{"frame_base64": base64.StdEncoding.EncodeToString(jpeg), "prompt": cmp.Or(prompt, video.DescribePrompt)}
	var out struct {
		Description *string `json:"description"`
	}
	if err := d.client.Post(ctx, d.single, request, &out); err != nil {
		return "", err
	}
	if out.Description == nil {
		return "", money.ChargeUnknown(unusable(fault.Transport, outcome.Unreadable, "", "the answer has no description", ""))
	}
	return *out.Description, nil
}

// Check tests whether the service responds. It has no list of models, and a description
// would cost a call, so nothing else is tested.
func (d *Cogniverse) Check(ctx context.Context, _ []string) error {
	var out map[string]any
	err := d.client.Get(ctx, d.single, &out)
	if class := fault.ClassOf(err); class == fault.Input || class == fault.Transport && strings.Contains(err.Error(), "status 405") {
		return nil // the endpoint exists and requires POST
	}
	return err
}
