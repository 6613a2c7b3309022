package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// DialectAnthropic is Endpoint.Dialect of Anthropic's compatible endpoint.
const DialectAnthropic = "anthropic"

// provider is the meaning of litellm's prefixes, and of the deployment guide's "provider".
type provider struct {
	base    string // base URL, unless api_base is set; empty = api_base is required
	key     string // variable from which litellm reads its key
	dialect string
	format  string
}

func findProvider(name string) (provider, bool) {
	local := provider{format: formatSchema}
	p, ok := map[string]provider{ // only these are known to enforce the form of an answer
		"openai":        {base: "https://api.openai.com/v1", key: "OPENAI_API_KEY", format: formatSchema},
		"anthropic":     {base: "https://api.anthropic.com/v1", key: "ANTHROPIC_API_KEY", dialect: DialectAnthropic},
		"ollama":        {base: "http://localhost:11434/v1", format: formatSchema},
		"ollama_chat":   {base: "http://localhost:11434/v1", format: formatSchema},
		"hosted_vllm":   local,
		"vllm":          local,
		"modal":         local, // at inference.modal_endpoint
		"lm_studio":     {},
		"litellm_proxy": {},
		"openai_like":   {},
		"custom_openai": {},
	}[name]
	return p, ok
}

// address is the address and the protocol of a model.
type address struct {
	name     string // in inputs and reports: litellm's, with the provider
	served   string // the server's name
	url, key string
	dialect  string
	format   string
	official bool // OpenAI itself
}

// resolve finds a model's server.
func (s *cogniverseLMs) resolve(l llm) (address, error) {
	if l.Model == "" {
		return address{}, errors.New("the field model is required")
	}
	name, served := s.provider(l)
	p, known := findProvider(name)
	base := l.APIBase
	if name == "modal" {
		base = cmp.Or(base, s.inference.Modal)
		for _, end := range []string{"/", "/generate", "/chat"} { // of the service's own endpoints; OpenAI's are beside them
			base = strings.TrimSuffix(base, end)
		}
		if base == "" {
			return address{}, errors.New("its provider is modal, but its address is not configured; set inference.modal_endpoint or its api_base")
		}
	}
	official := base == ""
	base = cmp.Or(base, p.base)
	switch {
	case base == "" && known:
		return address{}, errors.New("the address of its server is not configured; set its api_base")
	case base == "":
		return address{}, fmt.Errorf("the provider %q is not one that cogflow knows (openai, anthropic, ollama, ollama_chat, hosted_vllm, modal); set the api_base of an OpenAI-compatible server", cmp.Or(name, l.Model))
	}
	a := address{name: served, served: served, dialect: p.dialect, format: p.format, official: official && name == "openai"}
	if name != "" {
		a.name = name + "/" + served
	}
	if name == "openai" && !official { // another server with OpenAI's protocol, perhaps incomplete
		a.format = ""
	}
	a.url = withV1(base, known && name != "openai")
	a.key = cmp.Or(l.KeyVariable, keyVariable(l.Key))
	if a.key == "" && official {
		a.key = p.key
	}
	if strings.Trim(a.key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return address{}, errors.New("its api_key_env must be the name of a variable; never write a key into the file")
	}
	return a, checkAddress(a.url)
}

// provider splits a model's name. Without a provider's name, litellm knows some models by
// theirs; others are at their api_base, or on Modal.
func (s *cogniverseLMs) provider(l llm) (name, served string) {
	prefix, rest, split := strings.Cut(l.Model, "/")
	if l.Provider != "" {
		if split && prefix == l.Provider {
			return l.Provider, rest
		}
		return l.Provider, l.Model
	}
	if _, known := findProvider(prefix); known && split {
		return prefix, rest
	}
	begins := func(all ...string) bool {
		return slices.ContainsFunc(all, func(p string) bool { return strings.HasPrefix(l.Model, p) })
	}
	switch {
	case l.APIBase != "":
		return "", l.Model
	case begins("claude"):
		return "anthropic", l.Model
	case begins("gpt-", "chatgpt-", "o1", "o3", "o4"):
		return "openai", l.Model
	case s.inference.Modal != "":
		return "modal", l.Model
	case split:
		return prefix, rest
	}
	return "", l.Model
}

// withV1 appends /v1, which is often left out: always to a URL without a path, and to other
// URLs if elsewhere is set.
func withV1(base string, elsewhere bool) string {
	base = strings.TrimSuffix(base, "/")
	u, err := url.Parse(base)
	if err != nil || u.Path != "" && !elsewhere || slices.Contains(strings.Split(u.Path, "/"), "v1") {
		return base
	}
	return base + "/v1"
}
