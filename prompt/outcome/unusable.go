package outcome

import "slices"

// UnusableError is the failure to use a model's answer. Its cause decides whether the same
// request may have a better answer.
type UnusableError struct {
	Reason Reason
	Sample string // what the model wrote, for people; may be empty
	Err    error  // the failure itself; never nil
}

// Error is the text of the failure.
func (u *UnusableError) Error() string { return u.Err.Error() }

// Unwrap returns the failure.
func (u *UnusableError) Unwrap() error { return u.Err }

// Merge adds the counts of two lists of groups. The examples of the first come first.
func Merge(a, b []Group) []Group {
	out := slices.Clone(a)
	for i := range out {
		out[i].Samples = slices.Clone(out[i].Samples)
	}
	for _, g := range b {
		i := slices.IndexFunc(out, func(o Group) bool { return o.Role == g.Role && o.Reason == g.Reason })
		if i < 0 {
			g.Samples = slices.Clone(g.Samples)
			out = append(out, g)
			continue
		}
		out[i].Answers += g.Answers
		out[i].Of += g.Of
		for _, s := range g.Samples {
			if len(out[i].Samples) < MaxSamples && !slices.Contains(out[i].Samples, s) {
				out[i].Samples = append(out[i].Samples, s)
			}
		}
	}
	slices.SortStableFunc(out, compare)
	return out
}

// Among returns the groups with the number of all answers to a role.
func Among(groups []Group, role string, answers int) []Group {
	out := slices.Clone(groups)
	for i, g := range out {
		if g.Role == role {
			out[i].Of = max(answers, g.Answers)
		}
	}
	return out
}
