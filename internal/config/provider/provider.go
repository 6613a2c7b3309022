// Package provider finds the server of a language model that is named as litellm and
// Cogniverse's configuration name models: by a provider, which may be a prefix of the name. It
// reads no file and calls no server.
package provider

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Anthropic is the dialect of Anthropic's compatible endpoint.
const Anthropic = "anthropic"

// Schema is the format of servers that enforce a JSON schema.
const Schema = "schema"

// Model is a model as a file names it.
type Model struct {
	Provider    string // empty = the prefix of the name, if it is a provider
	Name        string
	APIBase     string
	Key         string // the name of a variable, in litellm's form, or a placeholder
	KeyVariable string // takes precedence over Key
}

// provider is the meaning of litellm's prefixes, and of the deployment guide's "provider".
type provider struct {
	base    string // base URL, unless api_base is set; empty = api_base is required
	key     string // variable from which litellm reads its key
	dialect string
	format  string
}

func findProvider(name string) (provider, bool) {
	local := provider{format: Schema}
	p, ok := map[string]provider{ // only these are known to enforce the form of an answer
		"openai":        {base: "https://api.openai.com/v1", key: "OPENAI_API_KEY", format: Schema},
		"anthropic":     {base: "https://api.anthropic.com/v1", key: "ANTHROPIC_API_KEY", dialect: Anthropic},
		"ollama":        {base: "http://localhost:11434/v1", format: Schema},
		"ollama_chat":   {base: "http://localhost:11434/v1", format: Schema},
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

// Known reports whether a text is the name of a provider.
func Known(name string) bool {
	_, known := findProvider(name)
	return known
}

// Address is the address and the protocol of a model.
type Address struct {
	Name        string // in inputs and reports: litellm's, with the provider
	Served      string // the server's name
	URL         string
	KeyVariable string
	Dialect     string
	Format      string
	Official    bool // OpenAI itself
}

// Resolve finds a model's server. modal is the address of Cogniverse's service on Modal; empty =
// none.
func Resolve(l Model, modal string) (Address, error) {
	if l.Name == "" {
		return Address{}, errors.New("the field model is required")
	}
	name, served := split(l, modal)
	p, known := findProvider(name)
	base := l.APIBase
	if name == "modal" {
		base = cmp.Or(base, modal)
		for _, end := range []string{"/", "/generate", "/chat"} { // of the service's own endpoints; OpenAI's are beside them
			base = strings.TrimSuffix(base, end)
		}
		if base == "" {
			return Address{}, errors.New("its provider is modal, but its address is not configured; set inference.modal_endpoint or its api_base")
		}
	}
	official := base == ""
	base = cmp.Or(base, p.base)
	switch {
	case base == "" && known:
		return Address{}, errors.New("the address of its server is not configured; set its api_base")
	case base == "":
		return Address{}, fmt.Errorf("the provider %q is not one that cogflow knows (openai, anthropic, ollama, ollama_chat, hosted_vllm, modal); set the api_base of an OpenAI-compatible server", cmp.Or(name, l.Name))
	}
	a := Address{Name: served, Served: served, Dialect: p.dialect, Format: p.format, Official: official && name == "openai"}
	if name != "" {
		a.Name = name + "/" + served
	}
	if name == "openai" && !official { // another server with OpenAI's protocol, perhaps incomplete
		a.Format = ""
	}
	a.URL = withV1(base, known && name != "openai")
	a.KeyVariable = cmp.Or(l.KeyVariable, KeyVariable(l.Key))
	if a.KeyVariable == "" && official {
		a.KeyVariable = p.key
	}
	if strings.Trim(a.KeyVariable, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return Address{}, errors.New("its api_key_env must be the name of a variable; never write a key into the file")
	}
	return a, checkAddress(a.URL)
}

// split splits a model's name. Without a provider's name, litellm knows some models by
// theirs; others are at their api_base, or on Modal.
func split(l Model, modal string) (name, served string) {
	prefix, rest, found := strings.Cut(l.Name, "/")
	if l.Provider != "" {
		if found && prefix == l.Provider {
			return l.Provider, rest
		}
		return l.Provider, l.Name
	}
	if found && Known(prefix) {
		return prefix, rest
	}
	begins := func(all ...string) bool {
		return slices.ContainsFunc(all, func(p string) bool { return strings.HasPrefix(l.Name, p) })
	}
	switch {
	case l.APIBase != "":
		return "", l.Name
	case begins("claude"):
		return "anthropic", l.Name
	case begins("gpt-", "chatgpt-", "o1", "o3", "o4"):
		return "openai", l.Name
	case modal != "":
		return "modal", l.Name
	case found:
		return prefix, rest
	}
	return "", l.Name
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

// KeyVariable reads litellm's "os.environ/NAME".
func KeyVariable(key string) string {
	name, ok := strings.CutPrefix(key, "os.environ/")
	if !ok || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return ""
	}
	return name
}

func checkAddress(text string) error {
	switch u, err := url.Parse(text); {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return fmt.Errorf("invalid server URL; write it like http://127.0.0.1:8000/v1")
	case u.User != nil || u.RawQuery != "":
		return fmt.Errorf("its address holds credentials or a query; name the variable that holds the key in api_key_env")
	}
	return nil
}
