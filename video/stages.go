package video

// MergeStages adds the stages of one video to those of a whole run: counts are added, and
// the span runs from the first start to the last end.
func MergeStages(total, more []StageTime) []StageTime {
	for _, m := range more {
		found := false
		for i := range total {
			t := &total[i]
			if t.Name != m.Name {
				continue
			}
			found = true
			t.Frames += m.Frames
			t.Calls += m.Calls
			t.BusyMS += m.BusyMS
			t.StartMS, t.EndMS = min(t.StartMS, m.StartMS), max(t.EndMS, m.EndMS)
		}
		if !found {
			total = append(total, m)
		}
	}
	return total
}
