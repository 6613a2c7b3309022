package preview

import (
	"math"
	"strings"
)

// light says how bright and how contrasted a frame is.
func light(g grid) string {
	var sum, squares, chroma float64
	coloured := 0
	for _, c := range g.cells {
		sum += c.l
		squares += float64(c.l * c.l)
		chroma += c.chroma()
		if c.chroma() > greyChroma {
			coloured++
		}
	}
	n := float64(len(g.cells))
	mean := sum / n
	spread := math.Sqrt(max(0, squares/n-float64(mean*mean)))
	words := []string{"medium bright"}
	switch {
	case mean < 0.2:
		words[0] = "very dark"
	case mean < 0.4:
		words[0] = "dark"
	case mean > 0.85:
		words[0] = "very bright"
	case mean > 0.68:
		words[0] = "bright"
	}
	switch {
	case spread > 0.24:
		words = append(words, "high contrast")
	case spread < 0.07:
		words = append(words, "low contrast")
	}
	switch {
	case coloured <= len(g.cells)/200:
		words = append(words, "black and white")
	case chroma/n > 0.11:
		words = append(words, "colourful")
	}
	return strings.Join(words, ", ")
}

// texture says how much fine structure there is, from the mean step between
// neighbouring cells.
func texture(g grid) string {
	var sum float64
	for y := range g.h {
		for x := 1; x < g.w; x++ {
			sum += math.Abs(g.at(x, y).l - g.at(x-1, y).l)
		}
	}
	for y := 1; y < g.h; y++ {
		for x := range g.w {
			sum += math.Abs(g.at(x, y).l - g.at(x, y-1).l)
		}
	}
	switch mean := sum / float64(2*g.w*g.h); {
	case mean < 0.006:
		return "smooth"
	case mean < 0.02:
		return "little detail"
	case mean < 0.045:
		return "detailed"
	default:
		return "very detailed"
	}
}

// composition says where the cells are that differ most from the frame's mean colour.
func composition(g grid) string {
	var mean lab
	n := float64(len(g.cells))
	for _, c := range g.cells {
		mean.l += c.l / n
		mean.a += c.a / n
		mean.b += c.b / n
	}
	var total, cx, cy, far float64
	for y := range g.h {
		for x := range g.w {
			d := g.at(x, y).distance(mean)
			weight := float64(d*d) * d // so that the few cells that differ most decide
			total += weight
			far += float64(d * d)
			cx += weight * (float64(x) + 0.5) / float64(g.w)
			cy += weight * (float64(y) + 0.5) / float64(g.h)
		}
	}
	if math.Sqrt(far/n) < 0.02 {
		return "plain, no subject"
	}
	return "subject " + place(cx/total, cy/total)
}

func place(x, y float64) string {
	const edge = 0.08 // how far from the middle still counts as the middle
	across, down := "", ""
	switch {
	case x < 0.5-edge:
		across = "left"
	case x > 0.5+edge:
		across = "right"
	}
	switch {
	case y < 0.5-edge:
		down = "upper"
	case y > 0.5+edge:
		down = "lower"
	}
	switch {
	case across == "" && down == "":
		return "in the centre"
	case down == "":
		return across + " of centre"
	case across == "":
		return "in the " + down + " middle"
	default:
		return "at the " + down + " " + across
	}
}

// horizon finds the row that splits the frame best into two even bands, and
// says nothing when the bands are not even or the step between them is soft.
func horizon(g grid) string {
	if g.h < 16 {
		return ""
	}
	rows, spread := make([]lab, g.h), 0.0
	for y := range g.h {
		for x := range g.w {
			c := g.at(x, y)
			rows[y].l += c.l / float64(g.w)
			rows[y].a += c.a / float64(g.w)
			rows[y].b += c.b / float64(g.w)
		}
	}
	all := band(rows)
	for _, c := range g.cells {
		d := c.distance(all)
		spread += float64(d*d) / float64(len(g.cells))
	}
	split, best := 0, 0.0
	for y := g.h / 5; y <= g.h*4/5; y++ {
		d, share := band(rows[:y]).distance(band(rows[y:])), float64(y)/float64(g.h)
		if explained := float64(d*d) * share * (1 - share); explained > best {
			split, best = y, explained
		}
	}
	if split == 0 || best < 0.5*spread || band(rows[split-3:split]).distance(band(rows[split:split+3])) < 0.12 {
		return ""
	}
	where := "half way down"
	switch share := float64(split) / float64(g.h); {
	case share < 0.42:
		where = "high"
	case share > 0.58:
		where = "low"
	}
	if band(rows[:split]).l > band(rows[split:]).l {
		return "horizon " + where + ", brighter above"
	}
	return "horizon " + where + ", darker above"
}

func band(rows []lab) lab {
	var mean lab
	for _, c := range rows {
		mean.l += c.l / float64(len(rows))
		mean.a += c.a / float64(len(rows))
		mean.b += c.b / float64(len(rows))
	}
	return mean
}

func shape(width, height int) string {
	switch {
	case width*10 > height*11:
		return "landscape"
	case height*10 > width*11:
		return "portrait"
	default:
		return "square"
	}
}
