package training

import (
	"errors"
	"slices"
)

// Finding is a problem of rows that only the model's tokenizer and chat template show. The
// trainer reports one for each kind.
type Finding struct {
	File     string `json:"file"`     // FindingTrain or FindingEval
	Severity string `json:"severity"` // FindingError: the rows cannot be trained on; FindingWarning
	Code     string `json:"code"`     // kind of the problem
	Field    string `json:"field,omitempty"`
	Reason   string `json:"reason"`
	Fix      string `json:"fix,omitempty"`
	Count    int    `json:"count"`          // such rows; 0 = the whole file
	Rows     []int  `json:"rows,omitempty"` // the first such rows, as the trainer counts them from 1
}

// Values of a Finding.
const (
	FindingTrain   = "train"
	FindingEval    = "eval"
	FindingError   = "error"
	FindingWarning = "warn"

	// FindingRefused is the code of rows that the chat template refuses. Training cannot leave
	// them out.
	FindingRefused = "template_refuses"
	// FindingNothing is the code of rows with no part of an answer.
	FindingNothing = "nothing_to_learn"

	maxFindings    = 64
	maxFindingRows = 16
)

// checkFindings says why findings are invalid. A trainer is not trusted.
func checkFindings(list []Finding) error {
	if len(list) > maxFindings {
		return errors.New("it has too many findings")
	}
	for _, f := range list {
		valid := slices.Contains([]string{FindingTrain, FindingEval}, f.File) && slices.Contains([]string{FindingError, FindingWarning}, f.Severity) &&
			f.Code != "" && f.Reason != "" && f.Count >= 0 && f.Count <= maxEventCount && len(f.Rows) <= maxFindingRows &&
			!slices.ContainsFunc(f.Rows, func(row int) bool { return row < 1 || row > maxEventCount })
		long := slices.ContainsFunc([]string{f.Code, f.Field, f.Reason, f.Fix}, func(text string) bool { return len(text) > maxEventName })
		if !valid || long {
			return errors.New("one of its findings is invalid")
		}
	}
	return nil
}
