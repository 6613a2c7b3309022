package guide

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// How long a caller waits for a batch that takes long.
const (
	// briefly is below the time after which common proxies give up, which is a minute.
	briefly = 50 * time.Second
	// patiently is the time of Cogniverse's client. It takes every answer but 200 for a batch
	// without descriptions, so where it calls, no other answer comes before.
	patiently = 3 * time.Hour
)

// patience is how long a caller waits for a job.
type patience struct {
	time.Duration
	asked   bool   // the caller said it
	applied string // preference of the caller that counts; "" = none
}

// patienceOf reads what a caller says about its time: ?wait=30s, or the header Prefer: wait=30 of RFC
// 7240. Others have the time of the callers of the listener.
func patienceOf(r *http.Request, c api.Caller, usual time.Duration) (patience, error) {
	p := patience{Duration: usual}
	if c.Model != "" || c.ErrorsAs200 {
		p.Duration = max(p.Duration, patiently)
	}
	if text := r.URL.Query().Get("wait"); text != "" {
		d, err := time.ParseDuration(text)
		if n, number := strconv.Atoi(text); number == nil {
			d, err = time.Duration(n)*time.Second, nil
		}
		if err != nil || d < 0 || d > patiently {
			return p, api.BadField("wait", "wait must be a time such as 30s, or a number of seconds, from 0s to 3h")
		}
		return patience{Duration: d, asked: true}, nil
	}
	async := false
	for _, header := range r.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(header, ",") {
			token, _, _ := strings.Cut(preference, ";")
			name, value, _ := strings.Cut(token, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "respond-async":
				async = true
			case "wait":
				// A preference that cannot be read is ignored, as the RFC says. The first one counts.
				n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`))
				if err == nil && n >= 0 && !p.asked {
					d := min(time.Duration(min(n, int(patiently/time.Second)))*time.Second, patiently)
					p = patience{Duration: d, asked: true, applied: "wait=" + strconv.Itoa(int(d/time.Second))}
				}
			}
		}
	}
	if async && !p.asked {
		p = patience{asked: true, applied: "respond-async"}
	}
	return p, nil
}

// Accepted is the answer about a batch that takes longer than its caller waits.
type Accepted struct {
	ID           string `json:"id" jsonschema:"id of the job"`
	Address      string `json:"address" jsonschema:"path of the job: its state, and below it events, result, cancel, pause and resume"`
	Descriptions string `json:"descriptions_address" jsonschema:"path that answers the descriptions when the job has ended"`
	Status       string `json:"status" jsonschema:"running"`
}

const batchPath = "/upload_and_process_frames"

func accepted(id string) Accepted {
	return Accepted{ID: id, Address: api.JobPath(id), Descriptions: batchPath + "/" + url.PathEscape(id), Status: "running"}
}

// accept answers that a job goes on, and where.
func accept(w http.ResponseWriter, id string) {
	a := accepted(id)
	w.Header().Set("Location", a.Address)
	w.Header().Set("Retry-After", "5")
	api.WriteJSON(w, http.StatusAccepted, a)
}
