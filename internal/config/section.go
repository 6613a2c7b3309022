package config

import (
	"github.com/cogniverse/cogflow/internal/config/alerting"
	"github.com/cogniverse/cogflow/internal/config/drain"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/video"
)

// section is the key "cogflow" of the file. The tags are the reference: the schema,
// docs/reference/configuration.md and `cogflow config schema` are generated from them.
type section struct {
	Store          string                       `json:"store" jsonschema:"URL of the object store: file:///path or s3://bucket/prefix?region=…&endpoint=… (default the folder .cogflow/store)"`
	Index          string                       `json:"index" jsonschema:"SQLite file of the embedded search index; takes precedence over Vespa (default .cogflow/index.db, unless Vespa is configured)"`
	Ledger         string                       `json:"ledger" jsonschema:"ledger of paid calls and reservations: a SQLite file of this host, or postgres://user@host:5432/database for several hosts; without a password (default .cogflow/ledger.db)"`
	Scratch        string                       `json:"scratch" jsonschema:"folder for temporary files (default .cogflow/tmp)"`
	Logs           string                       `json:"logs" jsonschema:"folder for log files, one of bounded size for each worker process, which cogflow logs reads (default none; make up uses .cogflow/logs)"`
	Sources        map[string][]string          `json:"sources" jsonschema:"for each tenant, the folders and the s3:// and https:// prefixes that its jobs may read; with any entry, every tenant is confined to its own (default everything but cogflow's own files, where only its own user can reach the worker)"`
	Profiles       map[string]profile           `json:"profiles" jsonschema:"ingestion profiles by name, on top of a profile of backend.profiles with the same name"`
	ActiveProfile  string                       `json:"active_profile" jsonschema:"profile of jobs that name none (default active_video_profile of Cogniverse's file, else local_preview)"`
	NoSandbox      bool                         `json:"no_sandbox" jsonschema:"decode media and run metric commands and training without a sandbox; for trusted input only"`
	RequireSandbox bool                         `json:"require_sandbox" jsonschema:"no effect; the sandbox is required by default"`
	FFmpeg         string                       `json:"ffmpeg" jsonschema:"path or name of the ffmpeg program (default ffmpeg)"`
	FFprobe        string                       `json:"ffprobe" jsonschema:"path or name of the ffprobe program (default ffprobe)"`
	Tesseract      string                       `json:"tesseract" jsonschema:"path or name of the tesseract program (default tesseract)"`
	Fetch          fetch                        `json:"fetch" jsonschema:"how sources are fetched"`
	Endpoints      map[string]endpoint          `json:"endpoints" jsonschema:"model servers by name"`
	Servers        map[string]ownserver.Section `json:"servers" jsonschema:"model servers that the worker starts when they are needed, by name"`
	SmallModels    string                       `json:"small_models" jsonschema:"URL of a server of the models that make small installs, with /v1; it adds the profile local_small (default none; make up starts one after make small)"`
	Vespa          vespa                        `json:"vespa" jsonschema:"Vespa; overrides Cogniverse's backend section"`
	UI             string                       `json:"ui" jsonschema:"base URL of the Temporal Web UI, used in links (default http://127.0.0.1:8233)"`
	Telemetry      string                       `json:"telemetry" jsonschema:"host:port at which a worker serves /metrics, /healthz and /readyz, or off (default a free port of the loopback interface, which the worker logs)"`
	PProf          bool                         `json:"pprof" jsonschema:"also serve Go's profiles there, at /debug/pprof/"`
	Training       trainingSection              `json:"training" jsonschema:"training"`
	Optimize       optimizeSection              `json:"optimize" jsonschema:"prompt optimization; takes precedence over llm_config"`
	Alerts         alerting.Section             `json:"alerts" jsonschema:"who is told when a budget of an organisation, a tenant or a model is nearly or wholly spent; read by workers of the pool cogflow"`
	Gateway        frontdoor.Section            `json:"gateway" jsonschema:"cogflow-gateway, the HTTP server"`
	Placement      placement.Section            `json:"placement" jsonschema:"rules that decide where jobs run"`
	Drain          drain.Section                `json:"drain" jsonschema:"how a worker stops"`
}

type fetch struct {
	MaxBytes int64    `json:"max_bytes" jsonschema:"size limit of one video in bytes (default 64 GiB)"`
	S3       string   `json:"s3" jsonschema:"how to reach s3:// sources, as a query string: region=…&endpoint=… (default as the store)"`
	Allowed  []string `json:"allowed" jsonschema:"private servers, as host:port, that https:// sources may name"`
}

