// Package index has what every search index does with its ranked lists. It does not know
// how a list is found.
package index

import "github.com/cogniverse/cogflow/video"

// PerVideo returns at least n entries of a ranking, as far as there are, with at most per of
// one video. A long video can fill a list, so further lists leave full videos out. next
// returns the best entries, best first, without those videos, and whether it is all of them.
// The result is not ordered.
func PerVideo[T any](
	n, per int, of func(T) video.ID, next func(full map[video.ID]bool) (list []T, all bool, err error),
) ([]T, error) {
	full := map[video.ID]bool{}
	var kept []T // of full videos
	for {
		list, all, err := next(full)
		if err != nil {
			return nil, err
		}
		taken, counts := few(list, per, of)
		before := len(full)
		for v, count := range counts {
			if count == per {
				full[v] = true
			}
		}
		if all || len(kept)+len(taken) >= n || len(full) == before {
			return append(kept, taken...), nil
		}
		for _, entry := range taken {
			if full[of(entry)] {
				kept = append(kept, entry)
			}
		}
	}
}

// Few returns the entries of an ordered list of which at most per are of one video. 0 keeps all.
func Few[T any](list []T, per int, of func(T) video.ID) []T {
	if per == 0 {
		return list
	}
	list, _ = few(list, per, of)
	return list
}

func few[T any](list []T, per int, of func(T) video.ID) (kept []T, counts map[video.ID]int) {
	counts = map[video.ID]int{}
	for _, entry := range list {
		if v := of(entry); counts[v] < per {
			counts[v]++
			kept = append(kept, entry)
		}
	}
	return kept, counts
}
