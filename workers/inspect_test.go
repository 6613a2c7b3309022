package main

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/child/childtest"
)

// rows runs a query on a database of the stack and returns one string per row.
func (s *stack) rows(file, query string) (out []string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, file)+"?mode=rw&_pragma=busy_timeout(10000)")
	require.NoError(s.t, err)
	defer db.Close()
	found, err := db.QueryContext(s.t.Context(), query)
	require.NoError(s.t, err)
	defer found.Close()
	columns, err := found.Columns()
	require.NoError(s.t, err)
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for found.Next() {
		require.NoError(s.t, found.Scan(into...))
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = v.String
		}
		out = append(out, strings.Join(texts, " | "))
	}
	require.NoError(s.t, found.Err())
	return out
}

func (s *stack) number(file, query string) int {
	s.t.Helper()
	return atoi(s.t, s.rows(file, query)[0])
}

// visible lists all documents that a search can find, in a fixed order.
func (s *stack) visible() []string {
	s.t.Helper()
	return s.rows("index.db", `SELECT s.tenant, s.profile, g.video, g.generation, g.documents, g.uri, g.name, g.duration_ms,
		d.doc, d.uri, d.name, d.pts_ms, d.start_ms, d.end_ms, d.caption, d.on_screen_text, d.transcript,
		d.frame_key, d.preview, hex(d.embedding)
		FROM document d JOIN generation g ON g.id = d.generation JOIN scope s ON s.id = g.scope
		WHERE d.id <= g.published ORDER BY s.tenant, s.profile, g.video, d.pts_ms, d.doc`)
}

// hidden counts documents and generations that no search can find.
func (s *stack) hidden() int {
	s.t.Helper()
	return s.number("index.db", `SELECT (SELECT count(*) FROM generation WHERE published IS NULL) +
		(SELECT count(*) FROM document d JOIN generation g ON g.id = d.generation
			WHERE g.published IS NULL OR d.id > g.published)`)
}

// objects lists the objects of the store with their content. It omits reports, and lists
// publications without content, because both contain times.
func (s *stack) objects() (out []string) {
	s.t.Helper()
	root := filepath.Join(s.dir, "store")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		key, err := filepath.Rel(root, path)
		if err != nil || strings.HasPrefix(key, ".tmp") || strings.Contains(key, "/reports/") {
			return err
		}
		if strings.Contains(key, "/index/") {
			out = append(out, key)
			return nil
		}
		content, err := os.ReadFile(path)
		out = append(out, fmt.Sprintf("%s %x", key, content))
		return err
	})
	require.NoError(s.t, err)
	return out
}

// temporary lists temporary files of workers and of the store.
func (s *stack) temporary() (out []string) {
	s.t.Helper()
	for _, pattern := range []string{"tmp/*", "store/.tmp/*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, pattern))
		require.NoError(s.t, err)
		for _, path := range found {
			if !strings.HasPrefix(filepath.Base(path), "lock-") {
				out = append(out, path)
			}
		}
	}
	return out
}

// children lists the child processes of this stack's workers that have not ended. It omits the
// descendants of the given workers.
func (s *stack) children(but ...*workerProcess) (out []string) {
	s.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(s.t, err)
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), s.dir) || strings.Contains(string(text), "start-dev") {
			continue // ended, or of another stack
		}
		pid := filepath.Base(filepath.Dir(path))
		if !descends(pid, but) && !childtest.Ended(atoi(s.t, pid)) {
			out = append(out, pid+" "+strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return out
}

func descends(pid string, workers []*workerProcess) bool {
	for pid != "" && pid != "0" && pid != "1" {
		for _, w := range workers {
			if pid == strconv.Itoa(w.cmd.Process.Pid) {
				return true
			}
		}
		pid = parentOf(pid)
	}
	return false
}

func parentOf(pid string) string {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name can contain any characters
	fields := strings.Fields(after)
	if len(fields) < 2 {
		return ""
	}
	return fields[1]
}

// noOrphans looks for so many seconds, 50 times in each, until every child process belongs to one of the workers. It
// counts looks and not the time, as those who must kill the children wait for the CPU as the test does.
func (s *stack) noOrphans(seconds int, workers ...*workerProcess) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	left := s.children(workers...)
	for looks := 50 * seconds; len(left) > 0 && looks > 0; looks-- {
		<-tick.C
		left = s.children(workers...)
	}
	require.Empty(s.t, left, "orphaned child processes")
}
