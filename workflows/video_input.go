package workflows

import (
	"time"

	"github.com/cogniverse/cogflow/activities"
)

// IngestVideoInput starts IngestVideo.
type IngestVideoInput struct {
	Common
	URI     string `json:"uri"`
	Profile string `json:"profile,omitempty"`
	Force   bool   `json:"force,omitempty"`

	Library *libraryLink `json:"library,omitempty"` // set by IngestLibrary only
	Resume  *videoResume `json:"resume,omitempty"`  // set by continue-as-new only

	invalid error
}

// UnmarshalJSON decodes strictly; see strict.
func (in *IngestVideoInput) UnmarshalJSON(data []byte) error {
	type plain IngestVideoInput
	in.invalid = strict(data, (*plain)(in))
	return nil
}

func (in *IngestVideoInput) check() error {
	if in.invalid != nil {
		return in.invalid
	}
	if err := required("uri", in.URI); err != nil {
		return err
	}
	return in.Common.check()
}

// libraryLink ties a video to the library run that started it.
type libraryLink struct {
	Job    string            `json:"job"` // what budget and ledger count by
	Recipe activities.Recipe `json:"recipe"`
}

// IngestVideoResult is what IngestVideo returns.
type IngestVideoResult struct {
	Video         string  `json:"video"`  // SHA-256 of the content
	Status        string  `json:"status"` // "indexed" or "unchanged"
	Name          string  `json:"name"`
	Generation    string  `json:"generation"`
	Frames        int     `json:"frames"`
	Documents     int     `json:"documents"`
	Removed       int     `json:"removed"` // stale documents of older generations
	Duplicates    int     `json:"duplicates"`
	Capped        bool    `json:"capped"` // max_frames cut the video
	DecodeErrors  int     `json:"decode_errors"`
	Refused       int     `json:"refused,omitempty"` // frames that a model refused; they are left out, or have no caption
	DescribeCalls int     `json:"describe_calls"`
	RepeatedCalls int     `json:"repeated_calls"` // 0 within a library, which counts for all its videos
	CostUSD       float64 `json:"cost_usd"`
	Report        string  `json:"report,omitempty"` // when started by itself
}

// VideoProgress answers QueryProgress of IngestVideo.
type VideoProgress struct {
	URI       string    `json:"uri"`
	Name      string    `json:"name"`
	Video     string    `json:"video,omitempty"`
	Profile   string    `json:"profile"`
	Tenant    string    `json:"tenant"`
	Stage     string    `json:"stage"` // inspect, extract, describe, publish, done
	Paused    bool      `json:"paused,omitempty"`
	Waiting   string    `json:"waiting,omitempty"` // why nothing moves: "budget", …
	Expected  int       `json:"expected"`          // frames to come, estimated until extraction ends
	Extracted int       `json:"extracted"`
	Described int       `json:"described"`
	Embedded  int       `json:"embedded"`
	Indexed   int       `json:"indexed"`
	CostUSD   float64   `json:"cost_usd"`
	Started   time.Time `json:"started"`
}
