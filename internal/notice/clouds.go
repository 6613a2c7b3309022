package notice

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// metadata is the address of the metadata service of AWS, GCP and Azure.
const metadata = "http://169.254.169.254"

const maxAnswer = 1 << 20 // bytes

// request asks the metadata service and returns the status and the body of the answer.
func (w *Watcher) request(ctx context.Context, method, path string, header ...string) (status int, body []byte, answered http.Header, err error) {
	r, err := http.NewRequestWithContext(ctx, method, path, nil)
	if err != nil {
		return 0, nil, nil, wrong("%w", err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := w.http.Do(r)
	if err != nil {
		return 0, nil, nil, wrong("%w", err)
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return 0, nil, nil, wrong("%w", err)
	}
	return answer.StatusCode, body, answer.Header, nil
}

func (w *Watcher) base() string { return cmp.Or(w.o.Base, metadata) }

// aws asks version 2 of the instance metadata service, which requires a token.
type aws struct {
	*Watcher
	token string
}

const (
	awsToken     = "X-aws-ec2-metadata-token" //nolint:gosec // the name of a header
	awsTokenTime = "21600"                    // seconds, the maximum
)

func (a *aws) ask(ctx context.Context) (*Notice, error) {
	for fresh := false; ; fresh = true {
		if a.token == "" {
			status, body, _, err := a.request(ctx, http.MethodPut, a.base()+"/latest/api/token", awsToken+"-ttl-seconds", awsTokenTime)
			if err != nil {
				return nil, fmt.Errorf("%w (in a container, the hop limit of the instance metadata service must be at least 2)", err)
			}
			if status != http.StatusOK || len(body) == 0 {
				return nil, wrong("the instance metadata service gives no token: status %d", status)
			}
			a.token, fresh = string(body), true
		}
		status, body, _, err := a.request(ctx, http.MethodGet, a.base()+"/latest/meta-data/spot/instance-action", awsToken, a.token)
		switch {
		case err != nil:
			return nil, err
		case status == http.StatusNotFound:
			return nil, nil //nolint:nilnil // there is no notice
		case status == http.StatusUnauthorized && !fresh: // the token has expired
			a.token = ""
		case status == http.StatusOK:
			return a.said(body)
		default:
			a.token = ""
			return nil, wrong("spot/instance-action has status %d", status)
		}
	}
}

// said reads {"action": "terminate", "time": "2026-11-29T20:00:00Z"}.
func (w *Watcher) said(body []byte) (*Notice, error) {
	var v struct {
		Action string    `json:"action"`
		Time   time.Time `json:"time"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, wrong("the notice cannot be read: %w", err)
	}
	return w.notice(v.Action, v.Time), nil
}

// gcpNotice is how long before the end a preemption is announced.
const gcpNotice = 30 * time.Second

func (w *Watcher) gcp(ctx context.Context) (*Notice, error) {
	status, body, header, err := w.request(ctx, http.MethodGet, w.base()+"/computeMetadata/v1/instance/preempted", "Metadata-Flavor", "Google")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK || header.Get("Metadata-Flavor") != "Google" {
		return nil, wrong("the metadata server has status %d", status)
	}
	switch strings.TrimSpace(string(body)) {
	case "FALSE":
		return nil, nil //nolint:nilnil // there is no notice
	case "TRUE":
		return w.notice("preempted", w.o.Now().Add(gcpNotice)), nil
	default:
		return nil, wrong("the metadata server says neither TRUE nor FALSE")
	}
}

// azure asks for scheduled events. They are those of a group of machines.
type azure struct {
	*Watcher
	name string // of this machine
}

// azureEnds are the events after which this host has lost its processes. Freeze is a pause.
func azureEnds() []string { return []string{"Preempt", "Terminate", "Reboot", "Redeploy"} }

func (a *azure) ask(ctx context.Context) (*Notice, error) {
	if a.name == "" {
		status, body, _, err := a.request(ctx, http.MethodGet, a.base()+"/metadata/instance/compute/name?api-version=2021-02-01&format=text", "Metadata", "true")
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK || len(body) == 0 {
			return nil, wrong("the instance metadata service does not tell the name of this machine: status %d", status)
		}
		a.name = strings.TrimSpace(string(body))
	}
	status, body, _, err := a.request(ctx, http.MethodGet, a.base()+"/metadata/scheduledevents?api-version=2020-07-01", "Metadata", "true")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, wrong("scheduledevents has status %d", status)
	}
	var v struct {
		Events []struct {
			EventType string   `json:"EventType"`
			Resources []string `json:"Resources"`
			NotBefore string   `json:"NotBefore"` // empty: it has begun
		} `json:"Events"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, wrong("scheduledevents cannot be read: %w", err)
	}
	var soonest *Notice
	for _, e := range v.Events {
		if !slices.Contains(azureEnds(), e.EventType) || !slices.ContainsFunc(e.Resources, func(r string) bool { return strings.EqualFold(r, a.name) }) {
			continue
		}
		at := a.o.Now()
		if e.NotBefore != "" {
			if at, err = http.ParseTime(e.NotBefore); err != nil {
				return nil, wrong("the time of an event cannot be read: %w", err)
			}
		}
		if n := a.notice(e.EventType, at); soonest == nil || n.At.Before(soonest.At) {
			soonest = n
		}
	}
	return soonest, nil
}
