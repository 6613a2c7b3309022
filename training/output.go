package training

// StoredCheckpoint is the manifest of a checkpoint in the object store. Its files are under
// the token of the attempt that stored them, so that an attempt that was given up cannot
// overwrite those of its successor.
type StoredCheckpoint struct {
	CheckpointManifest
	Token string `json:"token"`
}

// EventsName is the file of a stored checkpoint, and of an output, that holds
// the events up to its step, one a line.
const EventsName = "events.jsonl"

// Output is the manifest of a job's result, written last.
type Output struct {
	Version int              `json:"version"`
	Job     string           `json:"job"`
	Token   string           `json:"token"`
	Outcome Outcome          `json:"outcome"`
	Files   []CheckpointFile `json:"files"` // best/…, last/…, merged/…, evals/…, events.jsonl
}

// Folders of an output.
const (
	BestFolder   = "best/"
	LastFolder   = "last/"
	MergedFolder = "merged/"
	EvalsFolder  = "evals/"
)

// PrimaryMetric is the deciding metric among the available ones of a method; "" = there is
// none.
func PrimaryMetric(m Method, metrics map[string]float64) string {
	for _, name := range PrimaryMetrics(m) {
		if _, ok := metrics[name]; ok {
			return name
		}
	}
	return ""
}

// MetricsBetter reports whether a is better than b in the first primary metric of a method
// that both have. Without one, whichever has a primary metric wins, and otherwise a loses.
func MetricsBetter(m Method, a, b map[string]float64) bool {
	for _, name := range PrimaryMetrics(m) {
		x, first := a[name]
		y, second := b[name]
		if first && second {
			if LowerIsBetter(name) {
				return x < y
			}
			return x > y
		}
	}
	return PrimaryMetric(m, a) != "" && PrimaryMetric(m, b) == ""
}
