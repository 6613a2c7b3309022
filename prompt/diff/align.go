package diff

import (
	"slices"
	"strings"
)

// maxCells limits the table of an alignment: 32 MiB.
const maxCells = 16 << 20

// trim counts how many tokens two texts share at their ends.
func trim(a, b []string) (head, tail int) {
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return head, tail
}

// fits reports whether an alignment stays within its limit.
func fits(a, b []string) bool {
	head, tail := trim(a, b)
	n, m := len(a)-head-tail, len(b)-head-tail
	return min(n, m) < 1<<16 && (n+1)*(m+1) <= maxCells
}

// align aligns by the longest common subsequence, with removed tokens before added ones. Texts
// that exceed the limit are replaced as a whole.
func align(a, b []string) []Part {
	head, tail := trim(a, b)
	parts := add(nil, Same, a[:head]...)
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	if !fits(a, b) {
		parts = add(add(parts, Removed, x...), Added, y...)
		return add(parts, Same, a[len(a)-tail:]...)
	}
	width := len(y) + 1
	longest := make([]uint16, (len(x)+1)*width) // of x[i:] and y[j:]
	for i, was := range slices.Backward(x) {
		for j, is := range slices.Backward(y) {
			if was == is {
				longest[i*width+j] = longest[(i+1)*width+j+1] + 1
			} else {
				longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			parts = add(parts, Same, x[i])
			i, j = i+1, j+1
		case i < len(x) && (j == len(y) || longest[(i+1)*width+j] >= longest[i*width+j+1]):
			parts = add(parts, Removed, x[i])
			i++
		default:
			parts = add(parts, Added, y[j])
			j++
		}
	}
	return add(parts, Same, a[len(a)-tail:]...)
}

// add appends tokens; those of one operation become one part.
func add(parts []Part, op Op, tokens ...string) []Part {
	text := strings.Join(tokens, "")
	if text == "" {
		return parts
	}
	if last := len(parts) - 1; last >= 0 && parts[last].Op == op {
		parts[last].Text += text
		return parts
	}
	return append(parts, Part{op, text})
}

// readable merges changes that only spaces separate, and puts removed text before added
// text.
func readable(parts []Part) []Part {
	out := []Part{}
	removed, added := "", ""
	flush := func() {
		out = add(add(out, Removed, removed), Added, added)
		removed, added = "", ""
	}
	for i, p := range parts {
		switch {
		case p.Op == Removed:
			removed += p.Text
		case p.Op == Added:
			added += p.Text
		case removed != "" && added != "" && i+1 < len(parts) && strings.TrimSpace(p.Text) == "":
			removed += p.Text
			added += p.Text
		default:
			flush()
			out = add(out, Same, p.Text)
		}
	}
	flush()
	return out
}
