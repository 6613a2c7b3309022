// Command routing writes the routing dataset, and the training conversations of a tiny
// router model. Equal arguments give equal files.
//
//	go run ./examples/routing --out examples/data
//	go run ./examples/routing --chats 6000 >chats.jsonl
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// split is one file of the dataset.
type split struct {
	name string
	rows int
}

const seed = 9 // seed of the dataset

func splits() []split { return []split{{"train", 100}, {"val", 120}, {"test", 120}} }

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("routing", flag.ContinueOnError)
	out := f.String("out", "", "folder to write routing-train.jsonl, routing-val.jsonl and routing-test.jsonl to")
	chatRows := f.Int("chats", 0, "print this number of conversations, to train a tiny router on")
	chatSeed := f.Int64("seed", 1, "seed of the conversations")
	program := f.String("program", "examples/programs/agentic-router.json", "program whose prompts the conversations use")
	if err := f.Parse(args); err != nil {
		return err
	}
	files, held := dataset()
	switch {
	case *chatRows > 0:
		text, err := os.ReadFile(*program)
		if err != nil {
			return err
		}
		p, err := prompt.Read(text)
		if err != nil {
			return err
		}
		rows, err := chats(p.Predictors[0], *chatRows, *chatSeed, held)
		if err != nil {
			return err
		}
		_, err = stdout.Write(lines(rows))
		return err
	case *out == "":
		return errors.New("give --out or --chats")
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(*out, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// dataset draws the files by name, and their queries, which all differ.
func dataset() (files map[string][]byte, held map[string]bool) {
	files, held = map[string][]byte{}, map[string]bool{}
	h, r := hidden(), python.NewRandom(seed)
	for _, s := range splits() {
		rows := make([]*prompt.Object, s.rows)
		for i := range rows {
			q := h.draw(r)
			for held[q.key()] {
				q = h.draw(r)
			}
			held[q.key()] = true
			rows[i] = q.row(h.decide(q))
		}
		files["routing-"+s.name+".jsonl"] = lines(rows)
	}
	return files, held
}

// lines writes rows as JSON lines.
func lines(rows []*prompt.Object) []byte {
	var b bytes.Buffer
	for _, row := range rows {
		b.WriteString(python.Dumps(row) + "\n")
	}
	return b.Bytes()
}