// profile is a video.Profile as people write it; see profiles.go.
type profile struct {
	Sampling    video.Sampling `json:"sampling" jsonschema:"how frames are extracted"`
	ChunkFrames int            `json:"chunk_frames" jsonschema:"frames per activity (default 64); 2 × as many from the 17th activity on, 3 × from the 33rd"`
	Transcribe  stage          `json:"transcribe" jsonschema:"speech to text"`
	Describe    stage          `json:"describe" jsonschema:"captions"`
	Embed       stage          `json:"embed" jsonschema:"vectors"`
	GPUWait     duration       `json:"gpu_wait" jsonschema:"how long to wait for a GPU class before the next one is tried (default 10m)"`
}

// stage is a video.Stage as people write it.
type stage struct {
	Off          bool             `json:"off" jsonschema:"leave the stage out"`
	Model        string           `json:"model" jsonschema:"model name, as an endpoint lists it"`
	Revision     string           `json:"revision" jsonschema:"revision of the model; a change invalidates stored answers"`
	Prompt       string           `json:"prompt" jsonschema:"describe: the prompt"`
	Structured   bool             `json:"structured" jsonschema:"describe: ask for JSON with caption, on-screen text, objects and actions"`
	MaxTokens    setting[int]     `json:"max_tokens" jsonschema:"describe: maximum length of an answer in tokens; null: not sent (default the endpoint's, else 512)"`
	Temperature  setting[float64] `json:"temperature" jsonschema:"describe: sampling temperature; null: not sent (default the endpoint's, else 0)"`
	MaxPixels    int              `json:"max_pixels" jsonschema:"describe, embed: pictures are scaled down to at most this many pixels"`
	Language     string           `json:"language" jsonschema:"transcribe: ISO 639-1 code (default detected by the model)"`
	Of           video.Of         `json:"of" jsonschema:"describe, embed: what the model gets. segment: all stills of a segment or shot in one call, which requires an endpoint of kind openai or pooling; frame: the picture of the frame, the default for describe (default for embed the caption)"`
	Multi        bool             `json:"multi" jsonschema:"embed: one vector per patch or token instead of one in all"`
	Keep         video.Keep       `json:"keep" jsonschema:"embed: precision of stored vectors (default 32-bit floats)"`
	Roles        *video.Roles     `json:"roles" jsonschema:"embed: how queries and passages are told apart; an empty object: not at all (default by the name of the model)"`
	Dim          int              `json:"dim" jsonschema:"embed: dimensions of a vector"`
	GPU          []string         `json:"gpu" jsonschema:"GPU classes in order of preference (default cpu)"`
	CostMicroUSD *int64           `json:"cost_micro_usd" jsonschema:"price of one call in millionths of a USD; 0 is free; without it the price is unknown and no call is made under a hard budget"`
}

// vespa overrides the address of Vespa in Cogniverse's "backend".
type vespa struct {
	URL       string   `json:"url" jsonschema:"URL of the containers, for documents and queries"`
	ConfigURL string   `json:"config_url" jsonschema:"URL of the config server, for deployment"`
	Tenants   []string `json:"tenants" jsonschema:"tenants whose schemas are deployed (default default)"`
}

// endpoint is an Endpoint as people write it.
type endpoint struct {
	Kind             Kind     `json:"kind" jsonschema:"protocol of the server"`
	URL              string   `json:"url" jsonschema:"base URL, without credentials"`
	Models           []string `json:"models" jsonschema:"models that it serves, as profiles name them"`
	KeyVariable      string   `json:"api_key_env" jsonschema:"name of the environment variable that holds its key"`
	OwnServer        string   `json:"server" jsonschema:"name of the server in cogflow.servers that the worker starts for it (default none: it is run by others)"`
	Timeout          duration `json:"timeout" jsonschema:"timeout of one call (default depends on the kind)"`
	MaxInFlight      int      `json:"max_in_flight" jsonschema:"maximum concurrent calls (default discovered)"`
	Batch            int      `json:"batch" jsonschema:"cogniverse: frames per call (default 1)"`
	NoCanary         bool     `json:"no_canary" jsonschema:"pooling and embeddings: skip the paid requests which prove that the model is served with its adapter and has the dimension of the profile"`
	InputUSDPerMTok  *float64 `json:"input_usd_per_mtok" jsonschema:"price of a million input tokens in USD; set both prices or neither"`
	OutputUSDPerMTok *float64 `json:"output_usd_per_mtok" jsonschema:"price of a million output tokens in USD; 0 is free"`

	Dialect             string           `json:"dialect" jsonschema:"variant of the protocol (default OpenAI's)"`
	MaxCompletionTokens bool             `json:"max_completion_tokens" jsonschema:"send max_completion_tokens instead of max_tokens, as OpenAI's reasoning models require"`
	Format              setting[string]  `json:"response_format" jsonschema:"structured output that the server supports: none, json or schema; null: not sent, also not for captions and transcripts (default none)"`
	Thinking            setting[bool]    `json:"enable_thinking" jsonschema:"thinking switch of the chat template, for Qwen3 and SmolLM3; null: not sent (default the template's own)"`
	Temperature         setting[float64] `json:"temperature" jsonschema:"sampling temperature of its chat models, unless a role or a profile sets one; null: not sent"`
	MaxTokens           setting[int]     `json:"max_tokens" jsonschema:"maximum length of an answer in tokens, unless a role or a profile sets one; null: not sent"`
	Encoding            setting[string]  `json:"encoding_format" jsonschema:"embeddings: float, or null: not sent (default float)"`
}

