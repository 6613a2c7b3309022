package config

import (
	"cmp"
	"strconv"

	"github.com/cogniverse/cogflow/strictjson"
)

// override applies the environment: COGFLOW_<KEY> for each key of the section except
// profiles and endpoints, COGFLOW_TRAINING_<KEY> for those of training except models,
// COGFLOW_DRAIN_<KEY> for those of drain, and COGFLOW_OPTIMIZE_<KEY> for those of optimize
// except metrics.
func override(s *section, getenv func(string) string) (problems Problems) {
	text := map[string]*string{
		"COGFLOW_STORE": &s.Store, "COGFLOW_INDEX": &s.Index, "COGFLOW_LEDGER": &s.Ledger,
		"COGFLOW_SCRATCH": &s.Scratch, "COGFLOW_LOGS": &s.Logs, "COGFLOW_ACTIVE_PROFILE": &s.ActiveProfile,
		"COGFLOW_FFMPEG": &s.FFmpeg, "COGFLOW_FFPROBE": &s.FFprobe, "COGFLOW_TESSERACT": &s.Tesseract,
		"COGFLOW_UI": &s.UI, "COGFLOW_TELEMETRY": &s.Telemetry, "COGFLOW_ALERTS_WEBHOOK": &s.Alerts.Webhook, "COGFLOW_ALERTS_WEBHOOK_SECRET_ENV": &s.Alerts.SecretEnv, "COGFLOW_SMALL_MODELS": &s.SmallModels, "COGFLOW_VESPA_URL": &s.Vespa.URL, "COGFLOW_VESPA_CONFIG_URL": &s.Vespa.ConfigURL,
		"COGFLOW_GATEWAY_ADDRESS": &s.Gateway.Address,
		"COGFLOW_DRAIN_NOTICE":    &s.Drain.Notice,
	}
	for name, to := range text {
		*to = cmp.Or(getenv(name), *to)
	}
	parse(&problems, getenv, "COGFLOW_NO_SANDBOX", "true or false", &s.NoSandbox, strconv.ParseBool)
	parse(&problems, getenv, "COGFLOW_PPROF", "true or false", &s.PProf, strconv.ParseBool)
	parse(&problems, getenv, "COGFLOW_REQUIRE_SANDBOX", "true or false", &s.RequireSandbox, strconv.ParseBool)
	parse(&problems, getenv, "COGFLOW_FETCH_MAX_BYTES", "a number of bytes", &s.Fetch.MaxBytes,
		func(v string) (int64, error) { return strconv.ParseInt(v, 10, 64) })
	parse(&problems, getenv, "COGFLOW_SOURCES", `an object like {"acme":["/srv/acme"]}`, &s.Sources,
		func(v string) (m map[string][]string, err error) { return m, strictjson.Unmarshal([]byte(v), &m) })
	parse(&problems, getenv, "COGFLOW_DRAIN_CALLS_SECONDS", "a number of seconds", &s.Drain.CallsSeconds, number)
	parse(&problems, getenv, "COGFLOW_DRAIN_LIMIT_SECONDS", "a number of seconds", &s.Drain.LimitSeconds, number)
	overrideOptimize(&problems, &s.Optimize, getenv)
	return append(problems, overrideTraining(&s.Training, getenv)...)
}

func parse[T any](problems *Problems, getenv func(string) string, name, want string, to *T, read func(string) (T, error)) {
	text := getenv(name)
	if text == "" {
		return
	}
	v, err := read(text)
	if err != nil {
		*problems = append(*problems, Problem{Place: name, Text: "not " + want, Fix: "correct or unset the variable"})
		return
	}
	*to = v
}
