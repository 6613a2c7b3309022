package training

// Comparison says whether the trained model is better than its base on the
// same held-out rows.
type Comparison struct {
	Metric     string  `json:"metric"`
	LowerIs    bool    `json:"lower_is_better"`
	Base       float64 `json:"base"`       // mean
	Best       float64 `json:"best"`       // mean
	Difference float64 `json:"difference"` // best - base
	CILow      float64 `json:"ci_low"`     // 95 % interval of the difference
	CIHigh     float64 `json:"ci_high"`
	PValue     float64 `json:"p_value"` // two-sided
	N          int     `json:"n"`
	Better     bool    `json:"better"` // in the right direction with p < 0.05
	Test       string  `json:"test"`
	Verdict    string  `json:"verdict"` // for people
}

// Compare tests the primary metric of the method on paired rows.
func Compare(method Method, base, best []RowValues) (Comparison, error) { panic("skeleton") }
