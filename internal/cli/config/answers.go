package config

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/cli"
)

// answers are the content of a first configuration; empty = the default.
type answers struct {
	url, model, key string
	input, output   string // USD per million tokens
	store, index    string
	gpu             string
}

// question is one question of init, with the flag that answers it.
type question struct {
	to         *string
	flag, help string
	text       string               // prompt, with the default
	needs      *string              // the question is asked only if this answer is set; nil = always
	check      func(a string) error // an empty answer is valid
}

func (in *answers) questions() []question {
	return []question{
		{
			&in.url, "model-url", "base `URL` of an OpenAI-compatible model server that describes frames (default: the built-in preview models)",
			"URL of an OpenAI-compatible model server (empty: built-in preview models)", nil, checkURL,
		},
		{&in.model, "model", "`name` of the model, as the server lists it", "Model name, as the server lists it", &in.url, func(text string) error {
			if in.url != "" && text == "" {
				return errors.New("is required with a model server")
			}
			return nil
		}},
		{
			&in.key, "key-env", "`name` of the environment variable that holds the server's key (default: no key)",
			"Name of the environment variable with its key (empty: no key)", &in.url, checkVariable,
		},
		{
			&in.input, "input-price", "price of a million input tokens in `USD` (default: unknown)",
			"USD per million input tokens (0: free, empty: unknown)", &in.url, checkPrice,
		},
		{
			&in.output, "output-price", "price of a million output tokens in `USD` (default: unknown)",
			"USD per million output tokens (0: free, empty: unknown)", &in.url, checkPrice,
		},
		{
			&in.gpu, "gpu", "GPU `classes` of the workers that call the model, in order of preference (default cpu, for a remote server)",
			"GPU classes of the workers that call it (empty: cpu)", &in.url, checkClasses,
		},
		{
			&in.store, "store", "`folder`, or s3://bucket/prefix, of the object store (default .cogflow/store)",
			"Object store: a folder or s3://bucket/prefix (empty: .cogflow/store)", nil, checkStore,
		},
		{
			&in.index, "index", "`file` of the search index, or the URL of Vespa (default .cogflow/index.db)",
			"Search index: a file or the URL of Vespa (empty: .cogflow/index.db)", nil, anything,
		},
	}
}

func anything(string) error { return nil }

func checkStore(text string) error {
	if strings.Contains(text, "://") && !strings.HasPrefix(text, "file:///") && !strings.HasPrefix(text, "s3://") {
		return errors.New("must be a folder, file:///path or s3://bucket/prefix")
	}
	return nil
}

func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("must be like https://vllm.example.org/v1, without credentials")
	}
	return nil
}

// checkVariable does not print its input, which can be a key.
func checkVariable(text string) error {
	if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return errors.New("must be the name of a variable, such as VLM_API_KEY, never the key itself")
	}
	return nil
}

func checkPrice(text string) error {
	if text == "" {
		return nil
	}
	if v, err := strconv.ParseFloat(text, 64); err != nil || !(v >= 0 && v < 1e6) {
		return errors.New("must be a number of USD such as 0.15")
	}
	return nil
}

func checkClasses(text string) error {
	if err := cli.CheckGPU(classes(text)); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "--gpu "))
	}
	return nil
}

func classes(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// ask asks the questions that no flag has answered. Questions go to stderr, answers come from
// stdin. An invalid answer is asked for again until the input ends.
func (a app) ask(ctx context.Context, all []question, answered func(flag string) bool) error {
	from := bufio.NewReader(a.In)
	for i := 0; i < len(all); {
		q := all[i]
		if answered(q.flag) || q.needs != nil && *q.needs == "" {
			i++
			continue
		}
		fmt.Fprint(a.Err, q.text+": ")
		text, err := from.ReadString('\n')
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			a.Note("")
		}
		text = strings.TrimSpace(text)
		if wrong := q.check(text); wrong != nil {
			if err != nil {
				return cli.Usage("--%s: %v", q.flag, wrong)
			}
			a.Note("  %v", wrong)
			continue
		}
		*q.to = text
		i++
	}
	return nil
}

const ours = "main" // name of the endpoint and of the profile

// file returns the content of the configuration file.
func (in *answers) file() map[string]any {
	section := map[string]any{}
	if in.store != "" {
		section["store"] = in.store
		if !strings.Contains(in.store, "://") {
			section["store"] = (&url.URL{Scheme: "file", Path: absolute(in.store)}).String()
		}
	}
	switch {
	case strings.HasPrefix(in.index, "http://"), strings.HasPrefix(in.index, "https://"):
		section["vespa"] = map[string]any{"url": in.index}
	case in.index != "":
		section["index"] = absolute(in.index)
	}
	if in.url != "" {
		in.addModel(section)
	}
	return map[string]any{"$schema": "./" + schemaName, "cogflow": section}
}

// addModel uses the model to describe frames and as the student of optimizations.
func (in *answers) addModel(section map[string]any) {
	endpoint := map[string]any{"kind": "openai", "url": in.url, "models": []string{in.model}}
	if in.key != "" {
		endpoint["api_key_env"] = in.key
	}
	for key, text := range map[string]string{"input_usd_per_mtok": in.input, "output_usd_per_mtok": in.output} {
		if price, err := strconv.ParseFloat(text, 64); err == nil {
			endpoint[key] = price
		}
	}
	describe := map[string]any{"model": in.model}
	if gpu := classes(in.gpu); len(gpu) > 0 {
		describe["gpu"] = gpu
	}
	section["endpoints"] = map[string]any{ours: endpoint}
	section["active_profile"] = ours
	section["profiles"] = map[string]any{ours: map[string]any{
		"sampling": map[string]any{"strategy": "scene", "max_gap_ms": 10_000}, "describe": describe,
	}}
	section["optimize"] = map[string]any{"student": in.model}
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
