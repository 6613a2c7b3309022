// Package alerting is the configuration of who is told of budgets. It tells nobody.
package alerting

import (
	"net/url"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/money"
)

// Section is the configuration as people write it.
type Section struct {
	Webhook    string `json:"webhook" jsonschema:"https or http URL that gets a POST for each alert; redirects are not followed"`
	SecretEnv  string `json:"webhook_secret_env" jsonschema:"name of the environment variable that holds the secret of the webhook's signature; required with webhook"`
	Workflow   string `json:"workflow" jsonschema:"id of a running workflow that gets each alert as the signal budget_alert"`
	Thresholds []int  `json:"thresholds_percent" jsonschema:"percents of a budget at which an alert is sent, 1 to 1000; over 100 for soft budgets (default 80 and 100)"`
}

// Alerts says who is told of budgets, and when. The zero value tells nobody.
type Alerts struct {
	Webhook    string `json:"-"`                      // may hold a secret
	Host       string `json:"webhook_host,omitempty"` // of it, for people
	SecretEnv  string `json:"webhook_secret_env,omitempty"`
	Workflow   string `json:"workflow,omitempty"`
	Thresholds []int  `json:"thresholds_percent,omitempty"` // sorted; has 100, since a refused call is always told
}

// On reports whether anybody is told.
func (a Alerts) On() bool { return a.Webhook != "" || a.Workflow != "" }

// Alerts completes a section.
func (s Section) Alerts() Alerts {
	a := Alerts{Webhook: s.Webhook, SecretEnv: s.SecretEnv, Workflow: s.Workflow}
	if u, err := url.Parse(s.Webhook); err == nil {
		a.Host = u.Host
	}
	if !a.On() {
		return a
	}
	a.Thresholds = []int{80}
	if len(s.Thresholds) > 0 {
		a.Thresholds = slices.Clone(s.Thresholds)
	}
	a.Thresholds = append(a.Thresholds, money.LimitReached)
	slices.Sort(a.Thresholds)
	a.Thresholds = slices.Compact(a.Thresholds)
	return a
}

const maxThresholds = 20

// Check calls bad for each problem: the key, what is wrong and how to fix it. No text has the URL.
func (s Section) Check(bad func(key, text, fix string)) {
	u, err := url.Parse(s.Webhook)
	if s.Webhook != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		bad("webhook", "not an http or https URL", "write it like https://hooks.example.org/budgets")
	}
	if (s.Webhook == "") != (s.SecretEnv == "") {
		bad("webhook_secret_env", "one without the other", "set webhook and webhook_secret_env, or neither")
	}
	if strings.Trim(s.SecretEnv, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		bad("webhook_secret_env", "not the name of a variable", "name one such as COGFLOW_WEBHOOK_SECRET; the secret itself belongs in no file")
	}
	if len(s.Thresholds) > maxThresholds {
		bad("thresholds_percent", "too many", "use at most 20")
	}
	for _, percent := range s.Thresholds {
		if percent < 1 || percent > money.MaxThreshold {
			bad("thresholds_percent", "out of range", "use percents from 1 to 1000")
		}
	}
}
