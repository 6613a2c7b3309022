package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the checkout, seen from this package.
const root = "../.."

// manual lists the pages that people read, relative to root.
func manual(t *testing.T) []string {
	t.Helper()
	pages := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "examples/README.md", "examples/data/README.md"}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			pages = append(pages, strings.TrimPrefix(path, root+"/"))
		}
		return err
	}))
	return pages
}

// document is a parsed Markdown page.
type document struct {
	text   string  // without code blocks
	blocks []block // in order
}

// block is one fenced block; info is what follows the fence, such as "sh".
type block struct{ info, text string }

func readPage(t *testing.T, page string) document {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, page))
	require.NoError(t, err)
	var d document
	var text strings.Builder
	fenced := false
	for line := range strings.Lines(string(data)) {
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && !fenced:
			fenced = true
			d.blocks = append(d.blocks, block{info: info})
		case fence:
			fenced = false
		case fenced:
			d.blocks[len(d.blocks)-1].text += line
		default:
			text.WriteString(line)
		}
	}
	require.False(t, fenced, "%s: a code block has no end", page)
	d.text = text.String()
	return d
}

var (
	link       = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	inlineCode = regexp.MustCompile("`[^`\n]+`")
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the ids that GitHub gives to the headings of a page.
func (d document) anchors() map[string]bool {
	all := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(d.text, -1) {
		all[strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return all
}

// TestLinks: every relative link leads to a file, and its anchor to a heading.
func TestLinks(t *testing.T) {
	t.Parallel()
	anchors := map[string]map[string]bool{} // by page
	for _, page := range manual(t) {
		text := inlineCode.ReplaceAllString(readPage(t, page).text, "")
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(l[1], "#")
			if strings.Contains(target, ":") {
				continue // another site
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, l[1])
				continue
			}
			if anchor != "" && anchors[file] == nil {
				anchors[file] = readPage(t, file).anchors()
			}
			if anchor != "" && !anchors[file][anchor] {
				t.Errorf("%s links to %s, which has no such heading", page, l[1])
			}
		}
	}
}

// TestIndex: a reader finds every page from docs/README.md.
func TestIndex(t *testing.T) {
	t.Parallel()
	index := readPage(t, "docs/README.md").text
	for _, page := range manual(t) {
		name := strings.TrimPrefix(page, "docs/")
		if name == page || name == "README.md" || strings.HasPrefix(name, "decisions/") {
			continue
		}
		if !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/README.md does not link to %s", name)
		}
	}
}
