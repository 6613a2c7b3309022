package training

// Card is what a model card says: the whole lineage of an adapter.
type Card struct {
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Tenant      string             `json:"tenant"`
	Spec        Spec               `json:"spec"`
	Job         string             `json:"job"`
	Workflow    string             `json:"workflow"`
	Run         string             `json:"run"`
	Repo        string             `json:"repo"` // of the base model
	Rows        int                `json:"rows"`
	EvalRows    int                `json:"eval_rows"`
	Dropped     int                `json:"dropped"`
	Device      string             `json:"device"` // as seen
	Class       string             `json:"class"`
	Versions    map[string]string  `json:"versions"`
	Steps       int                `json:"steps"`
	BestStep    int                `json:"best_step"`
	Tokens      int64              `json:"tokens"`
	Seconds     float64            `json:"seconds"`
	CostUSD     float64            `json:"cost_usd"`
	Checkpoints int                `json:"checkpoints"`
	Preemptions int                `json:"preemptions"`
	Base        map[string]float64 `json:"base,omitempty"` // metrics before
	Best        map[string]float64 `json:"best,omitempty"` // metrics of what is published
	Comparison  *Comparison        `json:"comparison,omitempty"`
	Created     string             `json:"created"` // RFC 3339
}

// Markdown renders README.md of the adapter, with Hugging Face's front matter.
func (c Card) Markdown() string { panic("skeleton") }
