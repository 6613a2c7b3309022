package report

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// luminance is the relative luminance of a colour, as WCAG 2.2 defines it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	hex = strings.TrimPrefix(hex, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	rgb, err := strconv.ParseUint(hex, 16, 32)
	require.NoError(t, err)
	part := func(shift int) float64 {
		v := float64(rgb>>shift&255) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

// TestContrast: in light and in dark mode, the contrast ratio of text to its background is at
// least 4.5, and that of plots at least 3.
func TestContrast(t *testing.T) {
	t.Parallel()
	variables := regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]+);`)
	light, dark, found := strings.Cut(Style, "@media screen and (prefers-color-scheme: dark)")
	require.True(t, found)
	for name, css := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]string{}
		for _, m := range variables.FindAllStringSubmatch(css, -1) {
			if _, again := colors[m[1]]; !again { // later definitions are for print
				colors[m[1]] = m[2]
			}
		}
		contrast := func(a, b string) float64 {
			require.Contains(t, colors, a)
			require.Contains(t, colors, b)
			x, y := luminance(t, colors[a]), luminance(t, colors[b])
			return (max(x, y) + 0.05) / (min(x, y) + 0.05)
		}
		for text := range strings.SplitSeq("ink bg,ink card,soft bg,soft card,link bg,link card,good bg,good card,bad bg,bad card,good good-bg,ink good-bg,"+
			"soft good-bg,ink bad-bg,bad bad-bg,warn warn-bg,warn card,calm calm-bg,mark-ink mark", ",") {
			a, b, _ := strings.Cut(text, " ")
			require.GreaterOrEqual(t, contrast(a, b), 4.5, "%s, %s", name, text)
		}
		for i := range Palette {
			require.GreaterOrEqual(t, contrast("c"+strconv.Itoa(i), "card"), 3.0, "%s, c%d", name, i)
		}
	}
}
