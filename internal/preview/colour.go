package preview

import (
	"math"
	"slices"
	"strings"
)

// lab is a colour in OKLab: lightness 0 to 1, green to red, blue to yellow.
type lab struct{ l, a, b float64 }

func (c lab) chroma() float64 { return math.Hypot(c.a, c.b) }

func (c lab) distance(d lab) float64 {
	return math.Sqrt((c.l-d.l)*(c.l-d.l) + (c.a-d.a)*(c.a-d.a) + (c.b-d.b)*(c.b-d.b))
}

// oklab converts sRGB components of 0 to 255.
func oklab(red, green, blue float64) lab {
	r, g, b := linear(red/255), linear(green/255), linear(blue/255)
	l := math.Cbrt(float64(0.4122214708*r) + float64(0.5363325363*g) + float64(0.0514459929*b))
	m := math.Cbrt(float64(0.2119034982*r) + float64(0.6806995451*g) + float64(0.1073969566*b))
	s := math.Cbrt(float64(0.0883024619*r) + float64(0.2817188376*g) + float64(0.6299787005*b))
	return lab{
		l: float64(0.2104542553*l) + float64(0.7936177850*m) - float64(0.0040720468*s),
		a: float64(1.9779984951*l) - float64(2.4285922050*m) + float64(0.4505937099*s),
		b: float64(0.0259040371*l) + float64(0.7827717662*m) - float64(0.8086757660*s),
	}
}

func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

type named struct {
	name string
	lab
}

// colours are the words for colours that people search with.
var colours = []named{ //nolint:gochecknoglobals // a constant table
	{"black", oklab(8, 8, 8)},
	{"dark grey", oklab(64, 64, 64)},
	{"grey", oklab(128, 128, 128)},
	{"light grey", oklab(190, 190, 190)},
	{"white", oklab(250, 250, 250)},
	{"red", oklab(220, 30, 30)},
	{"dark red", oklab(115, 15, 20)},
	{"orange", oklab(245, 140, 30)},
	{"brown", oklab(115, 72, 38)},
	{"dark brown", oklab(58, 36, 22)},
	{"beige", oklab(215, 190, 155)},
	{"yellow", oklab(245, 220, 50)},
	{"olive", oklab(112, 112, 45)},
	{"green", oklab(50, 160, 60)},
	{"dark green", oklab(22, 70, 32)},
	{"light green", oklab(150, 220, 140)},
	{"teal", oklab(20, 130, 130)},
	{"cyan", oklab(60, 210, 225)},
	{"light blue", oklab(150, 195, 235)},
	{"blue", oklab(40, 90, 220)},
	{"dark blue", oklab(15, 20, 95)},
	{"purple", oklab(120, 50, 160)},
	{"lavender", oklab(190, 165, 225)},
	{"magenta", oklab(215, 40, 170)},
	{"pink", oklab(245, 165, 185)},
}

const greyChroma = 0.035 // below this a colour looks grey on most screens

func nameOf(c lab) int {
	best, nearest := 0, math.Inf(1)
	for i, known := range colours {
		if (c.chroma() < greyChroma) != (known.chroma() < greyChroma) {
			continue
		}
		if d := c.distance(known.lab); d < nearest {
			best, nearest = i, d
		}
	}
	return best
}

// palette names the colours that cover most of the frame, largest first: up to
// three, each at least an eighth of it. Strong colours that cover less, but are
// not specks, are its accents.
func palette(g grid) string {
	counts, strong := make([]int, len(colours)), make([]int, len(colours))
	for _, c := range g.cells {
		i := nameOf(c)
		counts[i]++
		if c.chroma() > strongChroma {
			strong[i]++
		}
	}
	main := largest(counts, len(g.cells)/8)
	if len(main) == 0 {
		main = largest(counts, 1)[:1]
	}
	word := "Many colours, most of all "
	switch share := float64(counts[main[0]]) / float64(len(g.cells)); {
	case share > 0.85:
		word = "Almost all "
	case share > 0.20:
		word = "Mostly "
	}
	for _, i := range main {
		strong[i] = 0
	}
	text := word + enumerate(main)
	if accents := largest(strong, len(g.cells)/80); len(accents) > 0 {
		text += ", with some " + enumerate(accents)
	}
	return text
}

// strongChroma is what catches the eye: traffic signs, toys, flowers.
const strongChroma = 0.11

// largest returns the indices of the three largest counts that reach least.
func largest(counts []int, least int) []int {
	var order []int
	for i, n := range counts {
		if n >= max(1, least) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return counts[b] - counts[a] })
	return order[:min(3, len(order))]
}

func enumerate(indices []int) string {
	names := make([]string, len(indices))
	for i, index := range indices {
		names[i] = colours[index].name
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
