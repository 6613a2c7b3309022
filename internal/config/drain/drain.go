// Package drain is the configuration of how a worker stops, and how long that takes. It stops
// none.
package drain

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Section is Drain as people write it.
type Section struct {
	CallsSeconds float64 `json:"calls_seconds" jsonschema:"seconds that paid calls in flight have to be answered and stored, 1 to 3600 (default 60)"`
	LimitSeconds float64 `json:"limit_seconds" jsonschema:"seconds until the service manager kills a stopping worker; the worker does not start if that is too short (default asked of systemd; unknown in containers)"`
	Notice       string  `json:"notice" jsonschema:"who announces that this host will be taken away, which begins the drain: aws, gcp, azure, the URL of a service, or the path of a file (default none)"`
}

// Drain says how a worker stops.
type Drain struct {
	Calls  time.Duration `json:"calls"`            // time for paid calls in flight to be answered and stored; none starts any more
	Limit  time.Duration `json:"limit,omitempty"`  // time after which the service manager kills the worker; 0 = unknown
	Notice string        `json:"notice,omitempty"` // a cloud, a URL or the path of a file; empty = none
}

const (
	// UploadGrace is the time to upload the checkpoint of a stopped trainer.
	UploadGrace = 30 * time.Second
	// ReportGrace is the time for a cancelled activity to report to the server.
	ReportGrace = 5 * time.Second
	// CloseGrace is the time for a drained worker to close its files.
	CloseGrace = 10 * time.Second

	defaultCalls = 60   // seconds
	mostSeconds  = 3600 // of each
)

// Clouds are the values of Notice that name a cloud.
func Clouds() []string { return []string{"aws", "gcp", "azure"} }

// Drain completes a section.
func (s Section) Drain() Drain {
	d := Drain{
		Calls:  time.Duration(cmp.Or(s.CallsSeconds, defaultCalls) * float64(time.Second)),
		Limit:  time.Duration(s.LimitSeconds * float64(time.Second)),
		Notice: s.Notice,
	}
	if d.Notice != "" && !slices.Contains(Clouds(), d.Notice) && !strings.Contains(d.Notice, "://") {
		if abs, err := filepath.Abs(d.Notice); err == nil {
			d.Notice = abs
		}
	}
	return d
}

// Check calls bad for each problem: the key, what is wrong and how to fix it.
func (s Section) Check(bad func(key, text, fix string)) {
	for _, one := range []struct {
		key   string
		value float64
	}{{"calls_seconds", s.CallsSeconds}, {"limit_seconds", s.LimitSeconds}} {
		if one.value != 0 && !(one.value >= 1 && one.value <= mostSeconds) { // NaN fails both
			bad(one.key, "out of range", "use 1 to 3600")
		}
	}
	if !strings.Contains(s.Notice, "://") {
		return
	}
	if u, err := url.Parse(s.Notice); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		bad("notice", "not an http address", "write aws, gcp, azure, a URL like http://127.0.0.1:8080/notice without credentials, or the path of a file")
	}
}

// Training is the longest time that a worker with a training run takes to stop.
func Training(grace time.Duration) time.Duration { return Total(grace + UploadGrace) }

// Total is the longest time that a worker takes to stop, whose activities have this long.
func Total(activities time.Duration) time.Duration { return activities + ReportGrace + CloseGrace }

// Warnings say for which pools a limit is too short. Workers with other pools start.
func (d Drain) Warnings(trainingGrace time.Duration) (out []string) {
	if d.Limit == 0 {
		return nil
	}
	for _, one := range []struct {
		pools, keys string
		need        time.Duration
	}{
		{"with a pool of models", "cogflow.drain.calls_seconds", Total(d.Calls)},
		{"that trains", "cogflow.training.grace_seconds", Training(trainingGrace)},
	} {
		if d.Limit < one.need {
			out = append(out, fmt.Sprintf("a worker %s needs up to %s to drain (%s), but cogflow.drain.limit_seconds is %s: it does not start",
				one.pools, one.need, one.keys, d.Limit))
		}
	}
	return out
}
