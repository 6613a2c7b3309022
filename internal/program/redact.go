package program

import (
	"net/url"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/traces"
	"github.com/cogniverse/cogflow/safetext"
)

// keyVariables names the variables with secrets that libraries read from the environment.
func keyVariables() []string {
	return []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "TEMPORAL_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
		"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "PGPASSWORD",
	}
}

// Redactor makes a redactor for all keys of this process and for the addresses of all
// services of its configuration.
func Redactor(c config.Config, getenv func(string) string) *safetext.Redactor {
	var keys, services []string
	add := func(variable, service string) {
		if variable != "" {
			keys = append(keys, getenv(variable))
		}
		services = append(services, service)
	}
	for _, e := range append(c.Chat(), c.Endpoints...) {
		add(e.KeyVariable, e.URL)
	}
	for _, s := range c.Training.Serving {
		add(s.KeyVariable, s.URL)
	}
	add(c.Alerts.SecretEnv, c.Alerts.Webhook)
	for _, s := range c.Servers {
		for _, name := range s.PassEnv {
			add(name, "")
		}
	}
	if c.Vespa != nil {
		services = append(services, c.Vespa.URL, c.Vespa.ConfigURL)
	}
	for _, location := range []string{c.Store, "?" + c.FetchS3} {
		if u, err := url.Parse(location); err == nil {
			services = append(services, u.Query().Get("endpoint"))
		}
	}
	keys, services = append(keys, c.LedgerPassword()), append(services, c.Ledger)
	keys, services = append(keys, traces.Secrets(getenv)...), append(services, traces.Endpoints(getenv)...)
	for _, name := range keyVariables() {
		keys = append(keys, getenv(name))
	}
	return safetext.NewRedactor(keys, services)
}
