package ondemand

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	checkOp      = "check model server"
	checkTimeout = 20 * time.Second
)

// check makes the check of a server that says that it is ready: each of its endpoints has a model
// that the server lists. Another program at the port, or a server of another model, would
// answer calls wrongly or not at all. Some servers list something else, such as the models that
// were downloaded: nothing is checked then.
func (o Options) check(s ownserver.Server) func(ctx context.Context) error {
	if s.Unlisted {
		return nil
	}
	var all []func(ctx context.Context) error
	for _, e := range o.Config.Endpoints {
		if url := modelsURL(e); e.OwnServer == s.Name && url != "" {
			key := ""
			if e.KeyVariable != "" {
				key = o.Getenv(e.KeyVariable)
			}
			c := answer.New(answer.Options{Op: checkOp, Key: key, KeyVariable: e.KeyVariable, Timeout: checkTimeout, Connections: 1, Redactor: o.Redactor})
			all = append(all, func(ctx context.Context) error { return checkEndpoint(ctx, c, s.Name, e, url) })
		}
	}
	return inOrder(all...)
}

// modelsURL is where the server of an endpoint lists its models; "" = its kind has no list.
func modelsURL(e config.Endpoint) string {
	switch e.Kind {
	case config.CogniverseVLM:
		return ""
	case config.Pooling:
		return e.URL + "/v1/models"
	case config.OpenAI, config.Embeddings, config.Transcriptions:
	}
	return e.URL + "/models"
}

func checkEndpoint(ctx context.Context, c *answer.Client, name string, e config.Endpoint, url string) error {
	served, err := c.Models(ctx, url, http.Header(nil))
	switch class := fault.ClassOf(err); {
	case err == nil:
	case ctx.Err() != nil || class == fault.Transport || class == fault.Overload:
		return fault.Wrap(fault.Transport, checkOp, name, err) // it is not ready yet
	case class == fault.Auth:
		return err
	default:
		return &fault.Error{
			Class: fault.Input, Op: checkOp, Subject: name, Err: err,
			Reason: "its list of models cannot be read; correct the url of the endpoint " + e.Name + ", or the command if it starts another program",
		}
	}
	if !slices.ContainsFunc(e.Models, func(model string) bool {
		return slices.Contains(served, model) || slices.Contains(served, model+latest)
	}) {
		return fault.New(fault.Input, checkOp, name, "it serves "+safetext.Line(listed(served), safetext.MaxReason)+" and none of the models of the endpoint "+e.Name+
			", which are "+listed(e.Models)+"; correct the model in the command, or the models of the endpoint")
	}
	return nil
}

// latest is what Ollama adds to the name of a model without a tag.
const latest = ":latest"

func listed(models []string) string {
	if len(models) == 0 {
		return "no model"
	}
	return strings.Join(models, ", ")
}
