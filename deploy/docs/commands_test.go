package main

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommands: the commands on the pages exist. For every command of cogflow, cogflow-worker,
// temporal and make in a block of sh, and of cogflow in a line of text, the subcommands and
// flags must exist, and the files of the checkout that it names too. Blocks that are marked
// `sh template` are not checked.
func TestCommands(t *testing.T) {
	t.Parallel()
	programs := map[string]*program{
		"cogflow":        build(t, "./starter"),
		"cogflow-worker": build(t, "./workers"),
		"temporal":       {path: filepath.Join(root, "bin", "temporal")},
	}
	targets := makeTargets(t)
	types := readPage(t, "docs/reference/workflows.md").anchors()
	for _, page := range manual(t) {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			for _, words := range commandsOf(readPage(t, page)) {
				for _, word := range words[1:] {
					checkFile(t, words, word)
				}
				name := path.Base(words[0])
				if name == "make" {
					targets.check(t, words)
				}
				if p := programs[name]; p != nil {
					p.check(t, words)
				}
				if kind := slices.Index(words, "--type"); name == "temporal" && kind > 0 && slices.Contains([]string{"start", "execute"}, words[2]) {
					require.Contains(t, types, strings.ToLower(words[kind+1]), "%s", words)
				}
			}
		})
	}
}

// TestCommandsOf: the commands of a page are parsed as a shell would.
func TestCommandsOf(t *testing.T) {
	t.Parallel()
	got := commandsOf(document{
		text: "Run `cogflow status`, or `cogflow train …`; `cogflow` alone and `make` are names.",
		blocks: []block{
			{"sh", "A=1 B='x y' make up # all\nbin/cogflow search 'a b' \\\n  --limit 3 >out 2>&1 && make demo; ./x | bin/cogflow list &\n"},
			{"sh template", "make nothing\n"},
			{"json", "make nothing\n"},
		},
	})
	require.Equal(t, [][]string{
		{"make", "up"},
		{"bin/cogflow", "search", "a b", "--limit", "3"},
		{"make", "demo"},
		{"./x"},
		{"bin/cogflow", "list"},
		{"cogflow", "status"},
		{"cogflow", "train", "…"},
	}, got)
}

// checkFile fails if a word names a file of the checkout that does not exist.
func checkFile(t *testing.T, command []string, word string) {
	t.Helper()
	if !ours.MatchString(word) || strings.Contains(word, "/.venv/") {
		return
	}
	if _, err := os.Stat(filepath.Join(root, word)); err != nil {
		t.Errorf("%q names %s, which does not exist", command, word)
	}
}

var (
	ours       = regexp.MustCompile(`^(\./)?(examples|deploy|docs|trainer|embedder|prompt)/`)
	assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9]*=`)
	shellToken = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"#;&|]|[^\s'";&|]#)+|#.*|&&|\|\||[;&|\n]`)
	redirect   = regexp.MustCompile(`^[0-9]*[<>]`)
	quotes     = strings.NewReplacer("'", "", `"`, "")
)

// commandsOf lists the commands of a page, as words.
func commandsOf(d document) (all [][]string) {
	for _, b := range d.blocks {
		if b.info != "sh" {
			continue
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(b.text, "\\\n", " "), "\n") {
			all = append(all, split(line)...)
		}
	}
	for _, span := range inlineCode.FindAllString(d.text, -1) {
		for _, words := range split(strings.Trim(span, "`")) {
			if path.Base(words[0]) == "cogflow" && len(words) > 1 || words[0] == "make" && len(words) > 1 {
				all = append(all, words)
			}
		}
	}
	return all
}

// split parses a line into commands, and these into words, without assignments,
// redirections and comments.
func split(line string) (all [][]string) {
	var words []string
	end := func() {
		if words != nil {
			all = append(all, words)
		}
		words = nil
	}
	line = strings.NewReplacer("2>&1", "", "&>", ">").Replace(line)
	for _, w := range shellToken.FindAllString(line, -1) {
		switch {
		case strings.HasPrefix(w, "#"), redirect.MatchString(w), words == nil && assignment.MatchString(w), words == nil && w == "do":
		case slices.Contains([]string{"&&", "||", ";", "&", "|"}, w):
			end()
		default:
			words = append(words, quotes.Replace(w))
		}
	}
	end()
	return all
}

// program is an executable with --help.
type program struct {
	path string
	help sync.Map // by words: a function that returns the help text and caches it
}

func build(t *testing.T, pkg string) *program {
	t.Helper()
	p := &program{path: filepath.Join(t.TempDir(), path.Base(pkg))}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", p.path, pkg)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return p
}

// text returns the help text of a command.
func (p *program) text(t *testing.T, words []string) string {
	t.Helper()
	once, _ := p.help.LoadOrStore(strings.Join(words, " "), sync.OnceValues(func() ([]byte, error) {
		return exec.CommandContext(t.Context(), p.path, append(slices.Clone(words), "--help")...).CombinedOutput()
	}))
	out, err := once.(func() ([]byte, error))()
	require.NoError(t, err, "%s %s: %s", p.path, words, out)
	return string(out)
}

var (
	subcommand = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) {2,}\S`)
	flagName   = regexp.MustCompile(`(?m)^ +(?:(-[a-zA-Z]), |    )?(--[a-z][a-z0-9-]*)`)
)

// check looks for the subcommands and the flags of a command.
func (p *program) check(t *testing.T, command []string) {
	t.Helper()
	if i := slices.Index(command, "--"); i > 0 { // the rest is another command of the program, as in `schedule create`
		p.check(t, append([]string{command[0]}, command[i+1:]...))
		command = command[:i]
	}
	var at []string
	for _, word := range command[1:] {
		help := p.text(t, at)
		list, _, _ := strings.Cut(after(help, "Commands:"), "\n\n")
		var children []string
		for _, m := range subcommand.FindAllStringSubmatch(list, -1) {
			children = append(children, m[1])
		}
		if children == nil || word == "…" || word == strings.ToUpper(word) || strings.HasPrefix(word, "-") { // COMMAND
			break
		}
		if !slices.Contains(children, word) {
			t.Errorf("%q: %s has no command %q", command, path.Base(command[0]), word)
			return
		}
		at = append(at, word)
	}
	known := []string{"--help"}
	for _, m := range flagName.FindAllStringSubmatch(p.text(t, at), -1) {
		known = append(known, m[1], m[2])
	}
	for _, word := range command[1:] {
		if name, _, _ := strings.Cut(word, "="); strings.HasPrefix(name, "-") && !slices.Contains(known, name) {
			t.Errorf("%q has no flag %s", command, name)
		}
	}
}

func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}

// targetList are the targets of the Makefile, patterns included.
type targetList []string

func makeTargets(t *testing.T) (all targetList) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^([a-zA-Z%./_-]+):(?:[^=]|$)`).FindAllStringSubmatch(string(data), -1) {
		all = append(all, strings.ReplaceAll(m[1], "%", "*"))
	}
	return all
}

func (l targetList) check(t *testing.T, command []string) {
	t.Helper()
	for _, word := range command[1:] {
		known := slices.ContainsFunc(l, func(target string) bool { ok, err := path.Match(target, word); return ok && err == nil })
		if !known && !strings.Contains(word, "=") {
			t.Errorf("%q: the Makefile has no target %s", command, word)
		}
	}
}
