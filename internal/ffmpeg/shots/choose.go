package shots

import (
	"cmp"
	"slices"

	"github.com/cogniverse/cogflow/internal/ffmpeg/stills"
)

// perStill is how many pictures are kept for each still of a part, until its end tells how
// long the slices are.
const perStill = 4

// candidates are pictures of a part in order of time: the best of each slot. Slots become
// longer as the part does, so that the number of pictures in memory is bounded.
type candidates struct {
	most int   // pictures; 0 = none is kept
	slot int64 // milliseconds
	list []Picture
}

func newCandidates(n int) candidates {
	if n < 2 {
		return candidates{}
	}
	return candidates{most: perStill * n, slot: 1}
}

// add takes the next picture in order of time. The same one may come twice.
func (c *candidates) add(one Picture) {
	if c.most == 0 {
		return
	}
	c.list = c.put(c.list, one)
	for len(c.list) > c.most {
		c.slot *= 2
		var fewer []Picture
		for _, p := range c.list {
			fewer = c.put(fewer, p)
		}
		c.list = fewer
	}
}

// put adds a picture to a list with one for each slot.
func (c *candidates) put(list []Picture, one Picture) []Picture {
	last := len(list) - 1
	switch {
	case last < 0 || list[last].PTSMS/c.slot != one.PTSMS/c.slot:
		return append(list, one)
	case len(one.JPEG) > len(list[last].JPEG):
		list[last] = one
	}
	return list
}

// join adds those of the next part.
func (c *candidates) join(next candidates) {
	for _, p := range next.list {
		c.add(p)
	}
}

// choose picks the best still of each of n equal slices of the part. Blurred pictures are left
// out, and so are those that show the same as the still before, unless repeats are wanted.
func (p *part) choose(n int, repeats bool) {
	parts := make([][]Picture, n)
	for _, c := range p.all.list {
		i := min(max((c.PTSMS-p.StartMS)*int64(n)/(p.EndMS-p.StartMS), 0), int64(n-1))
		parts[i] = append(parts[i], c)
	}
	for _, slice := range parts {
		slices.SortStableFunc(slice, func(a, b Picture) int { return cmp.Compare(len(b.JPEG), len(a.JPEG)) })
		i := slices.IndexFunc(slice, func(c Picture) bool { return c.PTSMS == p.Best.PTSMS || !stills.Blurred(c.JPEG) })
		if i < 0 {
			continue
		}
		last := len(p.Stills) - 1
		switch {
		case repeats || last < 0 || !Same(slice[i].Small, p.Stills[last].Small):
			p.Stills = append(p.Stills, slice[i])
		case len(slice[i].JPEG) > len(p.Stills[last].JPEG):
			p.Stills[last] = slice[i]
		}
	}
	for _, s := range p.Stills {
		if len(s.JPEG) > len(p.Best.JPEG) {
			p.Best = s // of a rest that was added
		}
	}
}

// Same reports two pictures of one motionless scene.
func Same(a, b stills.Small) bool { return a.Change(b) < 0.01 && a.Recolour(b) < 0.01 }
