package mcp

import (
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// tool is what an agent is told about a route.
type tool struct {
	name, route, about string
	idempotent         bool
	suffix             map[string]string // of the values of path parameters
}

func tools() []tool {
	return []tool{
		{name: "search_videos", route: "searchVideos", about: "Find moments in videos by words, by meaning or by an example. Returns hits by video, with times in milliseconds, captions and spoken words."},
		{name: "list_videos", route: "listVideos", about: "List the videos that search can find."},
		{name: "get_video", route: "getVideo", about: "One video: its media, captions and spoken words by time."},
		{
			name: "get_frame", route: "getFrame", about: "The picture of a video at a time that search or get_video has reported.",
			suffix: map[string]string{"frame": ".jpg"},
		},
		{
			name: "start_job", route: "startJob", idempotent: true,
			about: "Start a job. input is the input of its type, for example {\"source\": \"s3://bucket/videos/\"} for ingest. The same input again returns the job that runs.",
		},
		{name: "list_jobs", route: "listJobs", about: "List the jobs of the tenant, running ones first."},
		{name: "job_status", route: "getJob", about: "State, progress and cost of a job."},
		{name: "job_result", route: "getJobResult", about: "Result of a completed job."},
		{name: "pause_job", route: "pauseJob", idempotent: true, about: "Pause a job; resume_job continues it."},
		{name: "resume_job", route: "resumeJob", idempotent: true, about: "Continue a paused job."},
		{name: "stop_job", route: "stopJob", idempotent: true, about: "End training or optimization early, and keep the best so far."},
		{name: "cancel_job", route: "cancelJob", idempotent: true, about: "Cancel a job and everything that it has started."},
		{name: "list_programs", route: "listPrograms", about: "Optimized prompts, with their versions and scores."},
		{name: "list_adapters", route: "listAdapters", about: "Trained adapters, with their versions and metrics."},
	}
}

const (
	inputArgument = "input"           // the document of a request
	keyHeader     = "Idempotency-Key" // the only header that is an argument
	keyArgument   = "idempotency_key"
)

// arguments are the names of the arguments of a route, by parameter. Other headers than the key
// serve clients of HTTP.
func arguments(r api.Route) map[string]api.Param {
	out := map[string]api.Param{}
	for _, p := range r.Query {
		switch {
		case !p.Header:
			out[p.Name] = p
		case p.Name == keyHeader:
			out[keyArgument] = p
		}
	}
	return out
}

// inPath reports whether a parameter is a part of the path.
func inPath(r api.Route, name string) bool { return strings.Contains(r.Path, "{"+name+"}") }

// schema describes the arguments. All parameters are texts; numbers are taken as well.
func (t tool) schema(r api.Route) map[string]any {
	properties, required := map[string]any{}, []string{}
	for name, p := range arguments(r) {
		text := p.Text
		if t.suffix[name] != "" {
			text = strings.TrimSuffix(text, ", and "+t.suffix[name])
		}
		properties[name] = map[string]any{"type": "string", "description": text}
		if p.Required || inPath(r, name) {
			required = append(required, name)
		}
	}
	if r.Request != nil {
		properties[inputArgument] = map[string]any{"type": "object", "description": "input of this job, as in the reference of workflows"}
		required = append(required, inputArgument)
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// described is the tool as the protocol lists it.
func (t offered) described() *mcp.Tool {
	reads, destroys := t.route.Method == http.MethodGet, t.name == "cancel_job"
	return &mcp.Tool{
		Name: t.name, Description: t.about, InputSchema: t.schema,
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: reads, DestructiveHint: &destroys, IdempotentHint: reads || t.idempotent},
	}
}