// trainingSection is Training as people write it.
type trainingSection struct {
	Models            map[string]BaseModel `json:"models" jsonschema:"base models by the name that inputs use"`
	ModelsDir         string               `json:"models_dir" jsonschema:"folder in which other base models are looked up by name (default none; make up: .cogflow/models)"`
	Python            string               `json:"python" jsonschema:"Python interpreter of the trainer (default .venv/bin/python in trainer_dir)"`
	TrainerDir        string               `json:"trainer_dir" jsonschema:"the trainer's project (default trainer/ in the working directory or beside the program)"`
	GPUs              []device             `json:"gpus" jsonschema:"GPUs to train on, by number or UUID (default all that are visible)"`
	Prices            estimate.Prices      `json:"prices" jsonschema:"price of a GPU class in USD per hour (default a dated list)"`
	CheckpointSeconds float64              `json:"checkpoint_seconds" jsonschema:"seconds between checkpoints (default 300)"`
	GraceSeconds      float64              `json:"grace_seconds" jsonschema:"seconds that a stopping trainer has for its last checkpoint (default 60)"`
	MemoryGiB         float64              `json:"memory_gib" jsonschema:"memory of one trainer with all its processes, in GiB; exceeding it counts as out of memory (default the machine's or the container's memory less 1 GiB or a sixteenth)"`
	MaxProcesses      int                  `json:"max_processes" jsonschema:"processes and threads of one trainer (default 256 a core, at least 4096)"`
	Serving           map[string]server    `json:"serving" jsonschema:"vLLM servers that active adapters are loaded into, by base model"`
}

type server struct {
	URL         string `json:"url" jsonschema:"base URL as clients use it, with /v1"`
	KeyVariable string `json:"api_key_env" jsonschema:"name of the environment variable that holds its key"`
	AdaptersDir string `json:"adapters_dir" jsonschema:"folder that the worker writes and the server reads"`
}

// optimizeSection is Optimize as people write it.
type optimizeSection struct {
	Student  role                   `json:"student" jsonschema:"model that runs candidate programs"`
	Teacher  role                   `json:"teacher" jsonschema:"model that writes demos (default the student)"`
	Proposer role                   `json:"proposer" jsonschema:"model that writes instructions (default the teacher)"`
	Judge    role                   `json:"judge" jsonschema:"model that scores, where a metric says so (default the teacher)"`
	Metrics  map[string][]string    `json:"metrics" jsonschema:"commands that score answers, as argument lists, by the name that inputs use"`
	Prices   map[string]tokenPrices `json:"prices" jsonschema:"token prices by model; a model without one is unpriced"`
}

// role is the name of a model, or an object.
type role struct {
	Model       string           `json:"model" jsonschema:"model name, as an endpoint of kind openai lists it"`
	Revision    string           `json:"revision" jsonschema:"revision of the model; a change invalidates stored answers"`
	Temperature setting[float64] `json:"temperature" jsonschema:"sampling temperature, 0 to 2; null: not sent (default the endpoint's, else 0.1)"`
	MaxTokens   setting[int]     `json:"max_tokens" jsonschema:"maximum length of an answer in tokens; null: not sent (default the endpoint's, else 1000, and 16000 for reasoning models)"`
	Thinking    setting[bool]    `json:"enable_thinking" jsonschema:"thinking switch of the chat template; null: not sent (default the endpoint's)"`
	Seeded      setting[bool]    `json:"seeded" jsonschema:"send the number of a rollout as the seed; null: no seed is sent"`
	Format      setting[string]  `json:"response_format" jsonschema:"structured output that the server supports: none, json or schema; null: not sent (default the endpoint's)"`
}

// tokenPrices are the prices of a model's tokens in USD per million. A missing price is
// unknown, not free: with only one of the two, the other kind of tokens would silently cost
// nothing.
type tokenPrices struct {
	Input  *float64 `json:"input_usd_per_mtok" jsonschema:"price of a million input tokens in USD; set both prices or neither"`
	Output *float64 `json:"output_usd_per_mtok" jsonschema:"price of a million output tokens in USD; 0 is free"`
}
